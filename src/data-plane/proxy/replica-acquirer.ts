// How a request comes to a replica, in whatever lane: a place in line, a lease, and after a failure another try. Hot path.
// Must stay true: at any moment the request has a lease, or a place in line, or a time for its next try, or nothing, never
// two of them; `end` leaves nothing of it anywhere.
//
//   begin ─► (in line) ─► found ─► sent …         any time: end
//     ▲ └─ refused          │ failed, and may be tried again
//     └──── (a pause) ◄─────┘ again
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { Lease, type Waiter, type WaitEntry, type Pool, type Replica } from '../replicas/pool.ts';
import { reportConnectFailure } from './connection-error.ts';
import type { RetryBudget } from './retry.ts';

/** Who seeks a replica for an exchange. */
export interface AcquireListener {
  /** There is one: the request is to be sent. May be called within `begin` or `again`. */
  found(lease: Lease): void;
  /** There is none yet: it stands in line now. */
  waits(): void;
  /** There will be none. */
  refused(failure: Failure, detail?: string): void;
}

export class ReplicaAcquirer implements Waiter {
  /** The place at a replica that it has. */
  lease: Lease | undefined;
  readonly #pool: Pool;
  readonly #retries: RetryBudget;
  readonly #owner: AcquireListener;
  #exchange: Exchange | undefined;
  #place: WaitEntry | undefined;
  /** performance.now() when it is to be tried again; 0 where it is not. */
  #retryAtMs = 0;
  /** The replica that has just failed it. */
  #avoid: Replica | undefined;

  constructor(
    { pool, retries }: { readonly pool: Pool; readonly retries: RetryBudget },
    owner: AcquireListener,
  ) {
    this.#pool = pool;
    this.#retries = retries;
    this.#owner = owner;
  }

  /** Seeks a replica for an exchange: for one at a time. */
  begin(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#seek();
  }

  /** True while no replica has it: it waits in line, or for its next try. */
  get isSeeking(): boolean {
    return this.#place !== undefined || this.#retryAtMs !== 0;
  }

  get isInLine(): boolean {
    return this.#place !== undefined;
  }

  /** Counts bytes that are held for it while it stands in line; refuses it, and returns false, where there is no room. */
  hold(bytes: number): boolean {
    if (this.#place === undefined || this.#place.buffer(bytes)) return true;
    this.#owner.refused('queue_full', 'too many bytes are waiting');
    return false;
  }

  /** It is sent, for the first time or once more; returns which time this is. */
  sent(): number {
    const exchange = this.#exchange!;
    if (++exchange.attempts > 1) this.#retries.sent(exchange);
    return exchange.attempts;
  }

  /** Milliseconds until it may be tried again after its replica could not be reached, or GIVE_UP. */
  pauseAfterUnreachable(error: NodeJS.ErrnoException | undefined, isWhole: boolean): number {
    reportConnectFailure(this.lease!, error);
    return this.#retries.afterConnectFailure(this.#exchange!, isWhole);
  }

  /** The same after an answer that asks for it. `path`: what the replica saw. */
  pauseAfterAnswer(isWhole: boolean, path: string): number {
    return this.#retries.afterAnswer(this.#exchange!, isWhole, path);
  }

  /** Lets go of the replica that failed it, and seeks another one after a pause. What was tied to it is to be gone by now. */
  again(pauseMs: number): void {
    const lease = this.lease!;
    this.#avoid = lease.replica;
    this.lease = undefined;
    if (pauseMs > 0) this.#retryAtMs = performance.now() + pauseMs;
    lease.release();
    if (pauseMs === 0) this.#seek();
  }

  /** To be called on every sweep; true where a pause was over and it has been tried again. */
  sweep(nowMs: number): boolean {
    if (this.#retryAtMs === 0 || nowMs < this.#retryAtMs) return false;
    this.#retryAtMs = 0;
    this.#seek();
    return true;
  }

  /** Leaves the line: what it has waited is known from here on. */
  leaveLine(): void {
    this.#place?.leave();
    this.#place = undefined;
  }

  /** The exchange is over. */
  end(): void {
    this.leaveLine();
    this.#retryAtMs = 0;
    this.#avoid = undefined;
    this.#exchange = undefined;
    const { lease } = this;
    this.lease = undefined;
    lease?.release();
  }

  // ── What the pool says ───────────────────────────────────────────────────────────────────────────────────────────

  granted(lease: Lease): void {
    this.#place = undefined;
    this.lease = lease;
    this.#owner.found(lease);
  }

  refused(failure: Failure): void {
    this.#place = undefined;
    this.#owner.refused(failure);
  }

  #seek(): void {
    const exchange = this.#exchange!;
    const got = this.#pool.reserve(exchange, this, this.#avoid);
    if (typeof got === 'string') this.#owner.refused(got);
    else if (got instanceof Lease) this.granted(got);
    else {
      this.#place = got;
      if (this.hold(exchange.requestBytes)) this.#owner.waits();
    }
  }
}
