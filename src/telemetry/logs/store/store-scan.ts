// Runs scans (scan-query.ts) across all files of the log store.
// Invariant: a scan that continues behind the `lastSeq` of the last one gives each matching record once.
import type { LogRecord } from '../log-record.ts';
import type { KeyValue } from '../query/group-query.ts';
import { attributesOf } from '../log-record.ts';
import { keyReader } from '../query/record-value.ts';
import type { AnnotatedFile } from './annotated-file.ts';
import type { AnnotatedQuery, Annotations } from './annotations.ts';
import type { ChangedRecords } from './changed-records.ts';
import type { RequestTraces } from './request-traces.ts';
import type { AddRow, RowVisitor, ScanProgress, ScanQuery } from './scan-query.ts';
import type { Segment } from './segments.ts';
import type { StoreQuery } from './store-query.ts';

/** What a scan needs of the store. */
export interface ScannedStore {
  readonly annotations: Annotations;
  readonly traces: RequestTraces;
  /** The day files, after reading their new annotations. */
  segments(): readonly Segment[];
  headSeq(segments: readonly Segment[]): number;
  /** Reads from a day file. Returns `undefined` if it is new, damaged or deleted. */
  read<T>(segment: Segment, use: (file: AnnotatedFile) => T): T | undefined;
}

const NS_PER_MS = 1_000_000n;

/** The rows of one call. */
class ScanRows implements RowVisitor {
  readonly row: AddRow;
  readonly record: (record: LogRecord) => boolean;
  /** Sequence number of the last row that was given; 0: none was. */
  lastSeq = 0;
  /** The receiver wants no more. */
  isEnded = false;

  constructor({ names }: ScanQuery, traces: RequestTraces, add: AddRow) {
    const readers = names.map(keyReader);
    const values: KeyValue[] = [];
    this.row = (seq, timeMs, given) => {
      this.lastSeq = seq;
      this.isEnded = !add(seq, timeMs, given);
      return !this.isEnded;
    };
    this.record = (record) => {
      const [joined] = traces.join([record]);
      const attributes = attributesOf(joined!);
      for (const [i, read] of readers.entries()) values[i] = read(joined!, attributes);
      return this.row(record.seq, Number(record.timeNs / NS_PER_MS), values);
    };
  }
}

export class StoreScan {
  readonly #store: ScannedStore;
  /** The changed records of the last query, which hold until there are new annotations. */
  #changes: { readonly key: string; readonly changes: ChangedRecords | undefined } | undefined;

  constructor(store: ScannedStore) {
    this.#store = store;
  }

  /** Gives the matching rows above `afterSeq`, until `deadlineMs` (performance.now()) or until `add` returns false. */
  run(query: StoreQuery, scan: ScanQuery, afterSeq: number, deadlineMs: number, add: AddRow): ScanProgress {
    const segments = this.#store.segments();
    const ofFiles = query.ofFiles(deadlineMs);
    const changes = this.#changesOf(scan);
    const oldestSeq = segments[0]?.firstSeq ?? 1;
    const headSeq = this.#store.headSeq(segments);
    const rows = new ScanRows(scan, this.#store.traces, add);
    let lastSeq = afterSeq;
    for (const [i, segment] of segments.entries()) {
      const endSeq = segments[i + 1]?.firstSeq ?? Infinity;
      if (endSeq <= lastSeq + 1) continue;
      for (;;) {
        const reached = this.#store.read(segment, (file) => {
          const read = query.usesTrace
            ? 'no columns'
            : file.scan(scan, ofFiles, changes, lastSeq, deadlineMs, rows);
          return read === 'no columns'
            ? readRecords(file, ofFiles, query, scan, lastSeq, deadlineMs, rows)
            : read.reached;
        });
        lastSeq = Math.max(lastSeq, reached ?? 0);
        const isOver = rows.isEnded || performance.now() > deadlineMs;
        if (reached !== undefined && isOver) return { lastSeq, headSeq, oldestSeq };
        if (reached === undefined) break;
      }
      // Records that were stored during this call may be among the rows, so `lastSeq` can exceed `headSeq`.
      lastSeq = Math.max(lastSeq, rows.lastSeq, Math.min(endSeq - 1, headSeq));
      if (rows.isEnded) break;
    }
    return { lastSeq, headSeq, oldestSeq };
  }

  #changesOf({ node, names, fromNs, toNs }: ScanQuery): ChangedRecords | undefined {
    const { annotations } = this.#store;
    if (annotations.isEmpty) return undefined;
    const known = annotations.tables.map(({ lastSeq }) => lastSeq);
    const key = JSON.stringify([node, names, known]);
    if (this.#changes?.key !== key) {
      const by = names.map((field) => ({ field }));
      this.#changes = { key, changes: annotations.changesOf({ node, fromNs, toNs, by, measures: [] }) };
    }
    return this.#changes.changes;
  }
}

/** Like AnnotatedFile.scan, with the records of the file. */
function readRecords(
  file: AnnotatedFile,
  ofFiles: AnnotatedQuery,
  query: StoreQuery,
  { fromNs, toNs }: ScanQuery,
  seq: number,
  deadlineMs: number,
  rows: RowVisitor,
): number | undefined {
  const { records, reached } = file.after(ofFiles, seq, deadlineMs);
  for (const record of query.matching(records))
    if (record.timeNs >= fromNs && record.timeNs <= toNs && !rows.record(record)) return record.seq;
  return reached?.seq;
}
