// Computes the desired replicas of a deployment from its load (docs/contracts/serving.md 5.2).
// Invariant: pure functions without a clock or state.
// Scaling up happens at once. Scaling down happens after the load was lower for the full delay, in steps.
//
//            wanted > desired: at once                   wanted < desired: the delay starts
//   steady ──────────────────────────► up        steady ────────────────────────────────────► down_delayed
//      ▲                                            ▲  wanted >= desired: the delay is reset          │
//      │                                            └─────────────────────────────────────────────────┤
//      └──────────────────────────── down ◄── the delay is over: one step down, the delay restarts ───┘

/** Settings of the decision for one deployment. */
export interface ScaleRule {
  readonly min: number;
  readonly max: number;
  /** Requests in flight per replica: target × utilization. */
  readonly perReplica: number;
  readonly downDelayMs: number;
  /** Maximum percentage of replicas removed in one step; one is always allowed. */
  readonly downRate: number;
}

/** Load of a deployment at one moment. */
export interface DeploymentLoad {
  /** Mean of requests in flight over the window. */
  readonly mean: number;
  /** Requests in flight now. */
  readonly inFlight: number;
  /** When the last request ended; used only if none is in flight. */
  readonly idleSinceMs: number;
}

/**
 * steady: no change. up, down: changed now. down_delayed: fewer are wanted, and the delay is running.
 * at_max, at_min: the load needs more or fewer replicas than the limits allow.
 */
export type DesiredReason = 'steady' | 'up' | 'down' | 'down_delayed' | 'at_max' | 'at_min';

export interface ScaleDecision {
  readonly desired: number;
  /** Replicas that the load needs, within the limits. */
  readonly wanted: number;
  readonly reason: DesiredReason;
  /** When the load began to need fewer replicas, or the last step down; `undefined` while it does not. */
  readonly belowSinceMs: number | undefined;
  /** When the last step down happened. */
  readonly steppedMs: number;
  /** When the next step down is due at the present load. */
  readonly downAtMs: number | undefined;
}

/** First decision: the running replicas, so that a restart of weir removes no replica early. */
export function initialScale(running: number, { min, max }: ScaleRule, nowMs: number): ScaleDecision {
  const desired = clamp(running, min, max);
  return {
    desired,
    wanted: desired,
    reason: 'steady',
    belowSinceMs: undefined,
    steppedMs: nowMs,
    downAtMs: undefined,
  };
}

/** Next decision after `before`. */
export function decideReplicas(
  before: ScaleDecision,
  rule: ScaleRule,
  load: DeploymentLoad,
  nowMs: number,
): ScaleDecision {
  const needed = Math.max(replicasFor(load.mean, rule.perReplica), load.inFlight > 0 ? 1 : 0);
  const wanted = clamp(needed, rule.min, rule.max);
  if (wanted < before.desired) return scaleDown(before, wanted, rule, load, nowMs);
  const level = needed > rule.max ? 'at_max' : needed < rule.min ? 'at_min' : 'steady';
  return {
    desired: wanted,
    wanted,
    reason: wanted > before.desired ? 'up' : level,
    belowSinceMs: undefined,
    steppedMs: before.steppedMs,
    downAtMs: undefined,
  };
}

function scaleDown(
  before: ScaleDecision,
  wanted: number,
  rule: ScaleRule,
  load: DeploymentLoad,
  nowMs: number,
): ScaleDecision {
  const { desired } = before;
  const next = Math.max(wanted, desired - maxStep(desired, rule.downRate));
  const belowSinceMs = before.belowSinceMs ?? nowMs;
  // The last replica is removed after the full delay without traffic. That time starts at the end of the last request;
  // the mean, which must be 0 too, reaches 0 a whole window later.
  const sinceMs = next > 0 ? belowSinceMs : Math.max(before.steppedMs, load.idleSinceMs);
  const downAtMs = sinceMs + rule.downDelayMs;
  if (nowMs < downAtMs) return { ...before, wanted, reason: 'down_delayed', belowSinceMs, downAtMs };
  const hasMoreSteps = next > wanted;
  return {
    desired: next,
    wanted,
    reason: 'down',
    belowSinceMs: hasMoreSteps ? nowMs : undefined,
    steppedMs: nowMs,
    downAtMs: hasMoreSteps ? nowMs + rule.downDelayMs : undefined,
  };
}

/** Replicas for a load. A rounding error in the last digit does not add a replica. */
const replicasFor = (mean: number, perReplica: number): number => Math.ceil(mean / perReplica - 1e-9);

/** Replicas that may be removed in one step. */
const maxStep = (running: number, percent: number): number =>
  Math.max(1, Math.floor((running * percent) / 100));

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);
