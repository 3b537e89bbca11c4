// The verdict of the overview: rules over its figures, in a fixed order.
// Invariant: a pure function of the figures, without Node's modules; a figure that is not known breaks no rule.
import type {
  OverviewDeployment,
  OverviewJson,
  OverviewReplica,
  VerdictJson,
  VerdictPart,
} from './overview-json.ts';

/** The overview without its verdict, and since when the rules about requests are broken. */
export interface VerdictFacts extends Omit<OverviewJson, 'verdict'> {
  /** Nanoseconds since 1970; null: they are not, or it is not known. */
  readonly broken_since: Readonly<Record<'errors' | 'refusals' | 'latency', string | null>>;
}

/** Limits of the rules. */
export const LIMITS = {
  errorShare: 0.01,
  errorGrowth: 5,
  /** So many are wrong also if as many failed in the hour before; as in deploy/rules.yaml. */
  errorHigh: 0.05,
  /** One failed request of a few is no trend. */
  errorRequests: 3,
  latencyGrowth: 2,
  latencyMs: 10,
  latencyRequests: 20,
  gpuMemory: 0.95,
  scaleSeconds: 120,
  exporterLagSeconds: 300,
} as const;

/** Finds requests that weir or a replica failed. */
export const FAILED_Q = 'kind:request level>=error';
/** Finds all requests that did not succeed, those that clients failed too. */
export const NOT_OK_Q = 'kind:request level>=warn';

type Rule = (facts: VerdictFacts) => readonly VerdictPart[];

/** The rules in their order: the first part gives the sentence. */
const RULES: readonly Rule[] = [
  draining,
  noReadyReplica,
  replicaDown,
  errors,
  refusals,
  latency,
  gpuMemory,
  asyncWait,
  storeLost,
  scaleUnmet,
  exporters,
];

/** Applies the rules. */
export function verdictOf(facts: VerdictFacts): VerdictJson {
  const found = RULES.flatMap((rule) => rule(facts));
  const felt = found.filter((part) => part.is_felt);
  const since = felt.flatMap((part) => (part.since_ns === null ? [] : [part.since_ns]));
  const isDown =
    found.some(({ rule }) => rule === 'no_ready_replica') &&
    facts.deployments.every(({ ready }) => ready === 0);
  return {
    level: felt.length === 0 ? 'ok' : isDown ? 'down' : 'degraded',
    since_ns: since.reduce<string | null>(
      (first, ns) => (first === null || isBefore(ns, first) ? ns : first),
      null,
    ),
    parts: felt.length === 0 ? [allWell(facts), ...found] : found,
  };
}

const isBefore = (a: string, b: string): boolean => a.length < b.length || (a.length === b.length && a < b);

function draining({ weir }: VerdictFacts): readonly VerdictPart[] {
  return weir.is_draining
    ? [{ rule: 'draining', is_felt: true, since_ns: null, q: 'kind:event event:weir_draining' }]
    : [];
}

/** True for a deployment without replicas since none are wanted. */
function isAtRest({ id, waiting }: OverviewDeployment, { scale }: VerdictFacts): boolean {
  const own = scale.find(({ deployment }) => deployment === id);
  return own !== undefined && own.is_followed && own.desired === 0 && waiting === 0;
}

function noReadyReplica(facts: VerdictFacts): readonly VerdictPart[] {
  return facts.deployments.flatMap((deployment): VerdictPart[] => {
    if (deployment.ready > 0 || isAtRest(deployment, facts)) return [];
    const own = facts.replicas.filter((replica) => replica.deployment === deployment.id);
    const since = own.map(({ since_ns }) => since_ns).sort((a, b) => (isBefore(a, b) ? 1 : -1));
    return [
      {
        rule: 'no_ready_replica',
        is_felt: true,
        // The last one that left made it so.
        since_ns: since[0] ?? null,
        q: `kind:request${ofDeployment(deployment.id, facts)} level>=error`,
        deployment: deployment.id,
        replicas: own.length,
        problem: own.map(problemOf).find((problem) => problem !== '') ?? '',
      },
    ];
  });
}

