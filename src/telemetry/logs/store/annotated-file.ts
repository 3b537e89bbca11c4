// Reads one file of the log store with the annotations of its records.
// Invariant: the records of a slice are those that match after merging, also those that match only because of it.
import type { LogRecord } from '../log-record.ts';
import type { Prefilter } from '../query/query-node.ts';
import type { GroupQuery } from '../query/group-query.ts';
import type { AnnotationTable } from './annotation-table.ts';
import type { AnnotatedQuery, Annotations, QueryTargets } from './annotations.ts';
import type { FileGroups, FileReader } from './file-reader.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import { RecordGroups } from './group-records.ts';
import { isBefore, startPosition, type Direction, type PagePosition } from './page-position.ts';
import type { AddRequest } from './request-traces.ts';
import type { SegmentSlice, TimeRange } from './segment-query.ts';

/** Records that are read by sequence number for a slice. */
const MAX_RECORDS = 512;

/** Positions of the records with given sequence numbers up to `lastSeq`, by time. */
interface KnownPositions {
  readonly positions: readonly PagePosition[];
  readonly lastSeq: number;
}

type IsBefore = (a: PagePosition, b: PagePosition) => boolean;

/** Joins slices with the same start: the records up to the position that all of them have reached. */
function joined(slices: readonly SegmentSlice[], isEarlier: IsBefore): SegmentSlice {
  let reached: PagePosition | undefined;
  for (const { reached: one } of slices)
    if (one !== undefined && (reached === undefined || isEarlier(one, reached))) reached = one;
  const bySeq = new Map<number, LogRecord>();
  for (const { records } of slices)
    for (const record of records)
      if (reached === undefined || !isEarlier(reached, record)) bySeq.set(record.seq, record);
  const records = [...bySeq.values()].sort((a, b) => (isEarlier(a, b) ? -1 : 1));
  return { records, reached };
}

export class AnnotatedFile {
  readonly #reader: FileReader;
  readonly #table: AnnotationTable | undefined;
  readonly #annotations: Annotations;
  readonly #positions = new WeakMap<QueryTargets, KnownPositions>();

  /** `table`: the annotations in this file; `undefined`: it has none. `annotations`: those of all files. */
  constructor(reader: FileReader, table: AnnotationTable | undefined, annotations: Annotations) {
    this.#reader = reader;
    this.#table = table;
    this.#annotations = annotations;
    if (table) annotations.add(table);
  }

