// Routes that count records: a histogram by time and level, and the values of a field.
import { DAY_NS, formatTime, LATEST_NS, MINUTE_NS, nowNs } from '../../../core/time.ts';
import { invalidDuration, parseDurationNs } from '../../../core/units.ts';
import {
  attributesOf,
  type GroupResult,
  type KeyValue,
  type TimeRange,
} from '../../../telemetry/logs/logs.ts';
import { json, queryOf, type Endpoint } from '../endpoint.ts';
import { readSearchParams, wholeNumberParam, type SearchParams } from '../logs/search-params.ts';
import { groupUnlessClosed, pagedSearch } from '../logs/paged-search.ts';
import { failQuery, logsOrFail, type WithLogs } from './logs.ts';

const MS = 1_000_000n;
const COUNT = [{ op: 'count' }] as const;
const MAX_STEPS = 2000;
const DEFAULT_STEPS = 60n;
/** Round steps, in milliseconds. */
const ROUND_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
].map((seconds) => BigInt(seconds) * 1000n);
/** Records that are read to collect names of attributes. */
const SAMPLE = 1000;
/** Fields of the record that have few values. */
const COUNTED_FIELDS = ['deployment', 'environment', 'replica', 'source', 'kind', 'level', 'status'];
/** Fields of the record by their names in paths. All other names are attributes. */
const FIELDS: ReadonlyMap<string, string> = new Map([
  ...[...COUNTED_FIELDS, 'pod', 'modelId', 'requestId', 'traceId'].map((name) => [name, name] as const),
  ['env', 'environment'],
  ['request_id', 'requestId'],
  ['trace_id', 'traceId'],
  ['model_id', 'modelId'],
]);

export const countEndpoints: readonly Endpoint<WithLogs>[] = [
  {
    method: 'GET',
    path: '/v1/logs/hits',
    does: 'counts matching records by time (`step`) and level, by default of the last 24 hours',
    scope: 'logs:read',
    async handle(context, req, res) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = readSearchParams(queryOf(req), ['step'], nowNs(), DAY_NS);
      if ('problems' in params) return failQuery(req, res, params.problems);
      const window = windowOf(params);
      if (typeof window === 'string') return failQuery(req, res, [window]);
      const { stepMs, span } = window;
      const by = [{ stepMs: Number(stepMs) }, { field: 'level' }];
      const counted = await groupUnlessClosed(logs, { node: params.node, ...span, by, measures: COUNT }, res);
      if (!counted) return;
      const hits = stepsOf(counted);
      json(res, 200, {
        step_ms: Number(stepMs),
        start: formatTime(span.fromNs),
        end: formatTime(span.toNs),
        hits,
        total: hits.reduce((sum, { total }) => sum + total, 0),
        is_partial: counted.isPartial || undefined,
      });
    },
  },
  {
    method: 'GET',
    path: '/v1/logs/fields',
    does: 'returns the names of fields, and of attributes in the newest thousand matching records',
    scope: 'logs:read',
    async handle(context, req, res) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = readSearchParams(queryOf(req), [], nowNs(), DAY_NS);
      if ('problems' in params) return failQuery(req, res, params.problems);
      const sample = await pagedSearch(
        logs,
        { node: params.node, ...params.span, direction: 'down', after: undefined, limit: SAMPLE },
        res,
      );
      if (!sample) return;
      const attributes = new Map<string, number>();
      for (const record of sample.records)
        for (const name of Object.keys(attributesOf(record)))
          attributes.set(name, (attributes.get(name) ?? 0) + 1);
      json(res, 200, {
        fields: [...COUNTED_FIELDS, 'pod', 'model_id', 'request_id', 'trace_id'].map((name) => ({ name })),
        attributes: ranked(attributes).map(([name, n]) => ({ name, count: n })),
        sampled: sample.records.length,
      });
    },
  },
  {
    method: 'GET',
    path: '/v1/logs/fields/{name}/values',
    does: 'returns the values of a field or attribute with their number of records, by default of the last 24 hours',
    scope: 'logs:read',
    async handle(context, req, res, [name]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = readSearchParams(queryOf(req), ['limit'], nowNs(), DAY_NS);
      if ('problems' in params) return failQuery(req, res, params.problems);
      const limit = wholeNumberParam(params, 'limit', { min: 1, max: 1000, fallback: 50 });
      if (typeof limit === 'string') return failQuery(req, res, [limit]);
      const counted = await groupUnlessClosed(
        logs,
        {
          node: params.node,
          ...wholeMinuteSpan(params),
          by: [{ field: FIELDS.get(name!) ?? `@${name}` }],
          measures: COUNT,
        },
        res,
      );
      if (!counted) return;
      const counts = countsByText(counted);
      const missing = counts.get('') ?? 0;
      counts.delete('');
      const values = ranked(counts);
      const rest = values.slice(limit).reduce((sum, [, n]) => sum + n, 0);
      json(res, 200, {
        name,
        values: values.slice(0, limit).map(([value, n]) => ({ value, count: n })),
        other_count: rest + counted.others,
        missing_count: missing,
        is_partial: counted.isPartial || undefined,
      });
    },
  },
];

