// One deployment as a data thread sees it: gives its requests leases at its replicas, or lets them wait. Hot path.
// Invariant: no new request overtakes a waiting one, in whatever thread that waits.
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { Lease, type LeaseOwner } from './lease.ts';
import type { DeploymentOptions } from './options.ts';
import { leastLoaded } from './pick-replica.ts';
import { countIn } from './place-count.ts';
import type { Replica } from './replica.ts';
import { isDraining, isGone, isRefusing, type WaitGate } from './wait-gate.ts';
import type { Waiter, WaitEntry } from './wait-queue.ts';

export abstract class ThreadDeployment implements LeaseOwner {
  /** Position in the order of addition, starting with the first configuration. Identifies the deployment everywhere. */
  readonly index: number;
  abstract readonly replicas: readonly Replica[];
  protected readonly gate: WaitGate;
  #options: DeploymentOptions;
  #maxPerReplica = Infinity;
  /** Where the next search for a replica starts. */
  #start = 0;

  constructor(index: number, options: DeploymentOptions, gate: WaitGate) {
    this.index = index;
    this.gate = gate;
    this.#options = options;
    this.#maxPerReplica = options.concurrency_target || Infinity;
  }

  get options(): DeploymentOptions {
    return this.#options;
  }

  protected setOptions(options: DeploymentOptions): void {
    this.#options = options;
    this.#maxPerReplica = options.concurrency_target || Infinity;
  }

  /** True after the configuration has removed it. */
  get isGone(): boolean {
    return isGone(this.gate.word);
  }

  /** Number of waiting requests of all threads. */
  get waiting(): number {
    return this.gate.count;
  }

  get hasReady(): boolean {
    return this.replicas.some((replica) => replica.isReady);
  }

  /** Returns a lease, or an entry in the wait queue whose outcome `waiter` receives, or the reason for a refusal. */
  reserve(exchange: Exchange, waiter: Waiter, avoid: Replica | undefined): Lease | WaitEntry | Failure {
    if (this.gate.isOpen) {
      const replica = this.take(avoid);
      if (replica !== undefined) return this.leased(replica, exchange);
    }
    for (;;) {
      const seen = this.gate.word;
      const refusal = this.#refusal(exchange, seen);
      if (refusal !== undefined) return refusal;
      if (!this.gate.takeIf(seen)) continue;
      return this.wait(exchange, waiter, avoid);
    }
  }

  /** Returns a lease only if a replica is free and no request waits; for work that can wait itself. */
  tryReserveIdle(): Lease | undefined {
    if (this.gate.word !== 0) return undefined;
    const replica = this.take(undefined);
    return replica && new Lease(replica, this);
  }

  abstract released(replica: Replica): void;
  abstract unreachable(replica: Replica): void;
  abstract broke(replica: Replica, failures: number): void;

  /** Puts a request, which the gate counts already, into the wait queue, or leases a replica that is free after all. */
  protected abstract wait(exchange: Exchange, waiter: Waiter, avoid: Replica | undefined): Lease | WaitEntry;

  /** Picks a replica and takes a place there for `thread`. Returns `undefined` if no replica is free. */
  protected take(avoid: Replica | undefined, thread?: number): Replica | undefined {
    const { replicas } = this;
    this.#start = (this.#start + 1) % (replicas.length || 1);
    for (;;) {
      const replica = leastLoaded(replicas, this.#start, this.#maxPerReplica, avoid);
      // Another thread may have taken the place; then it made progress, and this one picks again.
      if (replica === undefined || replica.take(this.#maxPerReplica, thread)) return replica;
    }
  }

  protected leased(replica: Replica, request: Pick<Exchange, 'leased'>): Lease {
    request.leased(replica.id);
    return new Lease(replica, this);
  }

  /** Returns why a request may not wait, or `undefined` if it may. `seen`: the word of the gate. */
  #refusal({ attempts }: Exchange, seen: number): Failure | undefined {
    const { max_queue, backpressure } = this.#options;
    if (isRefusing(seen)) return 'draining';
    if (isGone(seen)) return 'no_replica';
    const isFull = this.hasReady;
    if (isDraining(seen) && !isFull) return 'draining';
    // A retry is not refused, since the request was accepted before.
    if (attempts > 0) return undefined;
    if (isFull && backpressure === 'reject_on_full') return 'at_capacity';
    if (countIn(seen) < max_queue) return undefined;
    return max_queue > 0 || isFull ? 'queue_full' : 'no_replica';
  }
}
