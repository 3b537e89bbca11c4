// The health of one replica: asks whether it is ready and alive, and moves its state by what it hears.
// Must stay true: busy is not dead. A replica that does not answer a probe while it works on requests, and was heard a
// short while ago, loses nothing; one that says no, or refuses the connection, is believed.
// Source of the checks: contracts/baseten.md 6.5 (startup and readiness by one endpoint, liveness once it was ready).
import { grpcProbe } from './grpc-probe.ts';
import { speaksGrpc, type DeploymentOptions, type PoolOptions } from './options.ts';
import { ProbeOptions, connectionProbe, httpProbe, type Probe, type ProbeResult } from './probe.ts';
import type { Replica } from './replica.ts';

/** What a replica's health reports besides changes of its state. */
export interface HealthReports {
  /** It answered a readiness probe for the first time since its process started. */
  reached?(): void;
  /**
   * A replica that takes no requests failed another probe: called at the first one, then after growing pauses.
   * `forMs`: how long it has been failing, in milliseconds.
   */
  failing(problem: string, forMs: number): void;
  /** It failed its liveness probe too often, or did not become ready in time. Called again only after a restart. */
  dead(reason: string): void;
}

/** The pause before a failing replica is reported again; it doubles up to the longest one. */
const REPORT_AGAIN_MS = 30_000;
const REPORT_AGAIN_MAX_MS = 10 * 60_000;

export class ReplicaHealth {
  readonly #replica: Replica;
  readonly #options: PoolOptions;
  readonly #readiness: Probe;
  readonly #liveness: Probe | undefined;
  readonly #asksReady = new ProbeOptions(() => this.#askReady());
  readonly #asksAlive = new ProbeOptions(() => this.#askAlive());
  readonly #reports: HealthReports;
  #startedMs = performance.now();
  #failures = 0;
  #livenessFailures = 0;
  #isStopped = true;
  /** performance.now() of the first of the failed probes in a row; 0: the last one succeeded. */
  #failingSinceMs = 0;
  /** performance.now() from which a failing replica is reported again; 0: it was not reported yet. */
  #reportAtMs = 0;
  #reportPauseMs = REPORT_AGAIN_MS;
  /** What the last readiness probe said; empty when all was well. */
  problem = 'not asked yet';
  /** performance.now() of the end of the last readiness probe; 0: there was none. */
  askedMs = 0;

  constructor(
    replica: Replica,
    { readiness_path, liveness_path, health_service, liveness_service }: DeploymentOptions,
    options: PoolOptions,
    reports: HealthReports,
  ) {
    this.#replica = replica;
    this.#options = options;
    if (speaksGrpc(replica.url)) {
      this.#readiness = grpcProbe(health_service);
      if (liveness_service !== '')
        this.#liveness = grpcProbe(liveness_service === '*' ? '' : liveness_service);
    } else {
      this.#readiness = readiness_path === '' ? connectionProbe : httpProbe(readiness_path);
      if (liveness_path !== '') this.#liveness = httpProbe(liveness_path);
    }
    this.#reports = reports;
  }

