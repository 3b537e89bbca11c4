// The door of the room: how many replicas there should be, decided once a second and at the first request of all.
// Must stay true: deciding reads memory only; nothing here starts or stops a replica, it says what would be right to
// whoever does (KEDA, an HPA, a person). `routed` and `closed` are on the hot path.
//   sliding-mean.ts  the mean in flight     desired-replicas.ts  load in, replicas out     keda.ts  the door for KEDA, if it is wanted
import type { Component } from '../../core/lifecycle.ts';
import type { Address } from '../../core/settings.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import {
  initialScale,
  decideReplicas,
  type ScaleDecision,
  type DesiredReason as Decided,
  type ScaleRule,
} from './desired-replicas.ts';
import type { ScalingFigures } from '../../telemetry/metrics/metrics.ts';
import type { KedaServer } from './keda.ts';
import type { ScaleOptions } from './options.ts';
import { SlidingMean } from './sliding-mean.ts';

const TICK_MS = 1000;
/** How long it counts that somebody has asked for a replica; to within a tick. */
const WAKE_MS = 1000;

/** A deployment as scaling needs to know it. */
export interface ScaledDeployment {
  readonly index: number;
  readonly id: string;
  /** Requests at once that each of its replicas gets; 0: as many as come. */
  readonly concurrencyTarget: number;
  /** Replicas that there are, starting ones too; `undefined` while whoever counts them has not. */
  readonly current: number | undefined;
}

/** `not_counted`: nothing is desired yet, because how many replicas there are is not known. */
export type ScaleReason = Decided | 'not_counted';

/** What scaling asks of others. */
export interface ScaleDeps {
  readonly deployments: () => readonly ScaledDeployment[];
  /** Asynchronous requests of a deployment that are queued or run. */
  readonly asyncLoad: (deployment: string) => number;
  /** The number of desired replicas has changed. */
  readonly changed?: (change: DesiredChange) => void;
}

/** A change of the number of desired replicas. */
export interface DesiredChange {
  readonly deployment: string;
  readonly from: number;
  readonly to: number;
  readonly reason: Decided;
  readonly mean_in_flight: number;
}

/** A decision with all that it was made of, as `/v1/scale` shows it. */
export interface ScaleReading extends ScalingFigures {
  readonly current: number | null;
  /** What the load alone asks for, before the delay of going down. */
  readonly wanted: number | null;
  readonly reason: ScaleReason;
  readonly in_flight: number;
  readonly async_counted: number;
  readonly concurrency_target: number;
  readonly target_utilization_percentage: number;
  readonly min_replica: number;
  readonly max_replica: number;
  /** Seconds until fewer replicas are desired if nothing comes; null while no fewer are. */
  readonly scale_down_in_seconds: number | null;
}

/** What is kept of one deployment. */
interface Followed {
  readonly load: SlidingMean;
  asyncLoad: number;
  /** When somebody last asked for a replica, while that counts. */
  wokenMs: number | undefined;
  idleSinceMs: number;
  readonly sinceMs: number;
  /** `undefined`: where to begin is not known yet. */
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
  readonly #followed: Followed[] = [];
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #door: KedaServer | undefined;

