// A lease: one reserved place for a request at a replica. Hot path.
// Invariant: `replica.outstanding` is the number of leases not yet released, however their exchanges end. The place was
// taken when the replica was picked.
import type { Replica } from './replica.ts';

/** Receives what a lease reports about its replica. */
export interface LeaseOwner {
  /** One lease was released. */
  released(replica: Replica): void;
  /** The replica refused a connection. */
  unreachable(replica: Replica): void;
  /** The replica broke an exchange off. `failures`: how many in a row. */
  broke(replica: Replica, failures: number): void;
}

export class Lease {
  readonly replica: Replica;
  readonly #owner: LeaseOwner;
  #isReleased = false;

  constructor(replica: Replica, owner: LeaseOwner) {
    this.replica = replica;
    this.#owner = owner;
  }

  /** Frees the place. Safe to call twice. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#owner.released(this.replica);
  }

  /** Reports that the replica works: a response has begun or continues. */
  reportProgress(): void {
    this.replica.silentSinceMs = 0;
  }

  /** Reports a complete response with any status, since a replica that answers 4xx or 503 is alive. */
  reportCompleted(): void {
    this.replica.succeeded();
  }

  /** Reports a refused connection: the replica gets no requests until a probe succeeds. */
  reportUnreachable(): void {
    this.#owner.unreachable(this.replica);
  }

  /** Reports an exchange that the replica broke off, or a connection that it did not accept in time. */
  reportBroken(): void {
    this.#owner.broke(this.replica, this.replica.failed());
  }
}
