// A group-by of the log store: which records, grouped by which values and time steps, and what is measured of each group.
// Invariant: a group query and its result are plain data that can be sent to another thread.
import type { QueryNode } from './query-node.ts';

/** A value of a key. `null`: the record has no value. */
export type KeyValue = string | number | boolean | null;

export type GroupKey =
  /**
   * Name as in a query node: a field of the record or an attribute, also `a.b` and `@status`; or `level`, the text of
   * the severity (`INFO`), or `hasParentSpan` (field-names.ts). A field without a value (0 or an empty text) is `null`, and so is an attribute that is missing
   * or null. Numbers, booleans and texts of attributes keep their type; a list or an object is its JSON text.
   */
  | { readonly field: string }
  /** Steps of time since the epoch. The value is the begin of the step in milliseconds. At most one key. */
  | { readonly stepMs: number };

/**
 * A measure of a field uses the records whose value is a finite number; others are left out, numbers in texts and lists
 * too. 0 of `severity`, `status` and `durationNs` means that the record has no value.
 */
export type Measure =
  /** Number of records, with or without values. */
  | { readonly op: 'count' }
  /** Records per second: of the time range, or of the part of the time step that lies in it. */
  | { readonly op: 'rate' }
  | { readonly op: 'sum' | 'mean' | 'min' | 'max'; readonly field: string }
  /** `p`: 0 to 1. Interpolates linearly between the two nearest values, like `percentile_cont` of SQL. */
  | { readonly op: 'percentile'; readonly p: number; readonly field: string };

/** Times in nanoseconds, both inclusive. */
export interface GroupQuery {
  readonly node: QueryNode;
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** Without keys all records are one group. */
  readonly by: readonly GroupKey[];
  readonly measures: readonly Measure[];
}

export interface GroupRow {
  /** One value per key of the query. */
  readonly key: readonly KeyValue[];
  /** One value per measure; `null` if no record of the group has a value. */
  readonly values: readonly (number | null)[];
}

export interface GroupResult {
  /** Groups with at least one record, in no particular order. */
  readonly groups: readonly GroupRow[];
  /** Number of matching records, those of `others` included. */
  readonly matched: number;
  /** Matching records that are in no group, since there are too many groups. */
  readonly others: number;
  /** Some percentile comes from a histogram, so it can be wrong by up to 1.6 %. */
  readonly isApproximate: boolean;
  /** The time was over before all records were read. The newest are read first. */
  readonly isPartial: boolean;
}

const MAX_KEYS = 8;
const MAX_MEASURES = 32;

/** Throws `RangeError` for a query that has no meaning. */
export function checkGroupQuery({ by, measures }: GroupQuery): void {
  if (by.length > MAX_KEYS)
    throw new RangeError(`a group query has at most ${MAX_KEYS} keys, not ${by.length}`);
  if (measures.length > MAX_MEASURES)
    throw new RangeError(`a group query has at most ${MAX_MEASURES} measures, not ${measures.length}`);
  const steps = by.filter((key) => 'stepMs' in key);
  if (steps.length > 1) throw new RangeError('a group query has at most one time step');
  for (const { stepMs } of steps)
    if (!Number.isSafeInteger(stepMs) || stepMs < 1)
      throw new RangeError(`invalid time step ${stepMs}; use a whole number of milliseconds`);
  for (const measure of measures)
    if (measure.op === 'percentile' && !(measure.p >= 0 && measure.p <= 1))
      throw new RangeError(`invalid percentile ${measure.p}; use a number from 0 to 1`);
}
