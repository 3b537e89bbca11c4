// What the pool of a data thread sends to the pool in the main thread, in order.

/** A request waits. It is counted as waiting already. */
export interface Waits {
  readonly kind: 'waits';
  readonly deployment: number;
  /** Names the request in the messages of this thread. */
  readonly ticket: number;
  readonly attempts: number;
  /** Milliseconds of earlier waits. */
  readonly waitedMs: number;
  /** Number of the replica that just failed the request; 0: none. */
  readonly avoid: number;
}

/** A request no longer waits. It may have been granted or refused meanwhile. */
export interface Leaves {
  readonly kind: 'leaves';
  readonly deployment: number;
  readonly ticket: number;
}

/** Places were given back that the main thread waits for. */
export interface Freed {
  readonly kind: 'freed';
  readonly deployment: number;
}

/** A replica refused a connection. */
export interface Unreachable {
  readonly kind: 'unreachable';
  readonly deployment: number;
  readonly replica: number;
}

/** A replica broke an exchange off. */
export interface Broke {
  readonly kind: 'broke';
  readonly deployment: number;
  readonly replica: number;
  /** How many it broke off in a row, this one included. */
  readonly failures: number;
}

export type ToMain = Waits | Leaves | Freed | Unreachable | Broke;
