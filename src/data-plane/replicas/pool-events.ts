// What the pool reports to the rest of weir.
import type { AddressChange } from './host-addresses.ts';
import type { ReplicaState } from './replica.ts';

/** A replica that takes no requests because its probes fail. */
export interface FailingReplica {
  readonly deployment: string;
  readonly replica: string;
  readonly url: string;
  readonly problem: string;
  /** How long the probes have failed, in milliseconds. */
  readonly forMs: number;
}

/** A replica that needs a restart, and why. */
export interface DeadReplica {
  readonly deployment: string;
  readonly replica: string;
  readonly url: string;
  readonly reason: string;
}

/** A change of a replica's state. */
export interface ReplicaChange {
  readonly deployment: string;
  readonly replica: string;
  readonly url: string;
  readonly from: ReplicaState;
  readonly to: ReplicaState;
  /** Why the last probe failed; empty if it succeeded. */
  readonly problem: string;
  /** Number of requests in flight. */
  readonly running: number;
}

/** Receives what happens in the pool. */
export interface PoolEvents {
  readonly changed: (change: ReplicaChange) => void;
  /** A replica answered a probe for the first time since its process started. */
  readonly reached?: (replica: Pick<ReplicaChange, 'deployment' | 'replica' | 'url'>) => void;
  /** A replica of the deployment is free and no request waits for it. Called often. */
  readonly freeCapacity?: (deployment: string) => void;
  /** The addresses of a host name have changed, or resolving it began to fail or to work again. */
  readonly resolved?: (change: AddressChange) => void;
  /** A replica that takes no requests fails its probes. Called at the first failure, then after growing pauses. */
  readonly failing?: (replica: FailingReplica) => void;
  /** A replica failed its liveness probe too often, or did not become ready in time. */
  readonly dead: (replica: DeadReplica) => void;
}
