// Counts of records by time steps, and in each step by the values of a field; also of an earlier period of equal length.
// Invariant: both periods have the same steps and the same values.
import type { ServerResponse } from 'node:http';
import { DAY_NS, formatTime, LATEST_NS, nowNs } from '../../../core/time.ts';
import { invalidDuration, parseDurationNs } from '../../../core/units.ts';
import type {
  CountedField,
  GroupResult,
  LogStore,
  QueryNode,
  TimeRange,
} from '../../../telemetry/logs/logs.ts';
import { COUNT, fieldOf, ranked, valueText } from './counted-values.ts';
import { groupUnlessClosed } from './paged-search.ts';
import type { HitsAnswer, HitsStep } from './search-json.ts';
import { MAX_STEP_DAYS, stepTooLong, wholeNumberParam, type SearchParams } from './search-params.ts';

const MS = 1_000_000n;
const MAX_STEPS = 2000;
const DEFAULT_STEPS = 60n;
/** Round steps, in milliseconds. */
const ROUND_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
].map((seconds) => BigInt(seconds) * 1000n);
const LEVEL: CountedField = { key: 'level', names: [] };

export const HITS_PARAMS = ['step', 'by', 'top', 'compare'] as const;

/** What is counted. */
export interface HitsQuery {
  readonly stepMs: number;
  readonly span: TimeRange;
  /** `undefined`: by level, with all levels in each step. */
  readonly by: (CountedField & { readonly name: string }) | undefined;
  /** Values that are told apart. */
  readonly top: number;
  /** By how much the earlier period is before the time; `undefined`: there is none. */
  readonly compareNs: bigint | undefined;
}

/** Reads the parameters of a count by time, or what is wrong with them. */
export function readHits(params: SearchParams): HitsQuery | readonly string[] {
  const problems: string[] = [];
  const window = windowOf(params);
  if (typeof window === 'string') problems.push(window);
  const name = params.own('by');
  const by = name === undefined ? undefined : fieldOf('by', name);
  if (typeof by === 'string') problems.push(by);
  const top = wholeNumberParam(params, 'top', { min: 1, max: 50, fallback: 6 });
  if (typeof top === 'string') problems.push(top);
  else if (name === undefined && params.own('top') !== undefined) problems.push('top: applies only with by');
  const compare = typeof window === 'string' ? undefined : compareOf(params, window);
  if (typeof compare === 'string') problems.push(compare);
  if (typeof window === 'string' || typeof by === 'string' || typeof top === 'string') return problems;
  if (problems.length > 0 || typeof compare === 'string') return problems;
  return {
    stepMs: Number(window.stepMs),
    span: window.span,
    by: by && { ...by, name: name! },
    top,
    compareNs: compare,
  };
}

interface Window {
  readonly stepMs: bigint;
  readonly span: TimeRange;
}

/** The time span of a query, extended to whole steps. */
function windowOf({ own, span: { fromNs, toNs } }: SearchParams): Window | string {
  const text = own('step');
  const given = text === undefined ? undefined : parseDurationNs(text);
  if (text !== undefined && (given === undefined || given < MS)) return `step: ${invalidDuration(text)}`;
  if (given !== undefined && given > BigInt(MAX_STEP_DAYS) * DAY_NS) return stepTooLong;
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

function compareOf({ own }: SearchParams, { stepMs, span }: Window): bigint | string | undefined {
  const text = own('compare');
  if (text === undefined) return undefined;
  const offset = parseDurationNs(text);
  if (offset === undefined || offset === 0n) return `compare: ${invalidDuration(text)}`;
  if (offset % (stepMs * MS) !== 0n) return `compare: must be a multiple of the step, which is ${stepMs} ms`;
  return span.fromNs < offset ? 'compare: the earlier period begins before 1970' : offset;
}

interface Step {
  readonly timestamp: string;
  readonly timestamp_ms: number;
  total: number;
  readonly counts: Map<string, number>;
}

/** Counts by time step and value → steps in order of time. */
function stepsOf({ groups }: GroupResult, field: CountedField): Step[] {
  const steps = new Map<number, Step>();
  for (const { key, values } of groups) {
    const at = key[0] as number;
    const text = valueText(field, key[1]!);
    const n = values[0]!;
    let step = steps.get(at);
    if (!step) {
      step = { timestamp: new Date(at).toISOString(), timestamp_ms: at, total: 0, counts: new Map() };
      steps.set(at, step);
    }
    step.total += n;
    step.counts.set(text, (step.counts.get(text) ?? 0) + n);
  }
  return Array.from(steps.values()).sort((a, b) => a.timestamp_ms - b.timestamp_ms);
}

/** The most frequent values. */
function valuesOf(steps: readonly Step[], top: number): string[] {
  const counts = new Map<string, number>();
  for (const step of steps)
    for (const [text, n] of step.counts) if (text !== '') counts.set(text, (counts.get(text) ?? 0) + n);
  return ranked(counts)
    .slice(0, top)
    .map(([text]) => text);
}

/** A step as clients get it: with the count of each of `values`; `undefined`: of each level. */
function stepObject({ counts, ...step }: Step, values: readonly string[] | undefined): HitsStep {
  if (values === undefined)
    return {
      ...step,
      levels: Object.fromEntries(Array.from(counts, ([text, n]) => [text === '' ? 'NONE' : text, n])),
    };
  const missing = counts.get('') ?? 0;
  const shown = values.flatMap((text) => (counts.has(text) ? [[text, counts.get(text)!] as const] : []));
  const others = shown.reduce((rest, [, n]) => rest - n, step.total - missing);
  return {
    ...step,
    values: Object.fromEntries(shown),
    ...(others > 0 && { others }),
    ...(missing > 0 && { missing }),
  };
}

/** Counts records. Returns the response, `undefined` if the client has left. */
export async function countHits(
  logs: Pick<LogStore, 'group'>,
  node: QueryNode,
  { stepMs, span, by, top, compareNs }: HitsQuery,
  res: ServerResponse,
): Promise<HitsAnswer | undefined> {
  const field = by ?? LEVEL;
  const keys = [{ stepMs }, { field: field.key }];
  const countOf = (range: TimeRange) =>
    groupUnlessClosed(logs, { node, ...range, by: keys, measures: COUNT }, res);
  const counted = await countOf(span);
  if (!counted) return undefined;
  const steps = stepsOf(counted, field);
  const values = by && valuesOf(steps, top);
  const period = (range: TimeRange, result: GroupResult, of: readonly Step[]) => ({
    start: formatTime(range.fromNs),
    end: formatTime(range.toNs),
    hits: of.map((step) => stepObject(step, values)),
    total: of.reduce((sum, { total }) => sum + total, 0),
    ...((result.isPartial || result.others > 0) && { is_partial: true as const }),
  });
  const answer = {
    step_ms: stepMs,
    ...(by && values && { by: by.name, values }),
    ...period(span, counted, steps),
  };
  if (compareNs === undefined) return answer;
  const range = { fromNs: span.fromNs - compareNs, toNs: span.toNs - compareNs };
  const before = await countOf(range);
  if (!before) return undefined;
  return {
    ...answer,
    before: { offset_ms: Number(compareNs / MS), ...period(range, before, stepsOf(before, field)) },
  };
}
