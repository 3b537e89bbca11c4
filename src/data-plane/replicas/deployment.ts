// One deployment: its replicas, who may have the next place at one, and the line of those who wait. Hot path.
// Must stay true: nobody waits while a replica has room, and nobody passes those who wait.
import type { Deadlines } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { ReplicaHealth } from './replica-health.ts';
import { Lease, type LeaseOwner } from './lease.ts';
import { WaitQueue, type Waiter, type BufferBudget, type WaitEntry } from './wait-queue.ts';
import type { DeploymentOptions, PoolOptions, ReplicaOptions, ReplicaUrl } from './options.ts';
import { leastLoaded } from './pick-replica.ts';
import { Replica, type ReplicaState } from './replica.ts';
import { tlsFor, type ReplicaTls, type ReplicaTrust } from './replica-tls.ts';

/** Longest that a replica is ejected, however often it has been. */
const MAX_EJECT_MS = 5 * 60_000;

/** What a deployment tells the pool about its replicas. */
export interface DeploymentReports {
  changed(replica: Replica, from: ReplicaState): void;
  /** A place is free, and nobody waits for it. */
  spare(deployment: Deployment): void;
  /** It answered for the first time since its process started. */
  reached(replica: Replica): void;
  /** Its probes keep failing; see HealthReports. */
  failing(replica: Replica, problem: string, forMs: number): void;
  /** It failed its liveness probe too often, or did not become ready in time. */
  dead(replica: Replica, reason: string): void;
}

export class Deployment implements LeaseOwner {
  /** Its place in the configuration at the start, and its index everywhere. */
  readonly index: number;
  readonly line: WaitQueue;
  /** Those of the configuration, and those that have left it and still hold requests. */
  readonly replicas: Replica[] = [];
  readonly #health = new Map<Replica, ReplicaHealth>();
  readonly #poolOptions: PoolOptions;
  readonly #reports: DeploymentReports;
  #options: DeploymentOptions;
  #trust: ReplicaTrust;
  #cap = Infinity;
  #turn = 0;
  #isServing = false;
  /** The configuration names it no more. */
  isGone = false;
  #isClosing = false;
  #isOver = false;

  constructor(
    index: number,
    options: DeploymentOptions,
    trust: ReplicaTrust,
    poolOptions: PoolOptions,
    shared: { holding: BufferBudget; deadlines: Deadlines },
    reports: DeploymentReports,
  ) {
    this.index = index;
    this.#options = options;
    this.#trust = trust;
    this.#poolOptions = poolOptions;
    this.#reports = reports;
    this.line = new WaitQueue(options.queue_timeout, shared.holding, shared.deadlines);
    this.#configure(options, trust);
  }

  get options(): DeploymentOptions {
    return this.#options;
  }

