// Answer of POST /v1/series: columns of points for charts (docs/guides/monitor.md).
// Invariant: plain data without imports, since the page uses these types in the browser. Unknown values are null, never 0.

export interface SeriesJson {
  readonly of: 'requests' | 'spans';
  readonly step_ms: number;
  /** The whole steps that were measured; ISO 8601. */
  readonly start: string;
  readonly end: string;
  /** Begin of the earlier period; null: none was asked for. */
  readonly before_start: string | null;
  readonly by: string | null;
  /** Number of matching records. */
  readonly matched: number;
  /** Begins of the steps, in milliseconds since the epoch. */
  readonly times_ms: readonly number[];
  /** By name. */
  readonly measures: Readonly<Record<string, SeriesMeasureJson>>;
  /** True: the time for the answer was over, and the oldest records are missing. */
  readonly is_partial: boolean;
}

/** One value for each step; null: nothing was measured. */
export type SeriesPoints = readonly (number | null)[];

export interface SeriesMeasureJson {
  readonly unit: string;
  readonly counts: 'requests' | 'spans';
  /** False: a percentile can be wrong by up to 1.6 %. */
  readonly is_exact: boolean;
  /** Of the whole time. */
  readonly value: number | null;
  /** Number of records that have a value. */
  readonly n: number;
  /** Absent with a group-by. */
  readonly points?: SeriesPoints | undefined;
  /** Those with the most records first; empty without a group-by. */
  readonly groups: readonly SeriesGroupJson[];
  readonly others: { readonly groups: number; readonly points: SeriesPoints } | null;
  readonly before: { readonly points: SeriesPoints; readonly value: number | null } | null;
}

export interface SeriesGroupJson {
  /** Value of the field; null: records without one. */
  readonly name: string | number | boolean | null;
  readonly points: SeriesPoints;
  readonly value: number | null;
  readonly n: number;
}
