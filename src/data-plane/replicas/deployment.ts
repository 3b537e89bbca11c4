// One deployment in the main thread: its replicas, their health, and the wait queue for the requests of all threads. Hot
// path.
// Invariant: no request waits while a replica is free.
import type { Deadlines } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { BufferBudget } from './buffer-budget.ts';
import type { Lease } from './lease.ts';
import type { DeploymentState } from './messages-to-thread.ts';
import type { DeploymentOptions, PoolOptions } from './options.ts';
import { countMemory } from './place-count.ts';
import type { Replica, ReplicaState } from './replica.ts';
import { ReplicaSet, type ReplicaReports } from './replica-set.ts';
import type { ReplicaTrust } from './replica-tls.ts';
import { ThreadDeployment } from './thread-deployment.ts';
import { isDraining, isRefusing, WaitGate } from './wait-gate.ts';
import { WaitQueue, type Waiter, type WaitEntry, type WaitingRequest } from './wait-queue.ts';

/** Receives what happens in a deployment. */
export interface DeploymentReports extends ReplicaReports {
  /** A replica is free and no request waits for it. */
  freeCapacity(): void;
}

export class Deployment extends ThreadDeployment {
  readonly waitQueue: WaitQueue;
  readonly replicaSet: ReplicaSet;
  /** The replicas of `replicaSet`. */
  readonly replicas: readonly Replica[];
  readonly #reports: DeploymentReports;
  readonly #hasThreads: boolean;
  #trust: ReplicaTrust;
  #isGranting = false;