function replicaDown(facts: VerdictFacts): readonly VerdictPart[] {
  const broken = facts.replicas.filter(
    ({ deployment, state, is_leaving }) =>
      (state === 'down' || state === 'ejected') &&
      !is_leaving &&
      facts.deployments.some(({ id, ready }) => id === deployment && ready > 0),
  );
  const parts = broken.map((replica): VerdictPart => ({
    rule: 'replica_down',
    is_felt: true,
    since_ns: replica.since_ns,
    q: replica.q,
    deployment: replica.deployment,
    replica: replica.id,
    state: replica.state as 'down' | 'ejected',
    problem: problemOf(replica),
    failed: replica.failed,
    lines_q: replica.lines_q,
  }));
  return parts.length === 0 ? [] : [...parts, ...capacity(facts)];
}

function capacity({ figures: { in_flight: inFlight }, deployments }: VerdictFacts): readonly VerdictPart[] {
  if (inFlight.capacity === null || inFlight.capacity === 0 || inFlight.now === null) return [];
  const ready = deployments.reduce((sum, deployment) => sum + deployment.ready, 0);
  return [
    {
      rule: 'capacity',
      is_felt: false,
      since_ns: null,
      q: 'kind:request',
      used: inFlight.now,
      of: inFlight.capacity,
      ready,
    },
  ];
}

/** The share of failed requests above which something is wrong. `before`: the share of the hour before. */
export const errorLimit = (before: number | null): number =>
  Math.min(LIMITS.errorHigh, Math.max(LIMITS.errorShare, LIMITS.errorGrowth * (before ?? 0)));

function errors({
  figures: { errors: of },
  causes,
  broken_since: since,
}: VerdictFacts): readonly VerdictPart[] {
  const { now, before, failed, requests } = of;
  if (now === null || failed < LIMITS.errorRequests || now <= errorLimit(before)) return [];
  const recent = causes
    .filter(({ origin }) => origin !== 'client')
    .map((cause) => ({ cause, count: cause.points.at(-1)! + cause.points.at(-2)! }))
    .sort((a, b) => b.count - a.count)[0];
  return [
    {
      rule: 'errors',
      is_felt: true,
      since_ns: since.errors,
      q: recent === undefined ? FAILED_Q : recent.cause.q,
      now,
      before,
      failed,
      requests,
      cause: recent?.cause.cause ?? null,
      replica: recent?.cause.replica ?? '',
      example: recent?.cause.example ?? '',
      count: recent?.count ?? failed,
    },
  ];
}

function refusals({ figures: { waiting }, broken_since: since }: VerdictFacts): readonly VerdictPart[] {
  if (waiting.refused === 0) return [];
  const q = 'kind:request cause:queue_full,at_capacity';
  return [{ rule: 'refusals', is_felt: true, since_ns: since.refusals, q, count: waiting.refused }];
}

function latency({
  figures: { latency: of, requests },
  broken_since: since,
}: VerdictFacts): readonly VerdictPart[] {
  const { p95, before } = of;
  if (p95 === null || before === null || requests.count < LIMITS.latencyRequests) return [];
  if (p95 <= LIMITS.latencyGrowth * before || p95 - before < LIMITS.latencyMs) return [];
  const q = `kind:request duration>${Math.round(before * LIMITS.latencyGrowth)}ms`;
  return [{ rule: 'latency', is_felt: true, since_ns: since.latency, q, p95_ms: p95, before_ms: before }];
}

function gpuMemory({ replicas }: VerdictFacts): readonly VerdictPart[] {
  return replicas.flatMap(({ id, deployment, lines_q: q, gpus }) =>
    gpus.flatMap(({ index, used_mib: used, total_mib: total }): VerdictPart[] =>
      used === null || total === null || used <= LIMITS.gpuMemory * total
        ? []
        : [
            {
              rule: 'gpu_memory',
              is_felt: true,
              since_ns: null,
              q,
              deployment,
              replica: id,
              gpu: index,
              used_mib: used,
              total_mib: total,
            },
          ],
    ),
  );
}

