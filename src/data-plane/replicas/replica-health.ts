// Probes one replica for readiness and liveness, and changes its state by the results.
// Invariant: busy is not dead: a silent probe does not count while the replica has requests in flight and gave a sign
// of life within `busy_grace`.
// Source of the probes: docs/contracts/serving.md 6.5 (one endpoint for startup and readiness, liveness once it was ready).
import { grpcProbe } from './grpc-probe.ts';
import type { DeploymentOptions, PoolOptions } from './options.ts';
import { connectionProbe, http2Probe, httpProbe, type Probe, type ProbeResult } from './probe.ts';
import { ProbeLoop } from './probe-loop.ts';
import type { Replica } from './replica.ts';
import { speaksGrpc, speaksHttp2 } from './replica-url.ts';

/** Receives what a replica's health reports besides changes of its state. */
export interface HealthReports {
  /** It answered a readiness probe for the first time since its process started. */
  reached?(): void;
  /**
   * A replica that takes no requests failed another probe: called for the first one, then after growing pauses.
   * `forMs`: how long it has been failing, in milliseconds.
   */
  failing(problem: string, forMs: number): void;
  /** It failed its liveness probe too often, or did not become ready in time. Called again only after a restart. */
  dead(reason: string): void;
}

/** The pause before a failing replica is reported again; it doubles up to the maximum. */
const REPORT_AGAIN_MS = 30_000;
const REPORT_AGAIN_MAX_MS = 10 * 60_000;