const ranked = (counts: ReadonlyMap<string, number>): [string, number][] =>
  Array.from(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));

/** The time span of a query, extended to whole steps. */
function windowOf({
  own,
  span: { fromNs, toNs },
}: SearchParams): { stepMs: bigint; span: TimeRange } | string {
  const text = own('step');
  const given = text === undefined ? undefined : parseDurationNs(text);
  if (text !== undefined && (given === undefined || given < MS)) return `step: ${invalidDuration(text)}`;
  const endNs = toNs === LATEST_NS ? nowNs() : toNs;
  const shortest = (endNs - fromNs) / MS / DEFAULT_STEPS;
  const stepMs =
    given === undefined ? (ROUND_STEPS.find((ms) => ms >= shortest) ?? ROUND_STEPS.at(-1)!) : given / MS;
  const step = stepMs * MS;
  const from = (fromNs / step) * step;
  const to = (endNs / step + 1n) * step;
  if ((to - from) / step > BigInt(MAX_STEPS))
    return `step: more than ${MAX_STEPS} steps; use a longer step or a shorter time span`;
  return { stepMs, span: { fromNs: from, toNs: to - 1n } };
}

/** A time span that is relative to now begins with a whole minute, since whole minutes are counted faster. */
const wholeMinuteSpan = ({ own, span: { fromNs, toNs } }: SearchParams): TimeRange => ({
  fromNs: own('start') === undefined ? fromNs - (fromNs % MINUTE_NS) : fromNs,
  toNs,
});

/** Number of records by the text of the value; empty for records without a value. */
function countsByText({ groups }: GroupResult): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { key, values } of groups) {
    const text = textOf(key[0]!);
    counts.set(text, (counts.get(text) ?? 0) + values[0]!);
  }
  return counts;
}

const textOf = (value: KeyValue): string => (value === null ? '' : String(value));

interface Step {
  readonly timestamp: string;
  readonly timestamp_ms: number;
  total: number;
  readonly levels: Record<string, number>;
}

/** Counts by time step and level → steps in order of time. */
function stepsOf({ groups }: GroupResult): Step[] {
  const steps = new Map<number, Step>();
  for (const { key, values } of groups) {
    const [at, level] = key as [number, string | null];
    const n = values[0]!;
    let step = steps.get(at);
    if (!step) {
      step = { timestamp: new Date(at).toISOString(), timestamp_ms: at, total: 0, levels: {} };
      steps.set(at, step);
    }
    step.total += n;
    step.levels[level ?? 'NONE'] = n;
  }
  return Array.from(steps.values()).sort((a, b) => a.timestamp_ms - b.timestamp_ms);
}