  constructor(
    index: number,
    options: DeploymentOptions,
    trust: ReplicaTrust,
    poolOptions: PoolOptions,
    shared: { bufferBudget: BufferBudget; deadlines: Deadlines; threads: number },
    reports: DeploymentReports,
  ) {
    super(index, options, new WaitGate(countMemory(shared.threads), 0));
    this.#trust = trust;
    this.#reports = reports;
    this.#hasThreads = shared.threads > 1;
    const { bufferBudget, deadlines } = shared;
    this.waitQueue = new WaitQueue(options.queue_timeout, this.gate, bufferBudget, deadlines, () =>
      this.#removeIfGone(),
    );
    this.replicaSet = new ReplicaSet(options, trust, poolOptions, shared.threads, {
      changed: (replica, from) => this.#onChanged(replica, from),
      reached: (replica) => reports.reached(replica),
      failing: (replica, problem, forMs) => reports.failing(replica, problem, forMs),
      dead: (replica, reason) => reports.dead(replica, reason),
      listed: () => reports.listed(),
    });
    this.replicas = this.replicaSet.replicas;
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
    this.gate.setGone(false);
    for (const health of this.#configure(options, trust)) void health.start();
    this.grantWaiting();
  }

  /** Applies changed addresses of the same hosts. */
  updateAddresses(options: DeploymentOptions): void {
    this.update(options, this.#trust);
  }

  /** Removes the deployment: new requests are refused, waiting and running requests may end. */
  retire(): void {
    this.gate.setGone(true);
    if (!this.hasReady) this.waitQueue.refuseAll('no_replica');
    this.#removeIfGone();
    this.#reports.listed();
  }

  /** Called when the process begins to shut down: without a ready replica no request waits any longer. */
  startDraining(): void {
    this.gate.startDraining();
    if (!this.hasReady) this.waitQueue.refuseAll('draining');
  }

  /** Refuses every waiting and every further request. */
  refuseAll(): void {
    this.gate.startRefusing();
    this.waitQueue.refuseAll('draining');
  }

  override tryReserveIdle(): Lease | undefined {
    const lease = super.tryReserveIdle();
    if (lease !== undefined || !this.#hasThreads) return lease;
    this.gate.wantCapacity();
    // Another thread may have given a place back before it could see that it is wanted.
    return super.tryReserveIdle();
  }

  count(state: ReplicaState): number {
    return this.replicaSet.count(state);
  }

  // ── Other threads ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Puts a request of another thread, which has counted it, into the wait queue, or returns why it is refused. */
  waitFor(
    request: WaitingRequest,
    waiter: Waiter,
    avoid: Replica | undefined,
    thread: number,
  ): WaitEntry | Failure {
    const refusal = this.#lateRefusal();
    if (refusal === undefined) return this.waitQueue.enqueue(request, waiter, avoid, thread);
    this.gate.give(thread);
    this.#removeIfGone();
    return refusal;
  }

  /** Another thread gave places back. */
  freed(): void {
    this.gate.told();
    this.#afterRelease();
  }

  /** A thread has ended: gives its places back. Its entries have left the queue. */
  threadLost(thread: number): void {
    this.gate.threadLost(thread);
    for (const replica of this.replicas) replica.threadLost(thread);
    this.#removeIfGone();
    this.#afterRelease();
  }

  /** What another thread needs to know. */
  get state(): DeploymentState {
    return {
      kind: 'deployment',
      index: this.index,
      options: this.options,
      ca: this.#trust.pem,
      memory: this.gate.memory,
      replicas: this.replicas.map(({ number, options, isLeaving, memory }) => ({
        number,
        options,
        isLeaving,
        memory,
      })),
    };
  }

  // ── LeaseOwner ───────────────────────────────────────────────────────────────────────────────────────────────────

  released(replica: Replica): void {
    replica.release();
    this.replicaSet.removeIfIdle(replica);
    if (this.gate.count > 0) this.grantWaiting();
    else this.#reports.freeCapacity();
  }

  unreachable(replica: Replica): void {
    this.replicaSet.unreachable(replica);
  }

  broke(replica: Replica, failures: number): void {
    this.replicaSet.broke(replica, failures);
  }

  // ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected wait(exchange: Exchange, waiter: Waiter, avoid: Replica | undefined): Lease | WaitEntry {
    // Another thread may have given a place back before it could see that a request waits.
    if (this.#hasThreads && this.gate.count === 1) {
      const replica = this.take(avoid);
      if (replica !== undefined) {
        this.gate.give();
        return this.leased(replica, exchange);
      }
    }
    exchange.queued();
    return this.waitQueue.enqueue(exchange, waiter, avoid, 0);
  }

  /** Gives leases to waiting requests, in their order, until no replica is free. */
  grantWaiting(): void {
    // A granted request may end at once and release its lease, which calls this again: the outer loop goes on.
    if (this.#isGranting || isRefusing(this.gate.word)) return;
    this.#isGranting = true;
    for (let entry = this.waitQueue.first; entry !== undefined; entry = this.waitQueue.first) {
      const replica = this.take(entry.avoid, entry.thread);
      if (replica === undefined) break;
      entry.leave();
      entry.waiter.granted(this.leased(replica, entry.request));
    }
    this.#isGranting = false;
  }

  #afterRelease(): void {
    this.replicaSet.removeIdle();
    if (this.gate.count > 0) this.grantWaiting();
    else {
      this.gate.served();
      this.#reports.freeCapacity();
    }
  }

  /** Returns why a request that another thread has let wait does not wait after all, or `undefined`. */
  #lateRefusal(): Failure | undefined {
    const { word } = this.gate;
    if (isRefusing(word)) return 'draining';
    if (this.hasReady) return undefined;
    if (isDraining(word)) return 'draining';
    return this.isGone ? 'no_replica' : undefined;
  }

  /** Lets the replicas of a removed deployment leave once no request waits for them. */
  #removeIfGone(): void {
    if (this.isGone && this.gate.count === 0) this.replicaSet.removeAllWhenIdle();
  }

  #configure(options: DeploymentOptions, trust: ReplicaTrust): ReturnType<ReplicaSet['configure']> {
    this.setOptions(options);
    this.#trust = trust;
    this.waitQueue.timeoutMs = options.queue_timeout;
    const started = this.replicaSet.configure(options, trust);
    this.#reports.listed();
    return started;
  }

  #onChanged(replica: Replica, from: ReplicaState): void {
    this.#reports.changed(replica, from);
    if (replica.isReady) {
      this.grantWaiting();
      this.#reports.freeCapacity();
    } else if (isDraining(this.gate.word) && !this.hasReady) this.waitQueue.refuseAll('draining');
    else if (this.isGone && !this.hasReady) this.waitQueue.refuseAll('no_replica');
  }
}
