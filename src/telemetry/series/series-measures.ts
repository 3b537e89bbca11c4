// What can be measured over time: from which fields of records, in which unit, and how a value is made of what the store
// measures.
// Invariant: a measure means the same for every group, step and period of an answer.
import { nearest } from '../../core/nearest-name.ts';
import { attributeName, type GroupQuery } from '../logs/logs.ts';

type StoreMeasure = GroupQuery['measures'][number];

/** Records that are measured: requests that weir served, or spans that applications logged. */
export type SeriesSubject = 'requests' | 'spans';

/** What a measure is made of. */
export interface SeriesMeasure {
  readonly name: string;
  readonly unit: string;
  /** What is counted. `errors`, `causes`: records with an error, `causes` by their cause. */
  readonly kind: 'records' | 'errors' | 'causes' | 'sum' | 'mean' | 'percentile';
  /** What the store measures for it. */
  readonly needs: readonly StoreMeasure[];
  /** The value, from what the store measured, in the order of `needs`. `seconds`: length of the time. */
  readonly valueOf: (values: readonly (number | null)[], seconds: number) => number | null;
  /** Number of records that have a value; `undefined`: it does not follow from the values. */
  readonly countOf: (values: readonly (number | null)[]) => number | undefined;
  /** The field that has the value; `undefined`: the records themselves are counted. */
  readonly field: string | undefined;
}

/** Field of a record with a number, and by how much it is multiplied. */
interface NumberField {
  readonly field: string;
  readonly scale: number;
}

const REQUESTS: Readonly<Record<string, NumberField>> = {
  latency: { field: 'durationNs', scale: 1e-6 },
  ttft: { field: 'first_token_ms', scale: 1 },
  input_tokens: { field: 'input_tokens', scale: 1 },
  output_tokens: { field: 'output_tokens', scale: 1 },
  total_tokens: { field: 'total_tokens', scale: 1 },
  tokens_per_second: { field: 'tokens_per_second', scale: 1 },
  cost: { field: 'cost', scale: 1 },
};
const SPANS: Readonly<Record<string, NumberField>> = {
  latency: { field: 'durationNs', scale: 1e-6 },
  ttft: { field: 'metrics.time_to_first_token', scale: 1000 },
  input_tokens: { field: 'metrics.prompt_tokens', scale: 1 },
  output_tokens: { field: 'metrics.completion_tokens', scale: 1 },
  total_tokens: { field: 'metrics.tokens', scale: 1 },
  cost: { field: 'metrics.estimated_cost', scale: 1 },
};
const FIELDS = { requests: REQUESTS, spans: SPANS } as const;
const SCORES = { requests: 'annotations.scores.', spans: 'scores.' } as const;

const COUNT: StoreMeasure = { op: 'count' };
const counted = (values: readonly (number | null)[]): number => values[0] ?? 0;

/** Number of values, from their sum and mean. Unknown if they add up to 0. */
function countOfMean(sum: number | null | undefined, mean: number | null | undefined): number | undefined {
  if (sum === null || sum === undefined) return 0;
  return sum === 0 || !mean ? undefined : Math.round(sum / mean);
}

const scaled = (value: number | null | undefined, scale: number): number | null =>
  value === null || value === undefined ? null : Number((value * scale).toPrecision(12));

function ofSum(name: string, unit: string, { field, scale }: NumberField): SeriesMeasure {
  return {
    name,
    unit,
    kind: 'sum',
    needs: [
      { op: 'sum', field },
      { op: 'mean', field },
    ],
    valueOf: ([sum]) => scaled(sum, scale),
    countOf: ([sum, mean]) => countOfMean(sum, mean),
    field,
  };
}

const ofMean = (name: string, unit: string, number: NumberField): SeriesMeasure => ({
  ...ofSum(name, unit, number),
  kind: 'mean',
  valueOf: ([, mean]) => scaled(mean, number.scale),
});

