// What a scan reads of which records, and who receives the rows. A scan goes through the store in the order of storing.
// Invariant: a row has the values that the record has with its annotations, whether or not a record was made for it.
import type { LogRecord } from '../log-record.ts';
import type { KeyValue } from '../query/group-query.ts';
import type { QueryNode } from '../query/query-node.ts';
import type { TimeRange } from './segment-query.ts';

export interface ScanQuery extends TimeRange {
  readonly node: QueryNode;
  /** Names as in keys of a group query (query/group-query.ts), whose values are wanted. */
  readonly names: readonly string[];
}

/**
 * Receives a matching row. `timeMs`: the time, without its part below a millisecond. `values`: in the order of the names;
 * the array is used again for the next row. Returns false to end the scan after this row.
 */
export type AddRow = (seq: number, timeMs: number, values: readonly KeyValue[]) => boolean;

/** How far a scan has come. */
export interface ScanProgress {
  /** Sequence number of the last record that was examined, whether or not it matched. */
  readonly lastSeq: number;
  /** Highest sequence number in the store. 0: nothing was ever stored. */
  readonly headSeq: number;
  /** Lowest sequence number that is still stored. */
  readonly oldestSeq: number;
}

/** Receives the rows of one file. Both return false to end the scan after this row. */
export interface RowVisitor {
  readonly row: AddRow;
  /** A row whose columns do not have all values, or do not decide whether it matches. */
  readonly record: (record: LogRecord) => boolean;
}
