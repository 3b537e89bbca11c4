// What the overview reads of other modules. All of it is in memory.
// Invariant: reading changes nothing.
import type { QueueDepth } from '../../../async/queue/queue.ts';
import type { Collectors } from '../../../collectors/collectors.ts';
import type { Pool, Replica } from '../../../data-plane/replicas/pool.ts';
import type { ScaleReading } from '../../scaling/autoscaler.ts';
import type { OverviewExporter } from './overview-json.ts';

/** Age of the queued tasks; `null`: none is queued, or the store does not say. */
export interface QueuedAges {
  readonly oldestMs: number | null;
  readonly expiresFirstMs: number | null;
}

export interface OverviewSources {
  readonly version: string;
  readonly pool: Pick<Pool, 'deployments' | 'current'>;
  readonly scale: () => readonly ScaleReading[];
  /** Time over which the load is averaged. */
  readonly scaleWindowMs: number;
  /** True if KEDA or the pods of Kubernetes follow the decisions for a deployment, by its index. */
  readonly isFollowed: (deployment: number) => boolean;
  readonly collectors: Pick<Collectors, 'gpus' | 'containers' | 'stats'>;
  /** Restarts of the process that serves a replica; `undefined`: weir does not run it. */
  readonly restartsOf: (replica: Replica) => number | undefined;
  /** Queued and running tasks of a deployment. */
  readonly asyncDepth: (deployment: string) => QueueDepth;
  /** Ages of all queued tasks. Resolves to `undefined` if they cannot be read. */
  readonly asyncAges: () => Promise<QueuedAges | undefined>;
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
