// What a reader of one file of the log store offers, whatever the version of its format.
// Invariant: a call reads a limited amount and leaves no transaction open, which would block WAL checkpoints.
import type { LogRecord, RecordOrigin } from '../log-record.ts';
import type { Prefilter } from '../query/query-node.ts';
import type { Direction, PagePosition } from './page-position.ts';
import type { AddRequest } from './request-traces.ts';
import type { SegmentQuery, SegmentSlice, TimeRange } from './segment-query.ts';

/** Total of the records of one minute that have the same origin, kind, severity and status. */
export interface MinuteTotal extends RecordOrigin {
  /** Minutes since the epoch. */
  readonly minute: number;
  /** A record with the common fields, for matching. */
  readonly record: LogRecord;
  readonly count: number;
  readonly durationNs: number;
}

/** All methods throw errors of SQLite. */
export interface FileReader {
  close(): void;
  /** Times that no record is outside of; `undefined` without records. */
  timeRange(): TimeRange | undefined;
  /** Sequence number of the last record; 0 without records. */
  lastSeq(): number;
  /** Returns matching records after a position, ordered by time. `deadlineMs` (performance.now()) ends the matching. */
  slice(
    query: SegmentQuery,
    range: TimeRange,
    direction: Direction,
    after: PagePosition,
    deadlineMs: number,
  ): SegmentSlice;
  /** Returns matching records above a sequence number, in order of it. The time of `reached` has no meaning. */
  after(query: SegmentQuery, seq: number, deadlineMs: number): SegmentSlice;
  /** As in RequestSource (request-traces.ts). Returns false if `add` ended the search. */
  requests(wanted: Prefilter, afterSeq: number, add: AddRequest): boolean;
  /** Returns the record with a sequence number. */
  at(seq: number): LogRecord | undefined;
  /** Returns the bodies of a request, `undefined` if none were stored. */
  bodies(seq: number): { request: Buffer | undefined; response: Buffer | undefined } | undefined;
  /** Returns the totals of a range of minutes since the epoch, both inclusive. */
  minuteTotals(fromMinute: number, toMinute: number): MinuteTotal[];
}