  /** `now` is performance.now or, for tests, a clock that stands in for it. */
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
    // Loaded when it is wanted: gRPC costs memory, and most sidecars are never asked by KEDA.
    const { KedaServer } = await import('./keda.ts');
    this.#door = new KedaServer(this.#options, {
      readings: () => this.readings(),
      changed: (listener) => this.#listen(listener),
    });
    await this.#door.start();
  }

  /**
   * Requests come elsewhere from now on. What is left here would look like less and less load for as long as the drain
   * takes, so KEDA is sent to whoever has come in this weir's place.
   */
  leave(): void {
    this.#door?.leave();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#door?.stop();
  }

  /** Where KEDA's door really is; `undefined` where there is none. */
  get address(): Address | undefined {
    return this.#door?.address;
  }

  /** The latest decision for each deployment of the configuration. */
  readings(): readonly ScaleReading[] {
    return this.#deps.deployments().map((deployment) => this.#follow(deployment).reading);
  }

  /**
   * Somebody wants a replica of a deployment to be there soon: for about a second that counts as one request in flight,
   * however many ask, so that asking never scales beyond what a first request would.
   */
  wake(deployment: number): void {
    const followed = this.#followed[deployment] ?? this.#meet(deployment);
    if (followed === undefined) return;
    const isNew = followed.wokenMs === undefined;
    followed.wokenMs = this.#now();
    if (isNew) this.#began(followed);
  }

  /** Decides anew for every deployment. */
  tick(): void {
    for (const deployment of this.#deps.deployments()) this.#decide(deployment);
    for (const listener of this.#listeners) listener();
  }

  #routed({ deployment, isAsync }: Exchange): void {
    if (isAsync) return;
    const followed = this.#followed[deployment] ?? this.#meet(deployment);
    if (followed !== undefined) this.#began(followed);
  }

  #began(followed: Followed): void {
    followed.load.change(1, this.#now());
    const { in_flight, mean_in_flight } = followed.reading;
    // The first request of all cannot wait for the next second: somebody may have to start a replica for it.
    if (followed.load.value === 1 && in_flight === 0 && mean_in_flight === 0)
      queueMicrotask(() => this.tick());
  }

  #closed({ deployment, isAsync, endMs }: Exchange): void {
    if (isAsync) return;
    const followed = this.#followed[deployment];
    if (followed === undefined) return;
    followed.load.change(-1, endMs);
    if (followed.load.value === 0) followed.idleSinceMs = endMs;
  }

  /** A deployment that a changed configuration has brought since the last look. */
  #meet(index: number): Followed | undefined {
    const found = this.#deps.deployments().find((deployment) => deployment.index === index);
    return found && this.#follow(found);
  }

  #listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #rule(deployment: ScaledDeployment): ScaleRule {
    const { min_replica, max_replica, scale_down_delay, max_scale_down_rate } = this.#options;
    return {
      min: min_replica,
      max: max_replica,
      perReplica: (this.#target(deployment) * this.#options.target_utilization_percentage) / 100,
      downDelayMs: scale_down_delay,
      downRate: max_scale_down_rate,
    };
  }

  #target({ concurrencyTarget }: ScaledDeployment): number {
    return concurrencyTarget || this.#options.concurrency_target;
  }

  #follow(deployment: ScaledDeployment): Followed {
    const known = this.#followed[deployment.index];
    if (known !== undefined) return known;
    const nowMs = this.#now();
    const load = new SlidingMean(this.#options.autoscaling_window, nowMs);
    const decision = this.#begin(deployment, nowMs, nowMs);
    const bare = { load, asyncLoad: 0, wokenMs: undefined, idleSinceMs: nowMs, sinceMs: nowMs, decision };
    const followed = { ...bare, reading: this.#read(deployment, bare, 0, nowMs) };
    return (this.#followed[deployment.index] = followed);
  }

  #decide(deployment: ScaledDeployment): void {
    const followed = this.#follow(deployment);
    const nowMs = this.#now();
    this.#countAsync(deployment, followed, nowMs);
    if (followed.wokenMs !== undefined && nowMs - followed.wokenMs >= WAKE_MS) {
      followed.wokenMs = undefined;
      followed.load.change(-1, nowMs);
      if (followed.load.value === 0) followed.idleSinceMs = nowMs;
    }
    const { load, idleSinceMs, sinceMs } = followed;
    const mean = load.mean(nowMs);
    const now = { mean, inFlight: load.value, idleSinceMs };
    const before = followed.decision ?? this.#begin(deployment, sinceMs, nowMs);
    followed.decision = before && decideReplicas(before, this.#rule(deployment), now, nowMs);
    followed.reading = this.#read(deployment, followed, mean, nowMs);
    const { decision } = followed;
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
   * Where to begin: with the replicas that there are. Less would take them away at every restart of weir, so while they
   * are not counted nothing is desired; but once a whole window has been seen, the load alone has to do.
   */
  #begin(deployment: ScaledDeployment, sinceMs: number, nowMs: number): ScaleDecision | undefined {
    const { current } = deployment;
    if (current === undefined && nowMs - sinceMs < this.#options.autoscaling_window) return undefined;
    return initialScale(current ?? 0, this.#rule(deployment), nowMs);
  }

  /** What waits in the queue is looked at, not heard of: it counts from the second on in which it was seen. */
  #countAsync({ id }: ScaledDeployment, followed: Followed, nowMs: number): void {
    if (!this.#options.count_queued_async) return;
    const before = followed.asyncLoad;
    followed.asyncLoad = this.#deps.asyncLoad(id);
    followed.load.change(followed.asyncLoad - before, nowMs);
    if (before > 0 && followed.load.value === 0) followed.idleSinceMs = nowMs;
  }

  #read(
    deployment: ScaledDeployment,
    { load, asyncLoad, decision }: Pick<Followed, 'load' | 'asyncLoad' | 'decision'>,
    mean: number,
    nowMs: number,
  ): ScaleReading {
    const { perReplica, min, max } = this.#rule(deployment);
    return {
      id: deployment.id,
      desired: decision?.desired ?? null,
      current: deployment.current ?? null,
      wanted: decision?.wanted ?? null,
      reason: decision?.reason ?? 'not_counted',
      mean_in_flight: mean,
      in_flight: load.value,
      async_counted: asyncLoad,
      concurrency_target: this.#target(deployment),
      target_utilization_percentage: this.#options.target_utilization_percentage,
      in_flight_per_replica: perReplica,
      min_replica: min,
      max_replica: max,
      scale_down_in_seconds:
        decision?.downAtMs === undefined ? null : Math.max(0, (decision.downAtMs - nowMs) / 1000),
    };
  }
}
