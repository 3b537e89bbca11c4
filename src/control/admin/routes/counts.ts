// Routes that count records: a histogram by time, and the values of one field or several.
import { DAY_NS, MINUTE_NS, nowNs } from '../../../core/time.ts';
import {
  attributesOf,
  type CountedField,
  type GroupResult,
  type KeyValue,
  type TimeRange,
} from '../../../telemetry/logs/logs.ts';
import { json, queryOf, type Endpoint } from '../endpoint.ts';
import { readSearchParams, wholeNumberParam, type SearchParams } from '../logs/search-params.ts';
import { COUNT, fieldOf, ranked } from '../logs/counted-values.ts';
import { countFacets, facetCountProblem, type FacetField } from '../logs/facets.ts';
import type { FacetsAnswer } from '../logs/search-json.ts';
import { countHits, HITS_PARAMS, readHits } from '../logs/hits.ts';
import { groupUnlessClosed, pagedSearch } from '../logs/paged-search.ts';
import { failQuery, logsOrFail, type WithLogs } from './logs.ts';

const DEFAULT_FACETS = 'level,status,kind,replica,cause';
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
    does: 'counts matching records by time (`step`) and level, or by a field (`by`, `top`), also of an earlier period (`compare`); by default of the last 24 hours',
    scope: 'logs:read',
    async handle(context, req, res) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = readSearchParams(queryOf(req), HITS_PARAMS, nowNs(), DAY_NS);
      if ('problems' in params) return failQuery(req, res, params.problems);
      const query = readHits(params);
      if (!('span' in query)) return failQuery(req, res, query);
      const answer = await countHits(logs, params.node, query, res);
      if (answer) json(res, 200, answer);
    },
  },
  {
    method: 'GET',
    path: '/v1/logs/facets',
    does: 'returns the most frequent values (`top`) of several `fields`, each counted without the conditions of the query on that field, by default of the last 24 hours',
    scope: 'logs:read',
    async handle(context, req, res) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = readSearchParams(queryOf(req), ['fields', 'top'], nowNs(), DAY_NS);
      if ('problems' in params) return failQuery(req, res, params.problems);
      const asked = readFacets(params);
      if (!('fields' in asked)) return failQuery(req, res, asked);
      const query = { node: params.node, ...wholeMinuteSpan(params) };
      const facets = await countFacets(logs, query, asked.fields, asked.top, res);
      if (facets) json(res, 200, { facets } satisfies FacetsAnswer);
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

/** The fields of a count, or what is wrong with the parameters. */
function readFacets(
  params: SearchParams,
): { readonly fields: readonly FacetField[]; readonly top: number } | readonly string[] {
  const names = (params.own('fields') ?? DEFAULT_FACETS).split(',').map((name) => name.trim());
  const fields = [...new Set(names)].map((name) => ({ name, field: fieldOf('fields', name) }));
  const top = wholeNumberParam(params, 'top', { min: 1, max: 100, fallback: 6 });
  const tooMany = facetCountProblem(fields.length);
  const problems = [...fields.map(({ field }) => field), top, tooMany].filter(
    (one) => typeof one === 'string',
  );
  if (problems.length > 0 || typeof top === 'string') return problems;
  return { fields: fields.map(({ name, field }) => ({ ...(field as CountedField), name })), top };
}
