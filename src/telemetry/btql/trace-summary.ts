// One row for a trace: what its root says, and what its spans sum up to.
// Invariant: a sum is over all spans that the application logged, without what scorers of weir have cost; a metric that no
// span has is null.
import { readRow, compileField } from './row-fields.ts';
import type { ShownRow } from './request-row.ts';
import type { Ident } from './tree.ts';

const SUMMED = [
  'prompt_tokens',
  'completion_tokens',
  'prompt_cached_tokens',
  'prompt_cache_creation_tokens',
  'total_tokens',
  'estimated_cost',
] as const;
/** Fields that the root gives. */
const OF_ROOT = [
  'id',
  '_xact_id',
  '_pagination_key',
  'span_id',
  'root_span_id',
  'span_parents',
  'is_root',
  'created',
  'project_id',
  'org_id',
  'log_id',
  'input',
  'output',
  'expected',
  'error',
  'metadata',
  'span_attributes',
  'context',
  'comments',
] as const;

const ident = (...name: string[]): Ident => ({ op: 'ident', name });
const metric = (name: string): ((row: ShownRow) => unknown) =>
  compileField(ident('metrics', name), readRow).of;
const METRICS = Object.fromEntries(
  [...SUMMED, 'start', 'end', 'duration', 'time_to_first_token'].map((name) => [name, metric(name)]),
);

const numbersOf = (rows: readonly ShownRow[], name: string): number[] =>
  rows.map((row) => METRICS[name]!(row)).filter((value) => typeof value === 'number');
const sumOf = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
const least = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((a, b) => Math.min(a, b));
const most = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((a, b) => Math.max(a, b));

function attributeOf({ span_attributes: attributes }: ShownRow, name: string): unknown {
  return typeof attributes === 'object' && attributes !== null ? (attributes as ShownRow)[name] : undefined;
}

const hasError = ({ error }: ShownRow): boolean => error !== undefined && error !== null;

function meanScores(rows: readonly ShownRow[]): Record<string, number | null> {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const { scores } of rows)
    for (const [name, value] of Object.entries(typeof scores === 'object' && scores !== null ? scores : {})) {
      const known = sums.get(name) ?? { sum: 0, count: 0 };
      if (typeof value === 'number') {
        known.sum += value;
        known.count++;
      }
      sums.set(name, known);
    }
  return Object.fromEntries(
    Array.from(sums, ([name, { sum, count }]) => [name, count === 0 ? null : sum / count]),
  );
}

/** The summary of a trace. `rows`: its logged rows in the order of time, at least one. */
export function traceSummary(rows: readonly ShownRow[]): ShownRow {
  const root = rows.find((row) => row['is_root'] === true) ?? rows[0]!;
  const ofType = (type: string): ShownRow[] => rows.filter((row) => attributeOf(row, 'type') === type);
  const [models, tools] = [ofType('llm'), ofType('tool')];
  const tags = new Set(rows.flatMap(({ tags: own }) => (Array.isArray(own) ? (own as unknown[]) : [])));
  const durations = numbersOf(rows, 'duration');
  const errors = rows.filter(hasError).length;
  const ofTrace = rows.filter((row) => attributeOf(row, 'purpose') !== 'scorer');
  return {
    ...Object.fromEntries(OF_ROOT.map((name) => [name, root[name] ?? null])),
    tags: tags.size === 0 ? null : [...tags],
    scores: meanScores(rows),
    metrics: {
      ...Object.fromEntries(SUMMED.map((name) => [name, sumOf(numbersOf(ofTrace, name))])),
      llm_calls: models.length,
      tool_calls: tools.length,
      errors,
      llm_errors: models.filter(hasError).length,
      tool_errors: tools.filter(hasError).length,
      start: least(numbersOf(rows, 'start')),
      end: most(numbersOf(rows, 'end')),
      duration: most(durations),
      llm_duration: sumOf(numbersOf(models, 'duration')),
      time_to_first_token: least(numbersOf(rows, 'time_to_first_token')),
    },
    span_type_info: {
      name: attributeOf(root, 'name') ?? null,
      type: attributeOf(root, 'type') ?? null,
      has_error: errors > 0,
      cached: false,
    },
  };
}