  /** Probes every replica once before it resolves, then on timers. `options`: with the currently known addresses. */
  async start(options: DeploymentOptions): Promise<void> {
    this.#configure(options, this.#trust);
    await Promise.all(Array.from(this.#health.values(), (health) => health.start()));
  }

  stop(): void {
    for (const health of this.#health.values()) health.stop();
  }

  /** Takes changed options: replicas that are new begin, those that are named no more get no more requests. */
  update(options: DeploymentOptions, trust: ReplicaTrust): void {
    this.isGone = false;
    for (const health of this.#configure(options, trust)) void health.start();
    this.#serve();
  }

  /** Applies changed addresses of the same hosts. */
  readdress(options: DeploymentOptions): void {
    this.update(options, this.#trust);
  }

  /** The configuration has it no more: nobody new comes in; what runs may end, and who waits is served first. */
  retire(): void {
    this.isGone = true;
    if (!this.hasReady) this.line.refuseAll('no_replica');
    if (this.line.length === 0) this.#dismissAll();
  }

  /** The process is about to end: who waits for a replica that is not even there need not wait for that. */
  close(): void {
    this.#isClosing = true;
    if (!this.hasReady) this.line.refuseAll('draining');
  }

  /** Nobody gets a place any more, and nobody waits for one. */
  cut(): void {
    this.#isOver = true;
    this.line.refuseAll('draining');
  }

  /** A place at a replica, or one in the line, or why there is neither. */
  reserve(exchange: Exchange, applicant: Waiter, avoid: Replica | undefined): Lease | WaitEntry | Failure {
    if (this.#isOver) return 'draining';
    if (this.line.length === 0 && !this.isGone) {
      const replica = this.#pick(avoid);
      if (replica !== undefined) return this.#lease(replica, exchange);
    }
    return this.#refusal(exchange) ?? this.line.join(exchange, applicant, avoid);
  }

  /** A place at a replica that nobody waits for, for work that can wait itself. */
  spare(): Lease | undefined {
    if (this.#isOver || this.#isClosing || this.line.length > 0) return undefined;
    const replica = this.#pick(undefined);
    return replica && new Lease(replica, this);
  }

  count(state: ReplicaState): number {
    let count = 0;
    for (const replica of this.replicas) if (replica.state === state) count++;
    return count;
  }

  get hasReady(): boolean {
    return this.replicas.some((replica) => replica.isReady);
  }

  /** What its last readiness probe said was wrong; empty when all was well. */
  problemOf(replica: Replica): string {
    return this.#health.get(replica)?.problem ?? '';
  }

  /** Milliseconds since its last readiness probe ended; `undefined` if there was none. */
  sinceProbeMs(replica: Replica): number | undefined {
    const askedMs = this.#health.get(replica)?.askedMs ?? 0;
    return askedMs === 0 ? undefined : performance.now() - askedMs;
  }

  // ── What leases tell ─────────────────────────────────────────────────────────────────────────────────────────────

  freed(replica: Replica): void {
    if (replica.isLeaving && replica.outstanding === 0) this.#forget(replica);
    if (this.line.length > 0) this.#serve();
    else this.#reports.spare(this);
  }

  unreachable(replica: Replica): void {
    if (replica.isReady) replica.to('down');
    this.#health.get(replica)?.askSoon();
  }

  broke(replica: Replica): void {
    const { eject_failures, eject_time } = this.#poolOptions;
    this.#health.get(replica)?.askSoon();
    if (++replica.failures < eject_failures || !replica.isReady) return;
    // Most of them broken is more likely our fault, or the network's, and somebody has to serve.
    const wanted = this.replicas.length - this.count('draining');
    if (this.count('ready') - 1 < wanted / 2) return;
    const nowMs = performance.now();
    if (nowMs - replica.ejectedUntilMs > MAX_EJECT_MS) replica.ejections = 0;
    replica.ejectedUntilMs =
      nowMs + Math.min(MAX_EJECT_MS, eject_time * 2 ** Math.min(replica.ejections++, 20));
    replica.to('ejected');
  }

  // ── What operators and the supervisor want ───────────────────────────────────────────────────────────────────────

  /** It gets no more requests until `resume`. */
  drain(replica: Replica): void {
    replica.to('draining');
  }

  resume(replica: Replica): void {
    if (replica.state !== 'draining') return;
    replica.to('starting');
    this.#health.get(replica)?.restarted();
  }

  /** The supervised process was started again: the replicas at `urls` must become ready again. */
  restarted(urls: ReadonlySet<string>): void {
    for (const [replica, health] of this.#health) {
      if (!urls.has(replica.url.href)) continue;
      replica.wasReached = false;
      health.restarted();
    }
  }

  /** The process of these replicas has ended: probes them at once, since another process may answer in its place. */
  processEnded(isIts: (replica: Replica) => boolean): void {
    for (const [replica, health] of this.#health) if (isIts(replica)) health.processEnded();
  }

  // ── Inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #pick(avoid: Replica | undefined): Replica | undefined {
    const { replicas } = this;
    this.#turn = (this.#turn + 1) % (replicas.length || 1);
    return leastLoaded(replicas, this.#turn, this.#cap, avoid);
  }

  #lease(replica: Replica, exchange: Exchange): Lease {
    exchange.replica = replica.id;
    exchange.leasedMs = performance.now();
    return new Lease(replica, this);
  }

  /** Why nobody more may wait. */
  #refusal({ attempts }: Exchange): Failure | undefined {
    const { max_queue, backpressure } = this.#options;
    if (this.isGone) return 'no_replica';
    const isFull = this.hasReady;
    if (this.#isClosing && !isFull) return 'draining';
    // Who was let in once is not turned away for trying again.
    if (attempts > 0) return undefined;
    if (isFull && backpressure === 'reject_on_full') return 'at_capacity';
    if (this.line.length < max_queue) return undefined;
    return max_queue > 0 || isFull ? 'queue_full' : 'no_replica';
  }

  /** Gives free places to those who wait, in their order. */
  #serve(): void {
    // Giving a place may end at once and free it again: whoever is at it already sees what that has left.
    if (this.#isServing || this.#isOver) return;
    this.#isServing = true;
    for (let place = this.line.first; place !== undefined; place = this.line.first) {
      const replica = this.#pick(place.avoid);
      if (replica === undefined) break;
      const { exchange, applicant } = place;
      place.leave();
      applicant.leased(this.#lease(replica, exchange));
    }
    this.#isServing = false;
    if (this.isGone && this.line.length === 0) this.#dismissAll();
  }

  /** Brings replicas into line with the options; returns the health of those that are to be asked from now on. */
  #configure(options: DeploymentOptions, trust: ReplicaTrust): ReplicaHealth[] {
    const isProbedAnew =
      options.readiness_path !== this.#options.readiness_path ||
      options.liveness_path !== this.#options.liveness_path ||
      options.health_service !== this.#options.health_service ||
      options.liveness_service !== this.#options.liveness_service;
    this.#options = options;
    this.#trust = trust;
    this.#cap = options.concurrency_target || Infinity;
    this.line.timeoutMs = options.queue_timeout;
    const begin: ReplicaHealth[] = [];
    const named = new Set<Replica>();
    for (const wanted of options.replicas) {
      // Who answers at the same place is the same one, also under another name: it may have been named by its place
      // in the list alone.
      const at = this.replicas.filter((one) => isSamePlace(one.url, wanted.url) && !named.has(one));
      const replica = at.find(({ id }) => id === wanted.id) ?? at[0];
      if (replica === undefined) {
        named.add(this.#add(wanted, tlsFor(wanted.url, options, trust), begin));
        continue;
      }
      named.add(replica);
      replica.tls = tlsFor(wanted.url, options, trust);
      replica.id = wanted.id;
      replica.options = wanted;
      if (replica.isLeaving) {
        replica.isLeaving = false;
        replica.to('starting');
      } else if (!isProbedAnew) continue;
      begin.push(this.#watch(replica));
    }
    for (const replica of this.replicas.filter((one) => !named.has(one))) this.#dismiss(replica);
    return begin;
  }

  #add(options: ReplicaOptions, tls: ReplicaTls | undefined, begin: ReplicaHealth[]): Replica {
    const changed = (replica: Replica, from: ReplicaState) => {
      this.#reports.changed(replica, from);
      if (replica.isReady) {
        this.#serve();
        this.#reports.spare(this);
      } else if (this.#isClosing && !this.hasReady) this.line.refuseAll('draining');
      else if (this.isGone && !this.hasReady) this.line.refuseAll('no_replica');
    };
    const replica = new Replica(options, changed, this.#poolOptions.slow_return);
    replica.tls = tls;
    this.replicas.push(replica);
    begin.push(this.#watch(replica));
    return replica;
  }

  #watch(replica: Replica): ReplicaHealth {
    this.#health.get(replica)?.stop();
    const health = new ReplicaHealth(replica, this.#options, this.#poolOptions, {
      reached: () => this.#reports.reached(replica),
      failing: (problem, forMs) => this.#reports.failing(replica, problem, forMs),
      dead: (reason) => this.#reports.dead(replica, reason),
    });
    this.#health.set(replica, health);
    return health;
  }

  /** No more requests for it; it goes as soon as it holds none. */
  #dismiss(replica: Replica): void {
    // No probe has reached it: it existed only until the addresses of its host were known.
    if (!replica.wasAsked && replica.outstanding === 0) return this.#forget(replica);
    replica.isLeaving = true;
    this.#health.get(replica)?.stop();
    replica.to('draining');
    if (replica.outstanding === 0) this.#forget(replica);
  }

  #dismissAll(): void {
    for (const replica of this.replicas.slice()) this.#dismiss(replica);
  }

  #forget(replica: Replica): void {
    this.#health.get(replica)?.stop();
    this.#health.delete(replica);
    const at = this.replicas.indexOf(replica);
    if (at !== -1) this.replicas.splice(at, 1);
  }
}

/** True for the same address of the same host. */
const isSamePlace = (a: ReplicaUrl, b: ReplicaUrl): boolean => a.href === b.href && a.host === b.host;
