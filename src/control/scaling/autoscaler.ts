// Autoscaler: decides the desired replicas of each deployment once a second, and at the first request after idle time.
// Invariant: it starts and stops no replica; KEDA, an HPA or a person reads the decision. `routed` and `closed` are on
// the hot path.
//   sliding-mean.ts  mean of requests in flight   desired-replicas.ts  load → replicas   keda.ts  gRPC server for KEDA
import type { Server } from 'node:net';
import type { Component } from '../../core/lifecycle.ts';
import type { Address } from '../../core/address.ts';
import type { Logger } from '../../core/logger.ts';
import type { ServerCertificate } from '../../core/server-certificate.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import {
  initialScale,
  decideReplicas,
  type DesiredReason,
  type ScaleDecision,
  type ScaleRule,
} from './desired-replicas.ts';
import type { KedaServer } from './keda.ts';
import type { LoadChange } from './load-tally.ts';
import type { ScaleOptions } from './options.ts';
import { perReplica, scaleReading, type ScaledDeployment, type ScaleReading } from './scale-reading.ts';
import { SlidingMean } from './sliding-mean.ts';

export { LoadTally, type LoadChange } from './load-tally.ts';
export type { ScaledDeployment, ScaleReading } from './scale-reading.ts';

const TICK_MS = 1000;
/** Time for which a wake counts as one request in flight, to within a tick. */
const WAKE_MS = 1000;

/** Inputs of the autoscaler. */
export interface ScaleDeps {
  readonly deployments: () => readonly ScaledDeployment[];
  /** Queued and running asynchronous requests of a deployment. */
  readonly asyncLoad: (deployment: string) => number;
  /** The number of desired replicas has changed. */
  readonly changed?: (change: DesiredChange) => void;
  /** For the KEDA server. Without a certificate it speaks clear text. */
  readonly log: Logger;
  readonly certificate?: ServerCertificate | undefined;
}

/** A change of the number of desired replicas. */
export interface DesiredChange {
  readonly deployment: string;
  readonly from: number;
  readonly to: number;
  readonly reason: DesiredReason;
  readonly mean_in_flight: number;
}

/** State of one deployment. */
interface DeploymentState {
  readonly load: SlidingMean;
  asyncLoad: number;
  /** Time of the last wake, while it counts. */
  wokenMs: number | undefined;
  idleSinceMs: number;
  readonly sinceMs: number;
  /** `undefined`: the number of replicas is not known yet. */
  decision: ScaleDecision | undefined;
  reading: ScaleReading;
}

export class Autoscaler implements Component {
  readonly name = 'scale';
  readonly observer: Observer;
  readonly #options: ScaleOptions;
  readonly #deps: ScaleDeps;
  readonly #now: () => number;
  /** By the deployment's index. */
  readonly #states: DeploymentState[] = [];
  /** Thread → deployment → requests in flight, but of the main thread. */
  readonly #ofThreads: number[][] = [];
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #kedaServer: KedaServer | undefined;

  /** `now`: a clock in milliseconds, for tests. */
  constructor(options: ScaleOptions, deps: ScaleDeps, now = () => performance.now()) {
    this.#options = options;
    this.#deps = deps;
    this.#now = now;
    this.observer = {
      routed: (exchange) => this.#routed(exchange),
      closed: (exchange) => this.#closed(exchange),
    };
  }

  async start(): Promise<void> {
    this.tick();
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
    if (!this.#options.keda) return;
    // Loaded only if enabled, since gRPC needs memory.
    const { KedaServer } = await import('./keda.ts');
    const source = {
      readings: () => this.readings(),
      changed: (listener: () => void) => this.#subscribe(listener),
    };
    this.#kedaServer = new KedaServer(this.#options, source, this.#deps.certificate, this.#deps.log);
    await this.#kedaServer.start();
  }

  /** Disconnects KEDA at the start of a shutdown, since the load falls while requests go to another weir. */
  drain(): void {
    this.#kedaServer?.drain();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#kedaServer?.stop();
  }

  /** Address of the KEDA server; `undefined` if it is not enabled. */
  get address(): Address | undefined {
    return this.#kedaServer?.address;
  }

  /** The KEDA server that listens; `undefined` if it is not enabled. */
  get listener(): Server | undefined {
    return this.#kedaServer?.listener;
  }

  /** The latest decision for each deployment of the configuration. */
  readings(): readonly ScaleReading[] {
    return this.#deps.deployments().map((deployment) => this.#stateOf(deployment).reading);
  }

  /**
   * Requests that a deployment scales up from zero. All wakes within about a second count as one request in flight
   * together, so that they never scale further than a first request does.
   */
  wake(deployment: number): void {
    const state = this.#states[deployment] ?? this.#find(deployment);
    if (state === undefined) return;
    const isNew = state.wokenMs === undefined;
    state.wokenMs = this.#now();
    if (isNew) this.#countRequest(state, state.wokenMs);
  }

  /** Decides for every deployment. */
  tick(): void {
    for (const deployment of this.#deps.deployments()) this.#decide(deployment);
    for (const listener of this.#listeners) listener();
  }

  /** Counts requests of another thread. `thread`: its number. */
  report(thread: number, changes: readonly LoadChange[]): void {
    const running = (this.#ofThreads[thread] ??= []);
    for (const { deployment, by, weightedMs, endedMs } of changes) {
      running[deployment] = (running[deployment] ?? 0) + by;
      const state = this.#states[deployment] ?? this.#find(deployment);
      if (state === undefined) continue;
      const before = state.load.value;
      state.load.changes(by, weightedMs);
      if (state.load.value === 0) state.idleSinceMs = Math.max(state.idleSinceMs, endedMs);
      else if (before === 0) this.#beganAfterIdle(state);
    }
  }

  /** A thread is gone, and its requests with it. */
  lost(thread: number): void {
    const nowMs = this.#now();
    for (const [deployment, running = 0] of this.#ofThreads[thread]?.entries() ?? []) {
      const state = this.#states[deployment];
      if (state === undefined || running === 0) continue;
      state.load.change(-running, nowMs);
      if (state.load.value === 0) state.idleSinceMs = nowMs;
    }
    this.#ofThreads[thread] = [];
  }

  #routed({ deployment, isAsync, routedMs }: Exchange): void {
    if (isAsync) return;
    const state = this.#states[deployment] ?? this.#find(deployment);
    if (state !== undefined) this.#countRequest(state, routedMs || this.#now());
  }

  /** Counts one more request in flight. */
  #countRequest(state: DeploymentState, nowMs: number): void {
    state.load.change(1, nowMs);
    if (state.load.value === 1) this.#beganAfterIdle(state);
  }

  /** The first request after idle time is decided at once, since a replica may have to start for it. */
  #beganAfterIdle({ reading: { in_flight, mean_in_flight } }: DeploymentState): void {
    if (in_flight === 0 && mean_in_flight === 0) queueMicrotask(() => this.tick());
  }

  #closed({ deployment, isAsync, endMs }: Exchange): void {
    if (isAsync) return;
    const state = this.#states[deployment];
    if (state === undefined) return;
    state.load.change(-1, endMs);
    if (state.load.value === 0) state.idleSinceMs = endMs;
  }

