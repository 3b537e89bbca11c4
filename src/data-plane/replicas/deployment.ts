// One deployment: gives its requests leases at its replicas, or places in its wait queue. Hot path.
// Invariant: no request waits while a replica is free, and no new request overtakes a waiting one.
import type { Deadlines } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { Lease, type LeaseOwner } from './lease.ts';
import type { DeploymentOptions, PoolOptions } from './options.ts';
import { leastLoaded } from './pick-replica.ts';
import type { Replica, ReplicaState } from './replica.ts';
import { ReplicaSet, type ReplicaReports } from './replica-set.ts';
import type { ReplicaTrust } from './replica-tls.ts';
import { WaitQueue, type BufferBudget, type Waiter, type WaitEntry } from './wait-queue.ts';

/** Receives what happens in a deployment. */
export interface DeploymentReports extends ReplicaReports {
  /** A replica is free and no request waits for it. */
  freeCapacity(): void;
}

export class Deployment implements LeaseOwner {
  /** Position in the order of addition, starting with the first configuration. Identifies the deployment everywhere. */
  readonly index: number;
  readonly waitQueue: WaitQueue;
  readonly replicaSet: ReplicaSet;
  /** The replicas of `replicaSet`. */
  readonly replicas: readonly Replica[];
  readonly #reports: DeploymentReports;
  #options: DeploymentOptions;
  #trust: ReplicaTrust;
  #maxPerReplica = Infinity;
  /** Where the next search for a replica starts. */
  #start = 0;
  #isGranting = false;
  /** True after the configuration has removed it. */
  isGone = false;
  #isDraining = false;
  #isRefusingAll = false;

  constructor(
    index: number,
    options: DeploymentOptions,
    trust: ReplicaTrust,
    poolOptions: PoolOptions,
    shared: { bufferBudget: BufferBudget; deadlines: Deadlines },
    reports: DeploymentReports,
  ) {
    this.index = index;
    this.#options = options;
    this.#trust = trust;
    this.#maxPerReplica = options.concurrency_target || Infinity;
    this.#reports = reports;
    this.waitQueue = new WaitQueue(options.queue_timeout, shared.bufferBudget, shared.deadlines);
    this.replicaSet = new ReplicaSet(options, trust, poolOptions, {
      changed: (replica, from) => this.#onChanged(replica, from),
      reached: (replica) => reports.reached(replica),
      failing: (replica, problem, forMs) => reports.failing(replica, problem, forMs),
      dead: (replica, reason) => reports.dead(replica, reason),
    });
    this.replicas = this.replicaSet.replicas;
  }

  get options(): DeploymentOptions {
    return this.#options;
  }

  /** Probes every replica once before it resolves, then on timers. `options`: with the currently known addresses. */
  async start(options: DeploymentOptions): Promise<void> {
    this.#configure(options, this.#trust);
    await this.replicaSet.start();
  }

  stop(): void {
    this.replicaSet.stop();
  }

