// The replicas of one deployment and their probes.
// Invariant: a replica that left the configuration is kept until its last request has ended.
import { ReplicaHealth } from './replica-health.ts';
import type { DeploymentOptions, PoolOptions, ReplicaOptions } from './options.ts';
import { countMemory } from './place-count.ts';
import { Replica, type ReplicaState } from './replica.ts';
import { tlsFor, type ReplicaTls, type ReplicaTrust } from './replica-tls.ts';
import type { ReplicaUrl } from './replica-url.ts';

/** Longest ejection, in milliseconds. */
const MAX_EJECT_MS = 5 * 60_000;

/** Receives what happens to the replicas. */
export interface ReplicaReports {
  /** A replica changed its state. */
  changed(replica: Replica, from: ReplicaState): void;
  /** A replica answered a probe for the first time since its process started. */
  reached(replica: Replica): void;
  /** A replica's probes keep failing; see HealthReports. */
  failing(replica: Replica, problem: string, forMs: number): void;
  /** A replica failed its liveness probe too often, or did not become ready in time. */
  dead(replica: Replica, reason: string): void;
  /** A replica was added, changed or removed. */
  listed(): void;
}

/** A readiness probe that has ended. */
export interface LastProbe {
  /** performance.now() */
  readonly endedMs: number;
  readonly tookMs: number;
  readonly isOk: boolean;
  /** What it got, such as `GET /health returned 200` or `connection refused (127.0.0.1:8000)`. */
  readonly text: string;
}

export class ReplicaSet {
  /** Replicas of the configuration, and those that left it with requests in flight. */
  readonly replicas: Replica[] = [];
  readonly #health = new Map<Replica, ReplicaHealth>();
  readonly #poolOptions: PoolOptions;
  readonly #threads: number;
  readonly #reports: ReplicaReports;
  #options: DeploymentOptions;
  #nextNumber = 1;

  /** `threads`: the number of data threads. */
  constructor(
    options: DeploymentOptions,
    trust: ReplicaTrust,
    poolOptions: PoolOptions,
    threads: number,
    reports: ReplicaReports,
  ) {
    this.#options = options;
    this.#poolOptions = poolOptions;
    this.#threads = threads;
    this.#reports = reports;
    this.configure(options, trust);
  }