  /** Asks now and then on timers; resolves when the first answer is in. */
  async start(): Promise<void> {
    this.#isStopped = false;
    if (this.#liveness) void this.#asksAlive.start();
    await this.#asksReady.start();
  }

  stop(): void {
    this.#isStopped = true;
    this.#asksReady.stop();
    this.#asksAlive.stop();
  }

  /** Something suggests that the state has changed. */
  askSoon(): void {
    this.#asksReady.soon();
  }

  /** Its process has ended: probes it at once, and one failed probe is enough for `down`. */
  processEnded(): void {
    this.#failures = Math.max(this.#failures, this.#options.probe_failures - 1);
    this.askSoon();
  }

  /** The process behind it is a new one: it must prove itself again. */
  restarted(): void {
    this.#startedMs = performance.now();
    this.#failures = this.#livenessFailures = 0;
    // Its end was reported by the supervisor, and it needs a while to start.
    if (this.#reportAtMs === 0) this.#reportAtMs = performance.now() + this.#reportPauseMs;
    this.#replica.isAlive = true;
    this.#replica.ejectedUntilMs = 0;
    if (this.#replica.state !== 'draining') this.#replica.to('starting');
    this.askSoon();
  }

  async #askReady(): Promise<number> {
    const verdict = await this.#readiness(this.#replica, this.#options.probe_timeout);
    if (this.#isStopped) return 0;
    this.problem = verdict.problem;
    this.askedMs = performance.now();
    this.#replica.wasAsked = true;
    if (!this.#replica.wasReached && (verdict.problem === '' || verdict.isAnswer === true)) {
      this.#replica.wasReached = true;
      this.#reports.reached?.();
    }
    const { probe_interval, probe_retry_interval } = this.#options;
    if (verdict.problem === '') {
      this.#replica.silentSinceMs = 0;
      this.#isReady();
      const ejectedMs = this.#replica.ejectedUntilMs - performance.now();
      return ejectedMs > 0 ? Math.min(ejectedMs, probe_interval) : probe_interval;
    }
    if (!this.#isOnlyBusy(verdict)) {
      this.#isNotReady(verdict.problem);
      this.#report(verdict.problem);
    }
    return probe_retry_interval;
  }

  #isReady(): void {
    const replica = this.#replica;
    this.#failures = this.#failingSinceMs = this.#reportAtMs = 0;
    this.#reportPauseMs = REPORT_AGAIN_MS;
    const isEjected = performance.now() < replica.ejectedUntilMs;
    if (replica.state !== 'draining' && !isEjected) replica.to('ready');
  }

  #isNotReady(problem: string): void {
    const replica = this.#replica;
    this.#failures++;
    if (replica.state === 'ready' || replica.state === 'ejected') {
      if (this.#failures >= this.#options.probe_failures) replica.to('down');
    } else if (
      replica.state === 'starting' &&
      performance.now() - this.#startedMs > this.#options.startup_timeout
    )
      this.#died(`not ready within ${this.#options.startup_timeout} ms: ${problem}`);
  }

  /** Reports a replica that gets no requests because its probes fail: at once, then after growing pauses. */
  #report(problem: string): void {
    const { state } = this.#replica;
    const nowMs = performance.now();
    if (this.#failingSinceMs === 0) this.#failingSinceMs = nowMs;
    if ((state !== 'starting' && state !== 'down') || nowMs < this.#reportAtMs) return;
    // The change to `down` was reported already, with the reason.
    const isNews = state === 'starting' || this.#reportAtMs > 0;
    this.#reportAtMs = nowMs + this.#reportPauseMs;
    if (!isNews) return;
    this.#reportPauseMs = Math.min(this.#reportPauseMs * 2, REPORT_AGAIN_MAX_MS);
    this.#reports.failing(problem, nowMs - this.#failingSinceMs);
  }

  /** Asked at the pace of a ready replica, and only once it was ready: before that it may well take its time. */
  async #askAlive(): Promise<number> {
    const { probe_interval, probe_timeout, liveness_failures } = this.#options;
    if (this.#isStarting) return probe_interval;
    const verdict = await this.#liveness!(this.#replica, probe_timeout);
    if (this.#isStopped || this.#isStarting) return probe_interval;
    if (verdict.problem === '') {
      this.#livenessFailures = 0;
      this.#replica.isAlive = true;
    } else if (!this.#isOnlyBusy(verdict) && ++this.#livenessFailures >= liveness_failures)
      this.#died(`not alive: ${verdict.problem}`);
    return probe_interval;
  }

  get #isStarting(): boolean {
    return this.#replica.state === 'starting';
  }

  #isOnlyBusy({ isSilent }: ProbeResult): boolean {
    const replica = this.#replica;
    if (!isSilent || replica.outstanding === 0) return false;
    const nowMs = performance.now();
    if (replica.silentSinceMs === 0) replica.silentSinceMs = nowMs;
    return nowMs - replica.silentSinceMs < this.#options.busy_grace;
  }

  #died(reason: string): void {
    // Said once, and again if nothing comes of it for as long as it took the first time.
    this.#startedMs = performance.now();
    this.#livenessFailures = 0;
    this.#replica.isAlive = false;
    this.#reports.dead(reason);
  }
}