  /** Applies changed options. New replicas are probed; those that are no longer named get no more requests. */
  update(options: DeploymentOptions, trust: ReplicaTrust): void {
    this.isGone = false;
    for (const health of this.#configure(options, trust)) void health.start();
    this.#grantWaiting();
  }

  /** Applies changed addresses of the same hosts. */
  updateAddresses(options: DeploymentOptions): void {
    this.update(options, this.#trust);
  }

  /** Removes the deployment: new requests are refused, waiting and running requests may end. */
  retire(): void {
    this.isGone = true;
    if (!this.hasReady) this.waitQueue.refuseAll('no_replica');
    if (this.waitQueue.length === 0) this.replicaSet.removeAllWhenIdle();
  }

  /** Called when the process begins to shut down: without a ready replica no request waits any longer. */
  startDraining(): void {
    this.#isDraining = true;
    if (!this.hasReady) this.waitQueue.refuseAll('draining');
  }

  /** Refuses every waiting and every further request. */
  refuseAll(): void {
    this.#isRefusingAll = true;
    this.waitQueue.refuseAll('draining');
  }

  /** Returns a lease, or an entry in the wait queue whose outcome `waiter` receives, or the reason for a refusal. */
  reserve(exchange: Exchange, waiter: Waiter, avoid: Replica | undefined): Lease | WaitEntry | Failure {
    if (this.#isRefusingAll) return 'draining';
    if (this.waitQueue.length === 0 && !this.isGone) {
      const replica = this.#pick(avoid);
      if (replica !== undefined) return this.#lease(replica, exchange);
    }
    const refusal = this.#refusal(exchange);
    if (refusal !== undefined) return refusal;
    exchange.queued();
    return this.waitQueue.enqueue(exchange, waiter, avoid);
  }

  /** Returns a lease only if a replica is free and no request waits; for work that can wait itself. */
  tryReserveIdle(): Lease | undefined {
    if (this.#isRefusingAll || this.#isDraining || this.waitQueue.length > 0) return undefined;
    const replica = this.#pick(undefined);
    return replica && new Lease(replica, this);
  }

  count(state: ReplicaState): number {
    return this.replicaSet.count(state);
  }

  get hasReady(): boolean {
    return this.replicaSet.hasReady;
  }

  // ── LeaseOwner ───────────────────────────────────────────────────────────────────────────────────────────────────

  released(replica: Replica): void {
    this.replicaSet.removeIfIdle(replica);
    if (this.waitQueue.length > 0) this.#grantWaiting();
    else this.#reports.freeCapacity();
  }

  unreachable(replica: Replica): void {
    this.replicaSet.unreachable(replica);
  }

  broke(replica: Replica): void {
    this.replicaSet.broke(replica);
  }

  // ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #pick(avoid: Replica | undefined): Replica | undefined {
    const { replicas } = this;
    this.#start = (this.#start + 1) % (replicas.length || 1);
    return leastLoaded(replicas, this.#start, this.#maxPerReplica, avoid);
  }

  #lease(replica: Replica, exchange: Exchange): Lease {
    exchange.leased(replica.id);
    return new Lease(replica, this);
  }

  /** Returns why a request may not wait, or `undefined` if it may. */
  #refusal({ attempts }: Exchange): Failure | undefined {
    const { max_queue, backpressure } = this.#options;
    if (this.isGone) return 'no_replica';
    const isFull = this.hasReady;
    if (this.#isDraining && !isFull) return 'draining';
    // A retry is not refused, since the request was accepted before.
    if (attempts > 0) return undefined;
    if (isFull && backpressure === 'reject_on_full') return 'at_capacity';
    if (this.waitQueue.length < max_queue) return undefined;
    return max_queue > 0 || isFull ? 'queue_full' : 'no_replica';
  }

  /** Gives leases to waiting requests, in their order, until no replica is free. */
  #grantWaiting(): void {
    // A granted request may end at once and release its lease, which calls this again: the outer loop goes on.
    if (this.#isGranting || this.#isRefusingAll) return;
    this.#isGranting = true;
    for (let entry = this.waitQueue.first; entry !== undefined; entry = this.waitQueue.first) {
      const replica = this.#pick(entry.avoid);
      if (replica === undefined) break;
      const { exchange, waiter } = entry;
      entry.leave();
      waiter.granted(this.#lease(replica, exchange));
    }
    this.#isGranting = false;
    if (this.isGone && this.waitQueue.length === 0) this.replicaSet.removeAllWhenIdle();
  }

  #configure(options: DeploymentOptions, trust: ReplicaTrust): ReturnType<ReplicaSet['configure']> {
    this.#options = options;
    this.#trust = trust;
    this.#maxPerReplica = options.concurrency_target || Infinity;
    this.waitQueue.timeoutMs = options.queue_timeout;
    return this.replicaSet.configure(options, trust);
  }

  #onChanged(replica: Replica, from: ReplicaState): void {
    this.#reports.changed(replica, from);
    if (replica.isReady) {
      this.#grantWaiting();
      this.#reports.freeCapacity();
    } else if (this.#isDraining && !this.hasReady) this.waitQueue.refuseAll('draining');
    else if (this.isGone && !this.hasReady) this.waitQueue.refuseAll('no_replica');
  }
}
