// A scaling decision with all its inputs, as /v1/scale shows it.
import type { ScalingFigures } from '../../telemetry/metrics/metrics.ts';
import type { DesiredReason, ScaleDecision } from './desired-replicas.ts';
import type { ScaleOptions } from './options.ts';

/** `not_counted`: no decision yet, since the number of replicas is not known. */
export type ScaleReason = DesiredReason | 'not_counted';

/** A deployment, as the autoscaler needs it. */
export interface ScaledDeployment {
  readonly index: number;
  readonly id: string;
  /** Concurrent requests per replica; 0: the setting `scale.concurrency_target`. */
  readonly concurrencyTarget: number;
  /** Number of replicas, including starting ones; `undefined` while it is not known. */
  readonly current: number | undefined;
}

export interface ScaleReading extends ScalingFigures {
  readonly current: number | null;
  /** Replicas that the load needs, before the delay of scaling down. */
  readonly wanted: number | null;
  readonly reason: ScaleReason;
  readonly in_flight: number;
  readonly async_counted: number;
  readonly concurrency_target: number;
  readonly target_utilization_percentage: number;
  readonly min_replica: number;
  readonly max_replica: number;
  /** Seconds until fewer replicas are desired if no request arrives; `null` while no fewer are wanted. */
  readonly scale_down_in_seconds: number | null;
}

/** Load of a deployment and the decision that it led to. */
export interface DecidedLoad {
  readonly mean: number;
  readonly inFlight: number;
  readonly asyncLoad: number;
  readonly decision: ScaleDecision | undefined;
}

const targetOf = ({ concurrencyTarget }: ScaledDeployment, options: ScaleOptions): number =>
  concurrencyTarget || options.concurrency_target;

/** Requests in flight per replica: target × utilization. */
export const perReplica = (deployment: ScaledDeployment, options: ScaleOptions): number =>
  (targetOf(deployment, options) * options.target_utilization_percentage) / 100;

export function scaleReading(
  deployment: ScaledDeployment,
  options: ScaleOptions,
  { mean, inFlight, asyncLoad, decision }: DecidedLoad,
  nowMs: number,
): ScaleReading {
  return {
    id: deployment.id,
    desired: decision?.desired ?? null,
    current: deployment.current ?? null,
    wanted: decision?.wanted ?? null,
    reason: decision?.reason ?? 'not_counted',
    mean_in_flight: mean,
    in_flight: inFlight,
    async_counted: asyncLoad,
    concurrency_target: targetOf(deployment, options),
    target_utilization_percentage: options.target_utilization_percentage,
    in_flight_per_replica: perReplica(deployment, options),
    min_replica: options.min_replica,
    max_replica: options.max_replica,
    scale_down_in_seconds:
      decision?.downAtMs === undefined ? null : Math.max(0, (decision.downAtMs - nowMs) / 1000),
  };
}
