// The questions that an address of Monitor means, and the address of Logs for what a point counts.
// Invariant: all charts of the page ask the same records; equal addresses ask the same. Pure functions.
import type { Question } from '../../api/use-answer.ts';
import { written } from '../../parts/query-text.ts';
import { rangeOf, rangeQuery, type Range } from '../../parts/time-range.ts';
import { addressOf, type Params } from '../../routes.ts';
import { stepFor } from '../logs/time-span.ts';

/** Time of the page if its address says none. */
export const MONITOR_SINCE = '24h';

export const PERCENTILES = ['50', '95', '99'] as const;
export type Percentile = (typeof PERCENTILES)[number];
export const percentileOf = ({ p }: Params): Percentile => PERCENTILES.find((one) => one === p) ?? '95';

/** Measures of the list of the largest. */
export const MOST = ['output_tokens', 'requests', 'cost', 'errors'] as const;
export type Most = (typeof MOST)[number];
export const mostOf = ({ most }: Params): Most => MOST.find((one) => one === most) ?? 'output_tokens';

/** Steps that are asked for at most, about one for four pixels of a chart. */
const MOST_STEPS = 100;
/** Steps of the list of the largest, which shows the whole time. */
const FEW_STEPS = 4;

/** A step as the API writes it. */
const stepOf = (range: Range, most: number): string => `${stepFor(range, most) / 1000}s`;

/** A condition on a field; `null`: records that do not have it. */
export const condition = (field: string, value: string | number | boolean | null): string =>
  value === null ? `-${field}:*` : `${field}:${written(String(value))}`;

/** Conditions that hold together with a query, which may have OR at its top. */
export function allOf(query: string, ...conditions: readonly string[]): string {
  const others = conditions.filter((one) => one !== '').join(' ');
  if (query === '' || others === '') return query === '' ? others : query;
  return `${others} ${/\bOR\b/.test(query) ? `(${query})` : query}`;
}

/** The query with environment and deployment, which the series have no parameters for. */
const scoped = ({ q = '', env = '', dep = '' }: Params, ...more: readonly string[]): string =>
  allOf(
    q,
    env === '' ? '' : condition('environment', env),
    dep === '' ? '' : condition('deployment', dep),
    ...more,
  );

export const monitorRange = (params: Params, nowMs: number): Range => rangeOf(params, nowMs, MONITOR_SINCE);

const question = (body: object): Question => ({ path: '/v1/series', method: 'POST', body });

interface Asking {
  readonly measures: readonly string[];
  readonly by?: string | undefined;
  /** Another condition. */
  readonly where?: string;
  /** Without the comparison. */
  readonly isAlone?: boolean;
}

/** A question about the records of the page. */
export function seriesQuestion(
  params: Params,
  nowMs: number,
  { measures, by = params['by'], where = '', isAlone = false }: Asking,
): Question {
  const range = monitorRange(params, nowMs);
  const { vs, step = stepOf(range, MOST_STEPS) } = params;
  return question({
    measures,
    ...rangeQuery(range),
    step,
    q: scoped(params, where),
    ...(by === undefined ? {} : { by }),
    ...(vs === undefined || isAlone ? {} : { vs }),
  });
}

/** The groups with the most of a measure. All of the time is one step, as far as steps go. */
export function topQuestion(params: Params, nowMs: number, by: string, most: Most): Question {
  const range = monitorRange(params, nowMs);
  return question({
    measures: most === 'requests' ? ['requests'] : ['requests', most],
    ...rangeQuery(range),
    step: stepOf(range, FEW_STEPS),
    q: scoped(params),
    by,
    top: 50,
  });
}

/** The newest requests, for the names of what they have: scores, feedback, metadata. */
export const sampleQuestion = (params: Params, isAnnotated: boolean): Question => {
  const { env = '', dep = '' } = params;
  return {
    path: '/v1/logs',
    query: {
      kind: 'request',
      q: isAnnotated ? 'annotations:*' : 'metadata:*',
      environment: env,
      deployment: dep,
      since: '24h',
      limit: 100,
      fields: isAnnotated ? 'attributes.annotations' : 'attributes.metadata',
    },
  };
};

/** Logs with the requests of a step; `conditions`: of the group. */
export function logsAddress(
  params: Params,
  fromMs: number,
  stepMs: number,
  ...conditions: readonly string[]
): string {
  const { q = '', env = '', dep = '' } = params;
  return addressOf(
    { page: 'logs' },
    {
      q: allOf(q, ...conditions),
      env,
      dep,
      kind: 'request',
      start: new Date(fromMs).toISOString(),
      // The end of a time belongs to it, the begin of the next step does not belong to this one.
      end: new Date(fromMs + stepMs - 1).toISOString(),
    },
  );
}
