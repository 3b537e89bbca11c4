// What the pool in the main thread sends to the other data threads, in order.
import type { Failure } from '../../core/errors.ts';
import type { DeploymentOptions, ReplicaOptions } from './options.ts';

/** A deployment and its replicas. Sent again as a whole whenever the configuration or the list of replicas changes. */
export interface DeploymentState {
  readonly kind: 'deployment';
  readonly index: number;
  /** `replicas` of it are not used. */
  readonly options: DeploymentOptions;
  /** PEM of the accepted certificate authorities; empty: the public ones. */
  readonly ca: string;
  /** Of the wait gate. */
  readonly memory: ArrayBufferLike;
  readonly replicas: readonly ReplicaEntry[];
}

/** A replica in a message. */
export interface ReplicaEntry {
  readonly number: number;
  readonly options: ReplicaOptions;
  readonly isLeaving: boolean;
  readonly memory: ArrayBufferLike;
}

/** A waiting request has a place at a replica, which the main thread has taken for this thread. */
export interface Granted {
  readonly kind: 'granted';
  readonly deployment: number;
  readonly ticket: number;
  readonly replica: number;
}

/** A waiting request is refused, and no longer counted as waiting. */
export interface Refused {
  readonly kind: 'refused';
  readonly deployment: number;
  readonly ticket: number;
  readonly failure: Failure;
}

export type ToThread = DeploymentState | Granted | Refused;
