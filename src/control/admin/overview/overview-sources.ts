// What the overview reads of other modules. All of it is in memory.
// Invariant: reading changes nothing.
import type { NextToExpire, QueueDepth } from '../../../async/queue/queue.ts';
import type { Collectors } from '../../../collectors/collectors.ts';
import type { Deployment, Pool, Replica } from '../../../data-plane/replicas/pool.ts';
import type { ScaleReading } from '../../scaling/autoscaler.ts';
import type { OverviewExporter } from './overview-json.ts';

export interface OverviewSources {
  readonly version: string;
  readonly pool: Pick<Pool, 'deployments' | 'current'>;
  readonly scale: () => readonly ScaleReading[];
  /** Ready replicas of a deployment, or its ready pods where Kubernetes counts them; `undefined`: not known. */
  readonly activeOf: (deployment: Deployment) => number | undefined;
  /** Time over which the load is averaged. */
  readonly scaleWindowMs: number;
  /** True if KEDA or the pods of Kubernetes follow the decisions for a deployment, by its index. */
  readonly isFollowed: (deployment: number) => boolean;
  readonly collectors: Pick<Collectors, 'gpus' | 'containers' | 'stats'>;
  /** Restarts of the process that serves a replica; `undefined`: weir does not run it. */
  readonly restartsOf: (replica: Replica) => number | undefined;
  /** Queued and running tasks of a deployment. */
  readonly asyncDepth: (deployment: string) => QueueDepth;
  /** The queued task that expires first. May reject. */
  readonly nextToExpire: () => Promise<NextToExpire | undefined>;
  /** Failed tasks of a deployment, by its index, since weir started. */
  readonly failedTasks: (deployment: number) => number;
  /** Attempts to deliver webhooks since weir started, by result. */
  readonly webhooks: () => ReadonlyMap<string, number>;
  readonly exporters: () => readonly Omit<OverviewExporter, 'since_ns'>[];
  /** `undefined` if nothing is stored. */
  readonly store: () => StoreReading | undefined;
  readonly currency: () => string;
  readonly isDraining: () => boolean;
}

/** The log store now. */
export interface StoreReading {
  /** Records that were lost since weir started. */
  readonly lost: number;
  readonly lagSeconds: number;
  readonly bytes: number;
  readonly maxBytes: number;
}
