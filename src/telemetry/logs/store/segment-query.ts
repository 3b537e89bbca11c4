// What is asked of one day file, and what one read of it returns.
// Invariant: a slice says how far it has examined the day file, so that the next read can continue there.
import type { LogRecord } from '../log-record.ts';
import type { Knowledge, Verdict } from '../query/possible.ts';
import type { Prefilter } from '../query/query-node.ts';
import type { ColumnTest } from './column-test.ts';
import type { PagePosition } from './page-position.ts';

/** A compiled query. */
export interface SegmentQuery {
  readonly prefilter: Prefilter;
  readonly possible: (known: Knowledge) => Verdict;
  readonly matches: (record: LogRecord) => boolean;
  /** `possible`, for all rows of a page at once; `undefined`: the query has no such test. */
  readonly rows?: ColumnTest | undefined;
}

/** Times in nanoseconds, both inclusive. */
export interface TimeRange {
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

export interface SegmentSlice {
  readonly records: LogRecord[];
  /** All records up to this position have been examined; `undefined`: all records of the day file. */
  readonly reached: PagePosition | undefined;
}
