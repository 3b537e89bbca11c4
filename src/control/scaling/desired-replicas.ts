// Load in, replicas out: the contract's algorithm (contracts/baseten.md 5.2) as a pure function of a state and the time.
// Must stay true: it reads no clock and keeps nothing; the same inputs give the same answer. Up at once; down only after
// the load has stayed below for the full delay, then by a share, then the delay begins anew.
//
//            wanted > desired: at once                   wanted < desired: the delay begins
//   steady ──────────────────────────► up        steady ────────────────────────────────────► down_delayed
//      ▲                                            ▲  wanted >= desired: as if it never had          │
//      │                                            └─────────────────────────────────────────────────┤
//      └────────────────────────────────── down ◄── the delay is over: a share goes, it begins anew ──┘

/** What decides, for one deployment. */
export interface ScaleRule {
  readonly min: number;
  readonly max: number;
  /** Requests in flight that each replica is wanted to have: target × utilization. */
  readonly perReplica: number;
  readonly downDelayMs: number;
  /** Percent of the replicas that may go at a time; one may always. */
  readonly downRate: number;
}

/** The load at a moment. */
export interface DeploymentLoad {
  /** Mean of the requests in flight over the window. */
  readonly mean: number;
  /** Requests in flight right now. */
  readonly inFlight: number;
  /** When the last of them ended; of no meaning while there are any. */
  readonly idleSinceMs: number;
}

/**
 * steady: as many as are wanted. up, down: has just changed. down_delayed: fewer are wanted, the delay runs.
 * at_max, at_min: the load asks for more or fewer than there may be.
 */
export type DesiredReason = 'steady' | 'up' | 'down' | 'down_delayed' | 'at_max' | 'at_min';

export interface ScaleDecision {
  readonly desired: number;
  /** What the load by itself asks for, within the limits. */
  readonly wanted: number;
  readonly reason: DesiredReason;
  /** Since when the load asks for fewer; `undefined` while it does not. A step down begins it anew. */
  readonly belowSinceMs: number | undefined;
  /** When the last step down was. */
  readonly steppedMs: number;
  /** When the next one is due if the load stays as it is. */
  readonly downAtMs: number | undefined;
}

/** Where to begin: with what runs, so that a restart of weir takes no replica away before its time. */
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

export function decideReplicas(
  before: ScaleDecision,
  rule: ScaleRule,
  load: DeploymentLoad,
  nowMs: number,
): ScaleDecision {
  const asked = Math.max(replicasFor(load.mean, rule.perReplica), load.inFlight > 0 ? 1 : 0);
  const wanted = clamp(asked, rule.min, rule.max);
  if (wanted < before.desired) return fewer(before, wanted, rule, load, nowMs);
  const level = asked > rule.max ? 'at_max' : asked < rule.min ? 'at_min' : 'steady';
  return {
    desired: wanted,
    wanted,
    reason: wanted > before.desired ? 'up' : level,
    belowSinceMs: undefined,
    steppedMs: before.steppedMs,
    downAtMs: undefined,
  };
}

function fewer(
  before: ScaleDecision,
  wanted: number,
  rule: ScaleRule,
  load: DeploymentLoad,
  nowMs: number,
): ScaleDecision {
  const { desired } = before;
  const next = Math.max(wanted, desired - share(desired, rule.downRate));
  const belowSinceMs = before.belowSinceMs ?? nowMs;
  // The last one goes when there was no traffic for the full delay: that began with the end of the last request, while
  // the mean, which has to be 0 as well, is so only a whole window later.
  const sinceMs = next > 0 ? belowSinceMs : Math.max(before.steppedMs, load.idleSinceMs);
  const downAtMs = sinceMs + rule.downDelayMs;
  if (nowMs < downAtMs) return { ...before, wanted, reason: 'down_delayed', belowSinceMs, downAtMs };
  const isMore = next > wanted;
  return {
    desired: next,
    wanted,
    reason: 'down',
    belowSinceMs: isMore ? nowMs : undefined,
    steppedMs: nowMs,
    downAtMs: isMore ? nowMs + rule.downDelayMs : undefined,
  };
}

/** Replicas that a load takes. A rounding error in the last place is no reason for one more. */
const replicasFor = (mean: number, perReplica: number): number => Math.ceil(mean / perReplica - 1e-9);

/** How many of so many may go at a time. */
const share = (running: number, percent: number): number =>
  Math.max(1, Math.floor((running * percent) / 100));

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max);