  close(): void {
    this.#reader.close();
    if (this.#table === undefined) return;
    this.#table.close();
    this.#annotations.remove(this.#table);
  }

  /** Reads new annotations. `isComplete`: nothing is added to the file any more. */
  refreshAnnotations(isComplete: boolean): void {
    // Annotations may have been deleted.
    if (!this.#annotations.isEmpty) this.#reader.lastSeq();
    this.#table?.refresh(isComplete);
  }

  timeRange(): TimeRange | undefined {
    return this.#reader.timeRange();
  }

  lastSeq(): number {
    return this.#reader.lastSeq();
  }

  slice(
    query: AnnotatedQuery,
    range: TimeRange,
    direction: Direction,
    after: PagePosition,
    deadlineMs: number,
  ): SegmentSlice {
    const slice = this.#reader.slice(query, range, direction, after, deadlineMs);
    if (this.#annotations.isEmpty) return slice;
    const targets = this.#annotations.targetsOf(query);
    const isEarlier: IsBefore = (a, b) => isBefore(a, b, direction);
    const parts = [
      this.#matching(slice, query),
      ...targets.searches.map((search) =>
        this.#merged(this.#reader.slice(search, range, direction, after, deadlineMs)),
      ),
    ];
    if (targets.seqs.length > 0) {
      const isBehind = (position: PagePosition): boolean =>
        isEarlier(after, position) && position.timeNs >= range.fromNs && position.timeNs <= range.toNs;
      const positions = this.#positionsOf(targets).filter(isBehind);
      if (direction === 'down') positions.reverse();
      parts.push(this.#readEach(positions, query, deadlineMs));
    }
    return joined(parts, isEarlier);
  }

  after(query: AnnotatedQuery, seq: number, deadlineMs: number): SegmentSlice {
    if (this.#annotations.isEmpty) return this.#reader.after(query, seq, deadlineMs);
    // What is stored later is left for the next call, since only some of the parts may have it.
    const lastSeq = this.#reader.lastSeq();
    const { seqs, searches } = this.#annotations.targetsOf(query);
    const positions = seqs
      .filter((one) => one > seq && one <= lastSeq)
      .map((one) => ({ ...startPosition('up'), seq: one }));
    const { records, reached } = joined(
      [
        this.#matching(this.#reader.after(query, seq, deadlineMs), query),
        ...searches.map((search) => this.#merged(this.#reader.after(search, seq, deadlineMs))),
        this.#readEach(positions, query, deadlineMs),
      ],
      (a, b) => a.seq < b.seq,
    );
    return { records: records.filter((record) => record.seq <= lastSeq), reached };
  }

  /** As in FileReader, with the result in an object. `no columns`: the file has no scan. */
  scan(
    ...asked: Parameters<NonNullable<FileReader['scan']>>
  ): { readonly reached: number | undefined } | 'no columns' {
    const reader = this.#reader;
    return reader.scan === undefined ? 'no columns' : { reached: reader.scan(...asked) };
  }

  requests(wanted: Prefilter, afterSeq: number, add: AddRequest): boolean {
    return this.#reader.requests(wanted, afterSeq, add);
  }

  idsInBlocks(ids: readonly string[], beforeSeq: number): string[] {
    return this.#reader.idsInBlocks(ids, beforeSeq);
  }

  at(seq: number): LogRecord | undefined {
    const record = this.#reader.at(seq);
    return record && this.#annotations.merged(record);
  }

  bodies(seq: number): ReturnType<FileReader['bodies']> {
    return this.#reader.bodies(seq);
  }

  /** Begins to add the matching records to an accumulator. */
  groups(query: GroupQuery, compiled: AnnotatedQuery, accumulator: GroupAccumulator): FileGroups {
    const changes = this.#annotations.changesOf(query);
    if (changes === undefined || this.#table !== undefined)
      return this.#reader.groups(query, compiled, accumulator, changes);
    // A file of version 1 has no columns.
    const slice: FileReader['slice'] = (_, ...how) => this.slice(compiled, ...how);
    return new RecordGroups(query, compiled, accumulator, { slice });
  }

  /** Merges records that match without annotations, and keeps those that still match. */
  #matching({ records, reached }: SegmentSlice, { matches }: AnnotatedQuery): SegmentSlice {
    const kept = records.flatMap((record) => {
      const merged = this.#annotations.merged(record);
      return merged === record || matches(merged) ? [merged] : [];
    });
    return { records: kept, reached };
  }

  #merged({ records, reached }: SegmentSlice): SegmentSlice {
    return { records: records.map((record) => this.#annotations.merged(record)), reached };
  }

  /** Reads the records at these positions that match only because of their annotations. */
  #readEach(positions: readonly PagePosition[], query: AnnotatedQuery, deadlineMs: number): SegmentSlice {
    const records: LogRecord[] = [];
    for (const [i, position] of positions.entries()) {
      const record = this.#reader.at(position.seq);
      if (record && this.#annotations.matchesOnlyMerged(record, query))
        records.push(this.#annotations.merged(record));
      const isLate = i + 1 === MAX_RECORDS || performance.now() > deadlineMs;
      if (isLate && i + 1 < positions.length) return { records, reached: position };
    }
    return { records, reached: undefined };
  }

  /** Positions of the targets in this file, by time. */
  #positionsOf(targets: QueryTargets): readonly PagePosition[] {
    const known = this.#positions.get(targets) ?? { positions: [], lastSeq: 0 };
    const lastSeq = this.#reader.lastSeq();
    const added = targets.seqs.flatMap((seq) => {
      const record = seq > known.lastSeq && seq <= lastSeq ? this.#reader.at(seq) : undefined;
      return record ? [{ timeNs: record.timeNs, seq }] : [];
    });
    const positions =
      added.length === 0
        ? known.positions
        : [...known.positions, ...added].sort((a, b) => (isBefore(a, b, 'up') ? -1 : 1));
    this.#positions.set(targets, { positions, lastSeq });
    return positions;
  }
}