export class ReplicaHealth {
  readonly #replica: Replica;
  readonly #options: PoolOptions;
  readonly #readiness: Probe;
  readonly #liveness: Probe | undefined;
  readonly #readinessLoop = new ProbeLoop(() => this.#probeReadiness());
  readonly #livenessLoop = new ProbeLoop(() => this.#probeLiveness());
  readonly #reports: HealthReports;
  #startedMs = performance.now();
  #failures = 0;
  #livenessFailures = 0;
  #isStopped = true;
  /** performance.now() of the first of the consecutive failed probes; 0: the last one succeeded. */
  #failingSinceMs = 0;
  /** performance.now() from which a failing replica is reported again; 0: it was not reported yet. */
  #reportAtMs = 0;
  #reportPauseMs = REPORT_AGAIN_MS;
  /** Why the last readiness probe failed; empty if it succeeded. */
  problem = 'not probed yet';
  /** performance.now() of the end of the last readiness probe, and how long it took; 0: there was none. */
  probedMs = 0;
  probeTookMs = 0;
  /** What the last readiness probe got, in words. */
  probeText = '';

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
      const connects = speaksHttp2(replica.url) ? http2Probe : connectionProbe;
      this.#readiness = readiness_path === '' ? connects : httpProbe(readiness_path);
      if (liveness_path !== '') this.#liveness = httpProbe(liveness_path);
    }
    this.#reports = reports;
  }

  /** Probes now and then on timers. Resolves when the first readiness probe has ended. */
  async start(): Promise<void> {
    this.#isStopped = false;
    if (this.#liveness) void this.#livenessLoop.start();
    await this.#readinessLoop.start();
  }

  stop(): void {
    this.#isStopped = true;
    this.#readinessLoop.stop();
    this.#livenessLoop.stop();
  }

  /** Runs the readiness probe now, since the replica may have changed. */
  probeSoon(): void {
    this.#readinessLoop.probeSoon();
  }

  /** Its process has ended: probes at once, and one failed probe is enough for `down`. */
  processEnded(): void {
    this.#failures = Math.max(this.#failures, this.#options.probe_failures - 1);
    this.probeSoon();
  }

  /** Its process is a new one: the replica must become ready again. */
  restarted(): void {
    this.#startedMs = performance.now();
    this.#failures = this.#livenessFailures = 0;
    // The supervisor has reported the end of the old process, and the new one needs time to start.
    if (this.#reportAtMs === 0) this.#reportAtMs = performance.now() + this.#reportPauseMs;
    this.#replica.isAlive = true;
    this.#replica.ejectedUntilMs = 0;
    if (this.#replica.state !== 'draining') this.#replica.setState('starting');
    this.probeSoon();
  }

  async #probeReadiness(): Promise<number> {
    const begunMs = performance.now();
    const result = await this.#readiness(this.#replica, this.#options.probe_timeout);
    if (this.#isStopped) return 0;
    this.problem = result.problem;
    this.probedMs = performance.now();
    this.probeTookMs = this.probedMs - begunMs;
    this.probeText = result.problem || (result.got ?? 'connected');
    this.#replica.wasProbed = true;
    if (!this.#replica.wasReached && (result.problem === '' || result.hasResponse === true)) {
      this.#replica.wasReached = true;
      this.#reports.reached?.();
    }
    const { probe_interval, probe_retry_interval } = this.#options;
    if (result.problem === '') {
      this.#replica.silentSinceMs = 0;
      this.#onReady();
      const ejectedMs = this.#replica.ejectedUntilMs - performance.now();
      return ejectedMs > 0 ? Math.min(ejectedMs, probe_interval) : probe_interval;
    }
    if (!this.#isBusy(result)) {
      this.#onNotReady(result.problem);
      this.#reportFailing(result.problem);
    }
    return probe_retry_interval;
  }

  #onReady(): void {
    const replica = this.#replica;
    this.#failures = this.#failingSinceMs = this.#reportAtMs = 0;
    this.#reportPauseMs = REPORT_AGAIN_MS;
    const isEjected = performance.now() < replica.ejectedUntilMs;
    if (replica.state !== 'draining' && !isEjected) replica.setState('ready');
  }

  #onNotReady(problem: string): void {
    const replica = this.#replica;
    this.#failures++;
    if (replica.state === 'ready' || replica.state === 'ejected') {
      if (this.#failures >= this.#options.probe_failures) replica.setState('down');
    } else if (
      replica.state === 'starting' &&
      performance.now() - this.#startedMs > this.#options.startup_timeout
    )
      this.#reportDead(`not ready within ${this.#options.startup_timeout} ms: ${problem}`);
  }

  /** Reports a replica that gets no requests because its probes fail: at once, then after growing pauses. */
  #reportFailing(problem: string): void {
    const { state } = this.#replica;
    const nowMs = performance.now();
    if (this.#failingSinceMs === 0) this.#failingSinceMs = nowMs;
    if ((state !== 'starting' && state !== 'down') || nowMs < this.#reportAtMs) return;
    // The change to `down` was reported already, with the problem.
    const isNews = state === 'starting' || this.#reportAtMs > 0;
    this.#reportAtMs = nowMs + this.#reportPauseMs;
    if (!isNews) return;
    this.#reportPauseMs = Math.min(this.#reportPauseMs * 2, REPORT_AGAIN_MAX_MS);
    this.#reports.failing(problem, nowMs - this.#failingSinceMs);
  }

  /** Runs at the interval of a ready replica, and only after the replica was ready, since a start may take long. */
  async #probeLiveness(): Promise<number> {
    const { probe_interval, probe_timeout, liveness_failures } = this.#options;
    if (this.#isStarting) return probe_interval;
    const result = await this.#liveness!(this.#replica, probe_timeout);
    if (this.#isStopped || this.#isStarting) return probe_interval;
    if (result.problem === '') {
      this.#livenessFailures = 0;
      this.#replica.isAlive = true;
    } else if (!this.#isBusy(result) && ++this.#livenessFailures >= liveness_failures) {
      const times = liveness_failures === 1 ? '1 time' : `${liveness_failures} times`;
      this.#reportDead(`liveness probe failed ${times}: ${result.problem}`);
    }
    return probe_interval;
  }

  get #isStarting(): boolean {
    return this.#replica.state === 'starting';
  }

  #isBusy({ isSilent }: ProbeResult): boolean {
    const replica = this.#replica;
    if (!isSilent || replica.outstanding === 0) return false;
    const nowMs = performance.now();
    if (replica.silentSinceMs === 0) replica.silentSinceMs = nowMs;
    return nowMs - replica.silentSinceMs < this.#options.busy_grace;
  }

  /** Reports the replica as dead, and again if no restart follows within the time that led to this report. */
  #reportDead(reason: string): void {
    this.#startedMs = performance.now();
    this.#livenessFailures = 0;
    this.#replica.isAlive = false;
    this.#reports.dead(reason);
  }
}