function ofPercentile(name: string, unit: string, { field, scale }: NumberField, p: number): SeriesMeasure {
  return {
    ...ofSum(name, unit, { field, scale }),
    kind: 'percentile',
    needs: [
      { op: 'percentile', p, field },
      { op: 'sum', field },
      { op: 'mean', field },
    ],
    valueOf: ([value]) => scaled(value, scale),
    countOf: ([, sum, mean]) => countOfMean(sum, mean),
  };
}

const ofRecords = (name: string, kind: 'records' | 'errors' | 'causes'): SeriesMeasure => ({
  name,
  unit: 'count',
  kind,
  needs: [COUNT],
  valueOf: counted,
  countOf: counted,
  field: undefined,
});

/** The mean number of records at a time: their durations together, divided by the time. */
const CONCURRENCY: SeriesMeasure = {
  ...ofSum('concurrency', 'at a time', { field: 'durationNs', scale: 1e-9 }),
  kind: 'mean',
  valueOf: ([sum], seconds) => scaled(sum, 1e-9 / seconds),
};

const PERCENTILE = /^(latency|ttft)_p(\d{1,2}(?:\.\d{1,3})?)$/;
const MEAN = /^(latency|ttft)_mean$/;
/** Names for messages. */
const NAMES = [
  'requests',
  'errors',
  'errors_by_cause',
  'latency_p50',
  'latency_p95',
  'latency_p99',
  'latency_mean',
  'ttft_p50',
  'ttft_p95',
  'ttft_p99',
  'ttft_mean',
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'tokens_per_second',
  'cost',
  'concurrency',
];

/** The measure with a name. A text is what is wrong with it. */
export function seriesMeasure(name: string, of: SeriesSubject): SeriesMeasure | string {
  const fields = FIELDS[of];
  if (name === 'requests' || (name === 'spans' && of === 'spans')) return ofRecords(name, 'records');
  if (name === 'errors') return ofRecords(name, 'errors');
  if (name === 'errors_by_cause')
    return of === 'requests' ? ofRecords(name, 'causes') : 'spans have no cause of an error; use errors';
  if (name === 'concurrency') return CONCURRENCY;
  if (name.startsWith('score:')) {
    const score = name.slice('score:'.length);
    if (score === '' || score.length > 200) return 'write the name of the score, as in score:Factuality';
    return ofMean(name, 'score', { field: `${SCORES[of]}${score}`, scale: 1 });
  }
  const [, ofP, p] = PERCENTILE.exec(name) ?? [];
  if (ofP !== undefined) return ofPercentile(name, 'ms', fields[ofP]!, Number(p) / 100);
  const [, ofMeanName] = MEAN.exec(name) ?? [];
  if (ofMeanName !== undefined) return ofMean(name, 'ms', fields[ofMeanName]!);
  const known = NAMES.includes(name) ? fields[name] : undefined;
  if (name === 'tokens_per_second')
    return known
      ? ofMean(name, 'tokens/s', known)
      : 'spans have no tokens_per_second; use output_tokens and latency_mean';
  if (known !== undefined) return ofSum(name, name === 'cost' ? 'money' : 'tokens', known);
  const near = nearest(name, NAMES);
  return near === undefined
    ? `unknown measure; known ones: ${NAMES.join(', ')}, score:<name>`
    : `unknown measure; did you mean ${JSON.stringify(near)}?`;
}

/** Fields of records, and short names of attributes, that records can be divided by. Other names are attributes. */
const BY: Readonly<Record<SeriesSubject, Readonly<Record<string, string>>>> = {
  requests: { env: 'environment', model_id: 'modelId' },
  spans: {
    env: 'environment',
    model: 'metadata.model',
    name: 'span_attributes.name',
    type: 'span_attributes.type',
    project: 'source',
  },
};
const RECORD_FIELDS: ReadonlySet<string> = new Set([
  'deployment',
  'environment',
  'replica',
  'status',
  'source',
  'pod',
  'modelId',
]);

/** The field of a group-by that a name stands for. */
export function seriesField(name: string, of: SeriesSubject): string {
  const field = Object.hasOwn(BY[of], name) ? BY[of][name]! : name;
  return RECORD_FIELDS.has(field) ? field : attributeName(field);
}
