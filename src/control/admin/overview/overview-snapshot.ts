// Builds one snapshot of the overview from the counts and the present state.
// Invariant: reads memory only, and takes at most 2 ms of the forwarding thread.
import type { NextToExpire } from '../../../async/queue/queue.ts';
import { catalogue, type Failure } from '../../../core/errors.ts';
import type { FailedRequests } from './failure-table.ts';
import { LAST_HOUR, requestsOf } from './figure-slots.ts';
import { figuresOf, nsText, trafficOf } from './overview-figures.ts';
import type {
  OverviewAsync,
  OverviewCause,
  OverviewFigures,
  OverviewJson,
  OverviewStore,
} from './overview-json.ts';
import type { OverviewMeter } from './overview-meter.ts';
import { deploymentRow, replicaRows, scaleRow, shownDeployments } from './overview-replicas.ts';
import type { OverviewSources } from './overview-sources.ts';
import { errorLimit, LIMITS, verdictOf, type VerdictFacts } from './verdict.ts';

/** The overview at `nowMs` (milliseconds since 1970), with the URLs of replicas. `next`: the task that expires first. */
export function overviewOf(
  sources: OverviewSources,
  meter: OverviewMeter,
  next: NextToExpire | undefined,
  nowMs: number,
): OverviewJson {
  const { slots } = meter;
  const figures = figuresOf(slots, liveFigures(sources), nowMs);
  const facts = {
    at_ns: nsText(nowMs),
    figures,
    traffic: trafficOf(slots),
    deployments: sources.pool.current.map(deploymentRow),
    replicas: replicaRows(sources, meter, nowMs),
    scale: sources.scale().map((reading) => scaleRow(reading, meter, sources, nowMs)),
    causes: meter.failures.rows(nowMs).map(({ row, points, count }) => causeOf(row, points, count, sources)),
    async: asyncOf(sources, meter, next, nowMs),
    exporters: sources.exporters().map((one) => ({
      ...one,
      since_ns: nsText(meter.exporterStates.see(one.id, one.state, nowMs)),
    })),
    store: storeOf(sources, meter),
    weir: {
      version: sources.version,
      started_ns: nsText(meter.startedMs),
      is_draining: sources.isDraining(),
    },
  };
  const { at_ns, ...others } = facts;
  const verdict = verdictOf({ ...facts, broken_since: brokenSince(meter, figures) });
  return { at_ns, verdict, ...others };
}

/** An overview for keys that may not see the addresses of replicas. */
export const withoutUrls = (overview: OverviewJson): OverviewJson => ({
  ...overview,
  replicas: overview.replicas.map((replica) => ({ ...replica, url: undefined })),
});

function liveFigures(sources: OverviewSources): Parameters<typeof figuresOf>[1] {
  let [inFlight, waiting, longestWaitMs] = [0, 0, 0];
  let capacity: number | null = 0;
  for (const deployment of shownDeployments(sources)) {
    const { replicas, waitQueue, options } = deployment;
    for (const { outstanding } of replicas) inFlight += outstanding;
    waiting += waitQueue.length;
    if (waitQueue.first !== undefined)
      longestWaitMs = Math.max(longestWaitMs, performance.now() - waitQueue.first.queuedAtMs);
    if (options.concurrency_target === 0) capacity = null;
    else if (capacity !== null) capacity += deployment.count('ready') * options.concurrency_target;
  }
  return {
    inFlight,
    waiting,
    longestWaitMs: waiting === 0 ? null : longestWaitMs,
    capacity,
    currency: sources.currency(),
  };
}

/** Since when the rules about requests have been broken, back from now without a gap. */
function brokenSince(
  { slots }: OverviewMeter,
  { errors, latency }: OverviewFigures,
): VerdictFacts['broken_since'] {
  const text = (ms: number | undefined) => (ms === undefined ? null : nsText(ms));
  const share = errorLimit(errors.before);
  const slow = latency.before === null ? Infinity : LIMITS.latencyGrowth * latency.before;
  return {
    errors: text(slots.since((value) => value('5xx') / requestsOf(value) > share)),
    refusals: text(slots.since((value) => value('refused') > 0)),
    latency: text(
      slots.since(
        (value) =>
          Number.isNaN(value('latencyP95')) || value('latencyP95') === 0 || value('latencyP95') > slow,
      ),
    ),
  };
}

const ANSWERS: Readonly<Record<string, string>> = {
  answer_5xx: 'The replica answered with an error',
  answer_4xx: 'The replica refused the request',
  answer_grpc: 'The replica answered with an error',
  answer_1011: 'The replica closed the WebSocket with an error',
  stream_error: 'The stream of the replica ended with an error',
};

function causeOf(
  { kind, lastMs, detail, requestId, status, deployment, replica }: FailedRequests,
  points: readonly number[],
  count: number,
  { pool }: OverviewSources,
): OverviewCause {
  const { cause, origin, q } = kind;
  const text = ANSWERS[cause] ?? catalogue[cause as Failure].message;
  return {
    cause,
    origin,
    count,
    points,
    last_ns: nsText(lastMs),
    example: detail || text,
    example_request_id: requestId,
    status,
    deployment: pool.deployments[deployment]?.options.id ?? '',
    replica,
    q,
  };
}

function asyncOf(
  { pool, asyncDepth }: OverviewSources,
  { slots }: OverviewMeter,
  next: NextToExpire | undefined,
  nowMs: number,
): OverviewAsync {
  const depths = pool.deployments.map(({ options }) => asyncDepth(options.id));
  const attempts = slots.sum('webhooks', LAST_HOUR);
  return {
    queued: depths.reduce((sum, { queued }) => sum + queued, 0),
    running: depths.reduce((sum, { inProgress }) => sum + inProgress, 0),
    oldest_ms: next === undefined ? null : Math.max(0, Math.round(nowMs - next.createdMs)),
    expires_first_ms: next === undefined ? null : Math.max(0, Math.round(next.expiresMs - nowMs)),
    webhooks_ok: attempts === 0 ? null : slots.sum('webhooksOk', LAST_HOUR) / attempts,
    webhook_attempts: attempts,
    failed: slots.sum('tasksFailed', LAST_HOUR),
  };
}

function storeOf({ store }: OverviewSources, { slots }: OverviewMeter): OverviewStore | null {
  const reading = store();
  return reading === undefined
    ? null
    : {
        lost: reading.lost,
        lost_in_hour: slots.sum('recordsLost', LAST_HOUR),
        lag_s: reading.lagSeconds,
        bytes: reading.bytes,
        max_bytes: reading.maxBytes,
      };
}
