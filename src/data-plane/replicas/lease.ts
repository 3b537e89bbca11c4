// A place at a replica, held until it is released. Hot path.
// Must stay true: `outstanding` is exactly the number of leases not yet released, whatever way exchanges end.
import type { Replica } from './replica.ts';

/** What a lease tells the deployment that gave it. */
export interface LeaseOwner {
  /** A place at the replica is free. */
  freed(replica: Replica): void;
  unreachable(replica: Replica): void;
  broke(replica: Replica): void;
}

export class Lease {
  readonly replica: Replica;
  readonly #lessor: LeaseOwner;
  #isHeld = true;

  constructor(replica: Replica, lessor: LeaseOwner) {
    this.replica = replica;
    this.#lessor = lessor;
    replica.outstanding++;
  }

  /** Gives the place back; a second call changes nothing. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.replica.outstanding--;
    this.#lessor.freed(this.replica);
  }

  /** It works: an answer has begun, or goes on. */
  heard(): void {
    this.replica.silentSinceMs = 0;
  }

  /** It has completed an answer, whatever that says: who answers 4xx, or that he is busy, is not dead. */
  completed(): void {
    this.replica.failures = 0;
  }

  /** It refused a connection: it gets no more until a probe succeeds. */
  unreachable(): void {
    this.#lessor.unreachable(this.replica);
  }

  /** It broke an exchange off, or did not accept a connection in time. */
  broke(): void {
    this.#lessor.broke(this.replica);
  }
}
