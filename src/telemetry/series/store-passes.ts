// The questions to the store for one answer.
// Invariant: each question has all measures, and together they end within one time limit.
import type { GroupQuery, GroupResult, KeyValue, QueryNode } from '../logs/logs.ts';
import type { SeriesMeasure } from './series-measures.ts';

/** Runs a group query. It ends after `timeoutMs` with a partial result. */
export type AskGroups = (query: GroupQuery, timeoutMs: number) => Promise<GroupResult>;

/** A time of whole steps: Date.now(), the end exclusive. */
export interface SeriesSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

/** What the store measured of a group, or of a step of one. */
export interface GroupValues {
  /** The value of the field; `null`: it is missing, or there are no groups. */
  readonly key: KeyValue;
  /** Number of the step; 0 if it is of the whole time. */
  readonly step: number;
  readonly count: number;
  /** In the order of the needs. */
  readonly values: readonly (number | null)[];
}

const MS = 1_000_000n;
/** Time for all questions of an answer, in milliseconds. */
const TIME_MS = 15_000;
/** Least severity of an error. */
const ERROR = 17;

/** True if a condition can be made of a value: it is not the text of a list or an object. */
const canBeNamed = (key: KeyValue): boolean => typeof key !== 'string' || !/^[[{]/.test(key);

/** The groups with the most records. Lists and objects do not form groups. */
export const atMostTop = (groups: readonly GroupValues[], top: number): GroupValues[] =>
  groups.filter(({ key }) => canBeNamed(key)).slice(0, top);

export const allOf = (...of: readonly QueryNode[]): QueryNode => ({ op: 'and', of });

const isKey = (name: string, key: KeyValue): QueryNode =>
  key === null
    ? { op: 'not', of: { op: 'exists', name } }
    : { op: 'field', name, compare: '=', value: typeof key === 'boolean' ? String(key) : key };

/** Records with one of these values. */
export const withKeys = (node: QueryNode, name: string, keys: readonly KeyValue[]): QueryNode =>
  allOf(node, { op: 'or', of: keys.map((key) => isKey(name, key)) });

/** Records with other values. */
export const withoutKeys = (node: QueryNode, name: string, keys: readonly KeyValue[]): QueryNode =>
  allOf(node, { op: 'not', of: { op: 'or', of: keys.map((key) => isKey(name, key)) } });

const COUNT = [{ op: 'count' }] as const;

export class StorePasses {
  readonly #ask: AskGroups;
  readonly #needs: SeriesMeasure['needs'];
  readonly #endMs: number;
  #left: number;
  isPartial = false;
  /** Some percentile is not exact. */
  isApproximate = false;

  /**
   * `needs`: the first one counts records. `expected`: passes that will be made. Each has an equal part of the time that is
   * left, so that a slow one leaves time for those behind it.
   */
  constructor(ask: AskGroups, needs: SeriesMeasure['needs'], expected: number) {
    this.#ask = ask;
    this.#needs = needs;
    this.#endMs = performance.now() + TIME_MS;
    this.#left = expected;
  }

  /** All records of a time. */
  async whole(node: QueryNode, span: SeriesSpan): Promise<GroupValues | undefined> {
    const [group] = await this.#groups(node, span, [], this.#needs);
    return group;
  }

  /** The groups of a field, those with the most records first. `leftOut`: records that are in none. */
  async byField(
    node: QueryNode,
    span: SeriesSpan,
    field: string,
    needs: SeriesMeasure['needs'] = this.#needs,
  ): Promise<{ readonly groups: readonly GroupValues[]; readonly leftOut: number }> {
    const result = await this.#run(node, span, [{ field }], needs);
    const groups = result.groups
      .map(({ key, values }) => ({ key: key[0]!, step: 0, count: values[0] ?? 0, values }))
      .sort((a, b) => b.count - a.count || compareKeys(a.key, b.key));
    return { groups, leftOut: result.others };
  }

  /** The steps, of each value of a field if one is given. */
  steps(node: QueryNode, span: SeriesSpan, field?: string): Promise<readonly GroupValues[]> {
    return this.#groups(node, span, stepKeys(span, field), this.#needs);
  }

  /** The steps of records with errors, with their numbers only. */
  errorSteps(node: QueryNode, span: SeriesSpan, field: string): Promise<readonly GroupValues[]> {
    const isError: QueryNode = { op: 'field', name: 'severity', compare: '>=', value: ERROR };
    return this.#groups(allOf(node, isError), span, stepKeys(span, field), COUNT);
  }

  async #groups(
    node: QueryNode,
    span: SeriesSpan,
    by: GroupQuery['by'],
    needs: SeriesMeasure['needs'],
  ): Promise<readonly GroupValues[]> {
    const { groups } = await this.#run(node, span, by, needs);
    return groups.map(({ key, values }) => ({
      key: key[1] ?? null,
      step: by.length === 0 ? 0 : ((key[0] as number) - span.fromMs) / span.stepMs,
      count: values[0] ?? 0,
      values,
    }));
  }

  async #run(
    node: QueryNode,
    { fromMs, toMs }: SeriesSpan,
    by: GroupQuery['by'],
    measures: SeriesMeasure['needs'],
  ): Promise<GroupResult> {
    const range = { fromNs: BigInt(fromMs) * MS, toNs: BigInt(toMs) * MS - 1n };
    const timeoutMs = Math.max(0, this.#endMs - performance.now()) / Math.max(1, this.#left--);
    const result = await this.#ask({ node, ...range, by, measures }, timeoutMs);
    this.isPartial ||= result.isPartial;
    this.isApproximate ||= result.isApproximate;
    return result;
  }
}

const stepKeys = ({ stepMs }: SeriesSpan, field: string | undefined): GroupQuery['by'] => [
  { stepMs },
  ...(field === undefined ? [] : [{ field }]),
];

const compareKeys = (a: KeyValue, b: KeyValue): number => {
  const [left, right] = [String(a), String(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};