  /** Starts the probes of every replica. Resolves when each was probed once. */
  async start(): Promise<void> {
    await Promise.all(Array.from(this.#health.values(), (health) => health.start()));
  }

  stop(): void {
    for (const health of this.#health.values()) health.stop();
  }

  /**
   * Applies options: adds new replicas and lets those that are no longer named leave. Returns the health of those whose
   * probes must be started.
   */
  configure(options: DeploymentOptions, trust: ReplicaTrust): ReplicaHealth[] {
    const areProbesChanged =
      options.readiness_path !== this.#options.readiness_path ||
      options.liveness_path !== this.#options.liveness_path ||
      options.health_service !== this.#options.health_service ||
      options.liveness_service !== this.#options.liveness_service;
    this.#options = options;
    const started: ReplicaHealth[] = [];
    const named = new Set<Replica>();
    for (const wanted of options.replicas) {
      // The same address is the same replica, also with another id, since default ids depend on the order in the list.
      const same = this.replicas.filter((one) => isSameAddress(one.url, wanted.url) && !named.has(one));
      const replica = same.find(({ id }) => id === wanted.id) ?? same[0];
      if (replica === undefined) {
        named.add(this.#add(wanted, tlsFor(wanted.url, options, trust), started));
        continue;
      }
      named.add(replica);
      replica.tls = tlsFor(wanted.url, options, trust);
      replica.id = wanted.id;
      replica.options = wanted;
      if (replica.isLeaving) {
        replica.isLeaving = false;
        replica.setState('starting');
      } else if (!areProbesChanged) continue;
      started.push(this.#createHealth(replica));
    }
    for (const replica of this.replicas.filter((one) => !named.has(one))) this.#removeWhenIdle(replica);
    return started;
  }

  /** Lets every replica leave: it gets no more requests, and is removed when it has none left. */
  removeAllWhenIdle(): void {
    for (const replica of this.replicas.slice()) this.#removeWhenIdle(replica);
  }

  /** Removes a replica that is leaving and has no request left. */
  removeIfIdle(replica: Replica): void {
    if (replica.isLeaving && replica.outstanding === 0) this.#remove(replica);
  }

  /** Removes every replica that is leaving and has no request left. */
  removeIdle(): void {
    for (const replica of this.replicas.filter(({ isLeaving }) => isLeaving)) this.removeIfIdle(replica);
  }

  count(state: ReplicaState): number {
    let count = 0;
    for (const replica of this.replicas) if (replica.state === state) count++;
    return count;
  }

  /** Why a replica's last readiness probe failed; empty if it succeeded. */
  problemOf(replica: Replica): string {
    return this.#health.get(replica)?.problem ?? '';
  }

  /** The last readiness probe of a replica; `undefined` if there was none. */
  lastProbe(replica: Replica): LastProbe | undefined {
    const health = this.#health.get(replica);
    if (health === undefined || health.probedMs === 0) return undefined;
    const { probedMs, probeTookMs, problem, probeText } = health;
    return { endedMs: probedMs, tookMs: probeTookMs, isOk: problem === '', text: probeText };
  }

  /** Milliseconds since a replica's last readiness probe ended; `undefined` if there was none. */
  sinceProbeMs(replica: Replica): number | undefined {
    const probedMs = this.#health.get(replica)?.probedMs ?? 0;
    return probedMs === 0 ? undefined : performance.now() - probedMs;
  }

  /** A replica refused a connection: it is down until a probe succeeds. */
  unreachable(replica: Replica): void {
    if (replica.isReady) replica.setState('down');
    this.#health.get(replica)?.probeSoon();
  }

  /**
   * A replica broke an exchange off, the `failures`th in a row: ejects it after `eject_failures`, unless too few replicas
   * are left.
   */
  broke(replica: Replica, failures: number): void {
    const { eject_failures, eject_time } = this.#poolOptions;
    this.#health.get(replica)?.probeSoon();
    if (failures < eject_failures || !replica.isReady) return;
    // If most replicas fail, the cause is probably weir or the network, and some replica has to serve.
    const configured = this.replicas.length - this.count('draining');
    if (this.count('ready') - 1 < configured / 2) return;
    const nowMs = performance.now();
    if (nowMs - replica.ejectedUntilMs > MAX_EJECT_MS) replica.ejections = 0;
    replica.ejectedUntilMs =
      nowMs + Math.min(MAX_EJECT_MS, eject_time * 2 ** Math.min(replica.ejections++, 20));
    replica.setState('ejected');
  }

  /** Gives a replica no more requests until `resume`. */
  drain(replica: Replica): void {
    replica.setState('draining');
  }

  /** Ends `drain`: the replica must become ready again. */
  resume(replica: Replica): void {
    if (replica.state !== 'draining') return;
    replica.setState('starting');
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

  /** The process of these replicas has ended: probes them at once, since another process may listen there now. */
  processEnded(isAffected: (replica: Replica) => boolean): void {
    for (const [replica, health] of this.#health) if (isAffected(replica)) health.processEnded();
  }

  #add(options: ReplicaOptions, tls: ReplicaTls | undefined, started: ReplicaHealth[]): Replica {
    const changed = (replica: Replica, from: ReplicaState) => this.#reports.changed(replica, from);
    const { slow_return } = this.#poolOptions;
    const memory = countMemory(this.#threads);
    const replica = new Replica(options, changed, slow_return, this.#nextNumber++, memory);
    replica.tls = tls;
    this.replicas.push(replica);
    started.push(this.#createHealth(replica));
    return replica;
  }

  #createHealth(replica: Replica): ReplicaHealth {
    this.#health.get(replica)?.stop();
    const health = new ReplicaHealth(replica, this.#options, this.#poolOptions, {
      reached: () => this.#reports.reached(replica),
      failing: (problem, forMs) => this.#reports.failing(replica, problem, forMs),
      dead: (reason) => this.#reports.dead(replica, reason),
    });
    this.#health.set(replica, health);
    return health;
  }

  #removeWhenIdle(replica: Replica): void {
    // It was never probed: it existed only until the addresses of its host were known.
    if (!replica.wasProbed && replica.outstanding === 0) return this.#remove(replica);
    replica.isLeaving = true;
    this.#health.get(replica)?.stop();
    replica.setState('draining');
    if (replica.outstanding === 0) this.#remove(replica);
  }

  #remove(replica: Replica): void {
    this.#health.get(replica)?.stop();
    this.#health.delete(replica);
    const at = this.replicas.indexOf(replica);
    if (at === -1) return;
    this.replicas.splice(at, 1);
    this.#reports.listed();
  }
}

/** True for the same address of the same host. */
const isSameAddress = (a: ReplicaUrl, b: ReplicaUrl): boolean => a.href === b.href && a.host === b.host;
