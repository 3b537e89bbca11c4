// The objects that metric families read at a scrape.
// Invariant: modules above metrics are described here by the values they give, modules below by their own types.
import type { Queue } from '../../async/queue/queue.ts';
import type { Webhooks } from '../../async/webhook/webhook.ts';
import type { Collectors } from '../../collectors/collectors.ts';
import type { PodFigures } from '../../collectors/kubernetes/kubernetes.ts';
import type { ReplicaMetrics } from '../../collectors/replica-metrics/replica-metrics.ts';
import type { KeyUses } from '../../core/keys/key-uses.ts';
import type { LineSink } from '../../core/logger.ts';
import type { Proxy } from '../../data-plane/proxy/proxy.ts';
import type { Pool } from '../../data-plane/replicas/pool.ts';
import type { MetricCounters } from './counters.ts';
import type { DeploymentLabels } from './deployment-labels.ts';

/** Parts of weir whose state is exposed. */
export interface MetricParts {
  readonly build: { readonly version: string; readonly node: string };
  readonly pool: Pool;
  readonly proxy: Proxy;
  /** Connections to replicas, of all threads. */
  readonly replicaConnections: () => { readonly active: number; readonly idle: number };
  readonly pods: PodSource;
  readonly collectors: Collectors;
  readonly replicaMetrics: ReplicaMetrics;
  readonly queue: Queue;
  /** What clients have used, by the names of their keys. */
  readonly clients: Pick<KeyUses, 'totals' | 'unknown'>;
  readonly webhooks: Webhooks;
  readonly autoscaler: { readings(): readonly ScalingFigures[] };
  /** `undefined` if nothing is stored. */
  readonly logStore: () => LogStoreFigures | undefined;
  /** `undefined` if nothing is stored, since exporters read the log store. */
  readonly exporters: { readings(): readonly ExportFigures[] } | undefined;
  /** `undefined` if nothing is stored. */
  readonly scoring: { readings(): readonly ScoringFigures[] } | undefined;
  readonly output: LineSink;
  /** Connections that were closed since their address had too many. */
  readonly crowdedConnections: () => number;
  /** Certificates of weir's servers; none for a server in clear text. */
  readonly certificates: () => readonly CertificateFigures[];
}

/** State of the certificate of one server. */
export interface CertificateFigures {
  /** Name of the server: the section of its settings. */
  readonly server: string;
  /** Expiry, in milliseconds since 1970. */
  readonly validToMs: number;
  readonly isRefused: boolean;
  /** Connections that were closed before they were served, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** All that a family may read. */
export interface MetricSources extends MetricParts {
  readonly labels: DeploymentLabels;
  readonly counters: MetricCounters;
}

/** Pods in Kubernetes, and the process that weir supervises. */
export interface PodSource {
  /** Index of the deployment whose pods are read from Kubernetes; `undefined` if there is none. */
  readonly followed: number | undefined;
  /** Figures of these pods; `undefined` while none are recent enough. */
  readonly figures: () => PodFigures | undefined;
  /** Restarts of the supervised process that serves a deployment; `undefined` if none does. */
  readonly childRestarts: (deployment: number) => number | undefined;
}

/** The latest scaling decision for one deployment. */
export interface ScalingFigures {
  /** Id of the deployment. */
  readonly id: string;
  /** Replicas that the deployment should have; `null`: not decided yet. */
  readonly desired: number | null;
  /** Mean number of requests in flight over scale.autoscaling_window. */
  readonly mean_in_flight: number;
  /** Requests in flight that one replica should have. */
  readonly in_flight_per_replica: number;
}

/** State of the log store since weir started. */
export interface LogStoreFigures {
  /** Stored records, by kind. */
  readonly stored: ReadonlyMap<string, number>;
  /** Records that were lost, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Requests whose bodies were not copied, since the memory for copies was full. */
  readonly bodiesSkipped: number;
  /** Requests whose copied bodies were not stored, since there was no room for them on the way to the recorder. */
  readonly bodiesDropped: number;
  /** Bodies that were not kept, since they could not be masked. */
  readonly bodiesUnmaskable: number;
  /** Number of masked values, by rule. Rules that masked nothing are left out. */
  readonly masked: ReadonlyMap<string, number>;
  /** Bytes of output, posts and bodies that are not stored yet. */
  readonly queuedBytes: number;
  /** Bytes in the ring that the recorder has not read. */
  readonly ringBytes: number;
  /** How long the oldest record has waited to be stored, in seconds; 0: none waits. */
  readonly lagSeconds: number;
  /** Files and pages of the store that were found damaged and set aside. */
  readonly damaged: number;
  /** Size of all files of the store. */
  readonly storeBytes: number;
}

/** State of the exporter of one destination. */
export interface ExportFigures {
  /** Name of the destination. */
  readonly destination: string;
  readonly sent: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly queue_records: number;
  readonly lag_seconds: number;
  /** Requests by HTTP status; `none`: no response. */
  readonly requests: ReadonlyMap<string, number>;
}

/** State of a scoring rule. */
export interface ScoringFigures {
  /** Name of the rule, and id of its project. */
  readonly rule: string;
  readonly project: string;
  readonly state: {
    readonly state: string;
    readonly behindRecords: number;
    readonly behindSeconds: number;
    readonly scored: number;
    readonly failed: number;
    readonly skipped: ReadonlyMap<string, number>;
    /** Cost of judges, by currency. */
    readonly costs: ReadonlyMap<string, number>;
  };
}