function asyncWait({ async: of, at_ns: at }: VerdictFacts): readonly VerdictPart[] {
  const { oldest_ms: oldest, expires_first_ms: expires, queued } = of;
  if (oldest === null || expires === null || oldest <= expires) return [];
  return [
    {
      rule: 'async_wait',
      is_felt: true,
      since_ns: nsBefore(at, (oldest - expires) / 2),
      q: 'kind:request is_async:true',
      oldest_ms: oldest,
      limit_ms: oldest + expires,
      queued,
    },
  ];
}

function storeLost({ store }: VerdictFacts): readonly VerdictPart[] {
  if (store === null || store.lost_in_hour === 0) return [];
  const q = 'kind:event event:log_store_*';
  return [{ rule: 'store_lost', is_felt: true, since_ns: null, q, lost: store.lost_in_hour }];
}

function scaleUnmet({ scale, at_ns: at }: VerdictFacts): readonly VerdictPart[] {
  return scale.flatMap(
    ({ deployment, desired, active, unmet_since_ns: since, is_followed }): VerdictPart[] => {
      if (desired === null || active === null || desired <= active || since === null) return [];
      if (!isBefore(since, nsBefore(at, LIMITS.scaleSeconds * 1000))) return [];
      const q = `kind:event event:deployment_scaled deployment:${quoted(deployment)}`;
      return [{ rule: 'scale_unmet', is_felt: is_followed, since_ns: since, q, deployment, desired, active }];
    },
  );
}

function exporters({ exporters: all }: VerdictFacts): readonly VerdictPart[] {
  return all
    .filter(
      ({ state, lag_s }) => state === 'paused' || state === 'failed' || lag_s > LIMITS.exporterLagSeconds,
    )
    .sort((a, b) => b.lag_s - a.lag_s)
    .map(({ id, name, state, why, since_ns, lag_s, waiting }) => ({
      rule: 'exporter',
      is_felt: false,
      since_ns,
      q: 'kind:event event:export_paused',
      id,
      name,
      state,
      why,
      lag_s,
      waiting,
    }));
}

function allWell({ deployments, replicas, figures, causes }: VerdictFacts): VerdictPart {
  const last = causes
    .filter(({ origin }) => origin !== 'client')
    .reduce<VerdictFacts['causes'][number] | undefined>(
      (newest, one) => (newest === undefined || isBefore(newest.last_ns, one.last_ns) ? one : newest),
      undefined,
    );
  return {
    rule: 'all_well',
    is_felt: false,
    since_ns: null,
    q: last?.q ?? 'kind:request',
    ready: deployments.reduce((sum, { ready }) => sum + ready, 0),
    replicas: replicas.filter(({ is_leaving }) => !is_leaving).length,
    waiting: figures.waiting.now ?? 0,
    failed: figures.errors.failed,
    requests: figures.errors.requests,
    last_cause: last?.cause ?? null,
    last_ns: last?.last_ns ?? null,
    last_replica: last?.replica ?? '',
  };
}

const problemOf = ({ probe, state }: OverviewReplica): string =>
  probe === null
    ? 'not probed yet'
    : probe.is_ok
      ? state === 'ejected'
        ? 'too many responses broke off'
        : ''
      : probe.text;

/** A condition on the deployment, if there are several. */
const ofDeployment = (id: string, { deployments }: Pick<VerdictFacts, 'deployments'>): string =>
  deployments.length > 1 ? ` deployment:${quoted(id)}` : '';

/** A value as the query language reads it. */
export const quoted = (value: string): string =>
  /^[\w.-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;

/** A time that is `ms` before another one. */
const nsBefore = (ns: string, ms: number): string => String(BigInt(ns) - BigInt(Math.round(ms)) * 1_000_000n);
