// What a reader of one file of the log store offers, whatever the version of its format.
// Invariant: a call reads a limited amount and leaves no transaction open, which would block WAL checkpoints.
import type { Prefilter } from '../query/query-node.ts';
import type { LogRecord } from '../log-record.ts';
import type { GroupQuery } from '../query/group-query.ts';
import type { ChangedRecords } from './changed-records.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import type { Direction, PagePosition } from './page-position.ts';
import type { AddRequest } from './request-traces.ts';
import type { RowVisitor, ScanQuery } from './scan-query.ts';
import type { SegmentQuery, SegmentSlice, TimeRange } from './segment-query.ts';

/** The reading of a file for one group query, in steps. It ends with the reader of the file. */
export interface FileGroups {
  readonly isDone: boolean;
  /**
   * Reads on, at least a little, until `deadlineMs` (performance.now()). `isLate`: an approximate result is better than
   * none. Throws errors of SQLite.
   */
  step(deadlineMs: number, isLate: boolean): void;
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
  /**
   * Returns the request ids of these that blocks may have which begin before a sequence number. The tail is not looked up,
   * so it costs little.
   */
  idsInBlocks(ids: readonly string[], beforeSeq: number): string[];
  /** Returns the record with a sequence number. */
  at(seq: number): LogRecord | undefined;
  /** Returns the bodies of a request, `undefined` if none were stored. */
  bodies(seq: number): { request: Buffer | undefined; response: Buffer | undefined } | undefined;
  /**
   * Begins to add the matching records to an accumulator. `compiled`: the query of the group query. `changes`: records
   * that are not as they are stored.
   */
  groups(
    query: GroupQuery,
    compiled: SegmentQuery,
    accumulator: GroupAccumulator,
    changes: ChangedRecords | undefined,
  ): FileGroups;
  /**
   * Gives the matching rows above a sequence number, in order of it. Returns the sequence number up to which the file was
   * read; `undefined`: to its end. A file of version 1 has no columns, so it has no scan.
   */
  scan?(
    query: Omit<ScanQuery, 'node'>,
    compiled: SegmentQuery,
    changes: ChangedRecords | undefined,
    seq: number,
    deadlineMs: number,
    visitor: RowVisitor,
  ): number | undefined;
}
