// Makes the answer of what the store measured: columns of points, with totals.
// Invariant: a point is null where nothing was measured; numbers of records are 0 there.
import type { KeyValue } from '../logs/logs.ts';
import type { SeriesMeasure } from './series-measures.ts';
import type { GroupValues, SeriesSpan } from './store-passes.ts';

type Points = readonly (number | null)[];

/** A line. */
export interface SeriesLine {
  readonly points: Points;
  /** Of the whole time. */
  readonly value: number | null;
  /** Number of records that have a value. */
  readonly n: number;
}

/** The line of a group. `name`: the value of the field; `null`: records without one. */
export interface NamedLine extends SeriesLine {
  readonly name: KeyValue;
}

/** What is known of a measure. */
export interface MeasureSeries {
  /** Of all records. With groups it has no points, since the store would have to be read once more. */
  readonly total: Omit<SeriesLine, 'points'> & { readonly points: Points | undefined };
  /** Those with the most records first. Empty if there is no group-by. */
  readonly groups: readonly NamedLine[];
  /** All further groups together; `undefined`: there are none. */
  readonly others: { readonly groups: number; readonly points: Points } | undefined;
  /** The earlier period, as a whole. */
  readonly before: Pick<SeriesLine, 'points' | 'value'> | undefined;
}

/** A time with its values: of all records, and of the steps of some. */
export interface MeasuredTime {
  readonly span: SeriesSpan;
  readonly whole: GroupValues | undefined;
  readonly steps: readonly GroupValues[];
}

/** How the steps of a measure are read. */
export class Columns {
  readonly #measure: SeriesMeasure;
  /** Where the needs of the measure are among those of the store. */
  readonly #at: readonly number[];

  constructor(measure: SeriesMeasure, needs: SeriesMeasure['needs']) {
    const texts = needs.map((need) => JSON.stringify(need));
    this.#measure = measure;
    this.#at = measure.needs.map((need) => texts.indexOf(JSON.stringify(need)));
  }

  #own({ values }: GroupValues): readonly (number | null)[] {
    return this.#at.map((index) => values[index] ?? null);
  }

  value(group: GroupValues | undefined, seconds: number): number | null {
    if (group === undefined) return this.#measure.kind === 'records' ? 0 : null;
    return this.#measure.valueOf(this.#own(group), seconds);
  }

  /** `undefined`: it does not follow from the values. */
  count(group: GroupValues | undefined): number | undefined {
    return group === undefined ? 0 : this.#measure.countOf(this.#own(group));
  }

  /** The points of steps of one group. */
  points(steps: readonly GroupValues[], span: SeriesSpan): Points {
    const points = emptyPoints(span, this.#measure.kind === 'records' ? 0 : null);
    for (const one of steps) points[one.step] = this.value(one, span.stepMs / 1000);
    return points;
  }
}

export const stepCount = ({ fromMs, toMs, stepMs }: SeriesSpan): number =>
  Math.round((toMs - fromMs) / stepMs);

const emptyPoints = <T>(span: SeriesSpan, value: T): (T | number | null)[] =>
  Array.from({ length: stepCount(span) }, () => value);

/** Groups as a list for each value of the field. */
export const byKey = (steps: readonly GroupValues[]): ReadonlyMap<KeyValue, readonly GroupValues[]> =>
  Map.groupBy(steps, ({ key }) => key);

/** Numbers of errors in each step. */
export function countLine(steps: readonly GroupValues[], span: SeriesSpan): SeriesLine {
  const points = Array.from({ length: stepCount(span) }, () => 0);
  let n = 0;
  for (const { step, count } of steps) {
    points[step]! += count;
    n += count;
  }
  return { points, value: n, n };
}