  /** State of a deployment that a changed configuration has added. */
  #find(index: number): DeploymentState | undefined {
    const found = this.#deps.deployments().find((deployment) => deployment.index === index);
    return found && this.#stateOf(found);
  }

  #subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #rule(deployment: ScaledDeployment): ScaleRule {
    const { min_replica, max_replica, scale_down_delay, max_scale_down_rate } = this.#options;
    return {
      min: min_replica,
      max: max_replica,
      perReplica: perReplica(deployment, this.#options),
      downDelayMs: scale_down_delay,
      downRate: max_scale_down_rate,
    };
  }

  #stateOf(deployment: ScaledDeployment): DeploymentState {
    const known = this.#states[deployment.index];
    if (known !== undefined) return known;
    const nowMs = this.#now();
    const load = new SlidingMean(this.#options.autoscaling_window, nowMs);
    const decision = this.#begin(deployment, nowMs, nowMs);
    const reading = scaleReading(
      deployment,
      this.#options,
      { mean: 0, inFlight: 0, asyncLoad: 0, decision },
      nowMs,
    );
    const times = { wokenMs: undefined, idleSinceMs: nowMs, sinceMs: nowMs };
    return (this.#states[deployment.index] = { load, asyncLoad: 0, ...times, decision, reading });
  }

  #decide(deployment: ScaledDeployment): void {
    const state = this.#stateOf(deployment);
    const nowMs = this.#now();
    this.#countAsync(deployment, state, nowMs);
    if (state.wokenMs !== undefined && nowMs - state.wokenMs >= WAKE_MS) {
      state.wokenMs = undefined;
      state.load.change(-1, nowMs);
      if (state.load.value === 0) state.idleSinceMs = nowMs;
    }
    const { load, asyncLoad, idleSinceMs, sinceMs } = state;
    const mean = load.mean(nowMs);
    const now = { mean, inFlight: load.value, idleSinceMs };
    const before = state.decision ?? this.#begin(deployment, sinceMs, nowMs);
    const decision = before && decideReplicas(before, this.#rule(deployment), now, nowMs);
    state.decision = decision;
    state.reading = scaleReading(deployment, this.#options, { ...now, asyncLoad, decision }, nowMs);
    if (before && decision && decision.desired !== before.desired)
      this.#deps.changed?.({
        deployment: deployment.id,
        from: before.desired,
        to: decision.desired,
        reason: decision.reason,
        mean_in_flight: mean,
      });
  }

  /**
   * First decision: the present replicas, so that a restart of weir removes none. Without their number there is no
   * decision until a whole window has passed; then the load alone decides.
   */
  #begin(deployment: ScaledDeployment, sinceMs: number, nowMs: number): ScaleDecision | undefined {
    const { current } = deployment;
    if (current === undefined && nowMs - sinceMs < this.#options.autoscaling_window) return undefined;
    return initialScale(current ?? 0, this.#rule(deployment), nowMs);
  }

  /** Adds the queue's load to the requests in flight. It is read once a second, and counts from then on. */
  #countAsync({ id }: ScaledDeployment, state: DeploymentState, nowMs: number): void {
    if (!this.#options.count_queued_async) return;
    const before = state.asyncLoad;
    state.asyncLoad = this.#deps.asyncLoad(id);
    state.load.change(state.asyncLoad - before, nowMs);
    if (before > 0 && state.load.value === 0) state.idleSinceMs = nowMs;
  }
}
