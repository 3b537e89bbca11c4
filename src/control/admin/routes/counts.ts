// How many of what: a histogram by time and level, and the values of a field.
// Must stay true: from sums of whole minutes where these can answer, else by reading; what was not counted to the end is
// said to be so.
import type { ServerResponse } from 'node:http';
import {
  attributesOf,
  SUMMED_FIELDS,
  type QueryNode,
  type TimeRange,
  type AggregateBy,
} from '../../../telemetry/logs/logs.ts';
import { json, queryOf, type Endpoint } from '../endpoint.ts';
import { readSearchParams, wholeParam, type SearchParams } from '../logs/search-params.ts';
import { pagedCount, pagedSearch, type CountResult, type LogStore } from '../logs/paged-search.ts';
import { hasMinuteTotals, MINUTE_NS } from '../logs/minute-totals.ts';
import { DAY_NS, formatTime, LATEST_NS, readSpan } from '../logs/time.ts';
import { nowNs, recordOf, refuseSearch, type WithLogs } from './logs.ts';

const MS = 1_000_000n;
const MAX_STEPS = 2000;
const WANTED_STEPS = 60n;
/** Steps that people like to read, in milliseconds. */
const NICE = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
].map((seconds) => BigInt(seconds) * 1000n);
/** Records whose attributes are looked at for their names. */
const SAMPLE = 1000;
/** Fields of the record by the names that people write; all others are attributes. */
const FIELDS: ReadonlyMap<string, string> = new Map([
  ...SUMMED_FIELDS.map((name) => [name, name] as const),
  ['env', 'environment'],
  ['request_id', 'requestId'],
  ['trace_id', 'traceId'],
]);

export const countEndpoints: readonly Endpoint<WithLogs>[] = [
  {
    method: 'GET',
    path: '/v1/logs/hits',
    does: 'how many records match, by time (`step`) and level; of the last 24 hours unless told otherwise',
    scope: 'logs:read',
    async answer(shown, req, res) {
      const logs = recordOf(shown, req, res);
      if (!logs) return;
      const ask = readSearchParams(queryOf(req), ['step'], nowNs(), DAY_NS);
      if ('problems' in ask) return refuseSearch(req, res, ask.problems);
      const window = windowOf(ask);
      if (typeof window === 'string') return refuseSearch(req, res, [window]);
      const { stepMs, span } = window;
      const counted = await countBy(logs, ask.node, span, { stepMs: Number(stepMs) }, res);
      if (!counted) return;
      const hits = stepsOf(counted.counts);
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
    does: 'names of the fields that records have; those of attributes from the newest thousand that match',
    scope: 'logs:read',
    async answer(shown, req, res) {
      const logs = recordOf(shown, req, res);
      if (!logs) return;
      const ask = readSearchParams(queryOf(req), [], nowNs(), DAY_NS);
      if ('problems' in ask) return refuseSearch(req, res, ask.problems);
      const sample = await pagedSearch(
        logs,
        { node: ask.node, ...ask.span, direction: 'down', after: undefined, limit: SAMPLE },
        res,
      );
      if (!sample) return;
      const attributes = new Map<string, number>();
      for (const record of sample.records)
        for (const name of Object.keys(attributesOf(record)))
          attributes.set(name, (attributes.get(name) ?? 0) + 1);
      json(res, 200, {
        fields: [...SUMMED_FIELDS, 'request_id', 'trace_id'].map((name) => ({ name })),
        attributes: ranked(attributes).map(([name, n]) => ({ name, count: n })),
        sampled: sample.records.length,
      });
    },
  },
  {
    method: 'GET',
    path: '/v1/logs/fields/{name}/values',
    does: 'values of a field or attribute, with how many records have each; of the last 24 hours unless told otherwise',
    scope: 'logs:read',
    async answer(shown, req, res, [name]) {
      const logs = recordOf(shown, req, res);
      if (!logs) return;
      const ask = readSearchParams(queryOf(req), ['limit'], nowNs(), DAY_NS);
      if ('problems' in ask) return refuseSearch(req, res, ask.problems);
      const limit = wholeParam(ask, 'limit', { min: 1, max: 1000, fallback: 50 });
      if (typeof limit === 'string') return refuseSearch(req, res, [limit]);
      const counted = await countBy(logs, ask.node, ask.span, { field: FIELDS.get(name!) ?? name! }, res);
      if (!counted) return;
      const missing = counted.counts.get('') ?? 0;
      counted.counts.delete('');
      const values = ranked(counted.counts);
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

/** Whole steps that hold the time that is asked for. */
function windowOf({
  own,
  span: { fromNs, toNs },
}: SearchParams): { stepMs: bigint; span: TimeRange } | string {
  const text = own('step');
  const given = text === undefined ? undefined : readSpan(text);
  if (text !== undefined && (given === undefined || given < MS))
    return `step: ${text.slice(0, 40)} is no time span; write 30s, 5m or 1h`;
  const endNs = toNs === LATEST_NS ? nowNs() : toNs;
  const wanted = (endNs - fromNs) / MS / WANTED_STEPS;
  const stepMs = given === undefined ? (NICE.find((ms) => ms >= wanted) ?? NICE.at(-1)!) : given / MS;
  const step = stepMs * MS;
  const from = (fromNs / step) * step;
  const to = (endNs / step + 1n) * step;
  if ((to - from) / step > BigInt(MAX_STEPS))
    return `step: these are more than ${MAX_STEPS} steps; ask for a longer step, or a shorter time`;
  return { stepMs, span: { fromNs: from, toNs: to - 1n } };
}

async function countBy(
  logs: LogStore,
  node: QueryNode,
  span: TimeRange,
  by: AggregateBy,
  res: ServerResponse,
): Promise<CountResult | undefined> {
  const isWhole = span.fromNs % MINUTE_NS === 0n && (span.toNs + 1n) % MINUTE_NS === 0n;
  const fits = 'stepMs' in by ? by.stepMs % 60_000 === 0 && isWhole : SUMMED_FIELDS.includes(by.field);
  if (!fits || !hasMinuteTotals(node)) return pagedCount(logs, { node, ...span }, by, res);
  return { counts: new Map(await logs.aggregateMinutes(node, span, by)), others: 0, isPartial: false };
}

interface Step {
  readonly timestamp: string;
  readonly timestamp_ms: number;
  total: number;
  readonly levels: Record<string, number>;
}

/** `1795… WARN` → n, as steps in the order of time. */
function stepsOf(counts: ReadonlyMap<string, number>): Step[] {
  const steps = new Map<number, Step>();
  for (const [key, n] of counts) {
    const [ms, level] = key.split(' ') as [string, string];
    const at = Number(ms);
    let step = steps.get(at);
    if (!step) {
      step = { timestamp: new Date(at).toISOString(), timestamp_ms: at, total: 0, levels: {} };
      steps.set(at, step);
    }
    step.total += n;
    const name = level === '' ? 'NONE' : level;
    step.levels[name] = (step.levels[name] ?? 0) + n;
  }
  return Array.from(steps.values()).sort((a, b) => a.timestamp_ms - b.timestamp_ms);
}
