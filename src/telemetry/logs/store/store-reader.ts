// Reads the log store across all day files. Runs in the reader thread.
// Invariant: a call takes a limited time; the caller continues with the position that it returns. Only group queries
// keep state between calls.
import { statSync } from 'node:fs';
import { describe } from '../../../core/errors.ts';
import { sqliteError } from '../../../core/sqlite-file.ts';
import { AnnotatedFile } from './annotated-file.ts';
import { AnnotationTable } from './annotation-table.ts';
import { Annotations } from './annotations.ts';
import { DayFileReader } from './day-file-reader.ts';
import { DAY_FILE_VERSION } from './day-file.ts';
import { fileVersion } from './file-version.ts';
import type { SegmentSlice, TimeRange } from './segment-query.ts';
import { listSegments, type Segment } from './segments.ts';
import { V1FileReader } from './v1/v1-reader.ts';
import { MAX_SEQ, isBefore, startPosition, type Direction, type PagePosition } from './page-position.ts';
import type { GroupQuery } from '../query/group-query.ts';
import type { Prefilter, QueryNode } from '../query/query-node.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import { StoreGroups, type GroupFile } from './store-groups.ts';
import { OpenGroups, type GroupStep } from './open-groups.ts';
import { RequestTraces, type AddRequest, type RequestSource } from './request-traces.ts';
import { LeftOutRecords } from './left-out-records.ts';
import { ReplacedRecords } from './replaced-records.ts';
import type { AddRow, ScanProgress, ScanQuery } from './scan-query.ts';
import { StoreQuery } from './store-query.ts';
import { StoreScan } from './store-scan.ts';
import type { LogRecord } from '../log-record.ts';

export interface PageQuery extends TimeRange {
  readonly node: QueryNode;
  readonly direction: Direction;
  /** `next` of the previous page; `undefined` for the first page. */
  readonly after: PagePosition | undefined;
  /** Maximum number of records. */
  readonly limit: number;
}

export interface RecordPage {
  readonly records: readonly LogRecord[];
  /** Where the next page begins; `undefined` on the last page. A page before the last one may be empty. */
  readonly next: PagePosition | undefined;
}

/** Wanted records in the order of their sequence numbers, and how far the store was read for them. */
export interface FeedPage {
  readonly records: readonly LogRecord[];
  /** Sequence number of the last record that was examined, wanted or not. */
  readonly lastSeq: number;
  /** Highest sequence number in the store. 0: nothing was ever stored. */
  readonly headSeq: number;
  /** Lowest sequence number that is still stored. */
  readonly oldestSeq: number;
}

interface ReaderEvents {
  /** Called for a day file that SQLite reports as damaged. */
  damaged(path: string, problem: string): void;
  /** Called once for a part of a page whose checksum is wrong. `place`: see day-file.ts. */
  damagedPage?(path: string, place: number, problem: string): void;
}

/** Maximum characters of messages and attributes on a page, since the main thread deserializes it in one step. */
const MAX_CHARACTERS = 1024 ** 2;
/** Maximum number of compiled queries in the cache. */
const MAX_COMPILED = 64;

/** Progress of a page in one day file. */
interface SegmentCursor {
  readonly segment: Segment;
  /** Matching records that are not on the page yet. */
  pending: LogRecord[];
  /** All records before this position, in the direction of the page, are examined; `undefined`: all of the day file. */
  reached: PagePosition | undefined;
}

const inodeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.ino ?? 0;

export class StoreReader {
  readonly #folder: string;
  readonly #events: ReaderEvents;
  readonly #budgetMs: number;
  /** Readers of open day files, by path. */
  readonly #readers = new Map<string, AnnotatedFile>();
  /** Their inodes. */
  readonly #inodes = new Map<string, number>();
  readonly #annotations = new Annotations();
  readonly #replaced = new ReplacedRecords();
  /** Compiled queries, by the JSON of their node. */
  readonly #compiled = new Map<string, StoreQuery>();
  readonly #requests: RequestSource = {
    headSeq: () => this.#headSeq(this.#segments()),
    deletions: () => this.#replaced.deletions,
    requests: (...args) => this.#eachRequest(...args),
  };
  readonly #traces = new RequestTraces(this.#requests);
  readonly #scans = new StoreScan({
    annotations: this.#annotations,
    traces: this.#traces,
    segments: () => this.#annotatedSegments(),
    headSeq: (segments) => this.#headSeq(segments),
    read: (segment, use) => this.#read(segment, use),
  });
  /** The records that are left out. */
  readonly leftOut = new LeftOutRecords({
    replaced: this.#replaced,
    annotations: this.#annotations,
    segments: () => this.#annotatedSegments(),
    lastSeq: (segment) => this.#read(segment, (reader) => reader.lastSeq()) ?? 0,
  });
  readonly #groups = new OpenGroups((query, accumulator) => this.#beginGroup(query, accumulator));

  /** `budgetMs`: time after which a call returns what it has found so far. */
  constructor(folder: string, events: ReaderEvents, budgetMs: number) {
    this.#folder = folder;
    this.#events = events;
    this.#budgetMs = budgetMs;
  }

  /** Returns the next matching records, ordered by time. */
  page(asked: PageQuery): RecordPage {
    const query = this.#compile(asked.node);
    const { records, next } = this.#page(asked, query);
    return { records: query.joined(records), next };
  }

  #page({ fromNs, toNs, direction, after, limit }: PageQuery, query: StoreQuery): RecordPage {
    const range = { fromNs, toNs };
    const deadlineMs = performance.now() + this.#budgetMs;
    const ofFiles = query.ofFiles(deadlineMs);
    const cursors = this.#cursors(range, direction, after);
    const records: LogRecord[] = [];
    let characters = 0;
    for (;;) {
      const cursor = nextCursor(cursors, direction);
      if (cursor === undefined) return { records, next: undefined };
      const record = cursor.pending.shift();
      if (record !== undefined) {
        records.push(record);
        characters += charactersOf(record);
        const isFull = records.length === limit || (limit !== Infinity && characters > MAX_CHARACTERS);
        if (isFull) return { records, next: positionOf(record) };
      } else {
        const next = cursor.reached!;
        // Each call reads at least one slice, since on a slow disk it would never advance otherwise.
        if (performance.now() > deadlineMs && next !== after) return { records, next };
        const slice = this.#read(cursor.segment, (reader) =>
          reader.slice(ofFiles, range, direction, next, deadlineMs),
        );
        cursor.pending = query.matching(slice?.records ?? []);
        cursor.reached = slice?.reached;
      }
    }
  }

  /** Returns the next matching records with a sequence number above `seq`, in the order in which they were stored. */
  after(node: QueryNode, seq: number, limit: number): FeedPage {
    const query = this.#compile(node);
    const page = this.#after(query, seq, limit);
    return { ...page, records: query.joined(page.records) };
  }

  #after(query: StoreQuery, seq: number, limit: number): FeedPage {
    const deadlineMs = performance.now() + this.#budgetMs;
    const ofFiles = query.ofFiles(deadlineMs);
    const segments = this.#annotatedSegments();
    const records: LogRecord[] = [];
    const oldestSeq = segments[0]?.firstSeq ?? 1;
    const headSeq = this.#headSeq(segments);
    let lastSeq = seq;
    let characters = 0;
    let hasRead = false;
    for (const [i, segment] of segments.entries()) {
      const endSeq = segments[i + 1]?.firstSeq ?? Infinity;
      if (endSeq <= lastSeq + 1) continue;
      let isDone = false;
      while (!isDone) {
        // Each call reads at least one slice: a caller that gets no further believes that it is at the end.
        const isLate = hasRead && performance.now() > deadlineMs;
        if (records.length >= limit || characters > MAX_CHARACTERS || isLate)
          return { records, lastSeq, headSeq, oldestSeq };
        hasRead = true;
        const slice: SegmentSlice | undefined = this.#read(segment, (reader) =>
          reader.after(ofFiles, lastSeq, deadlineMs),
        );
        const found = query.matching(slice?.records ?? []);
        let taken = 0;
        while (taken < found.length && records.length < limit && characters <= MAX_CHARACTERS) {
          const record = found[taken++]!;
          records.push(record);
          characters += charactersOf(record);
        }
        isDone = slice?.reached === undefined && taken === found.length;
        if (taken < found.length) lastSeq = records.at(-1)!.seq;
        else if (slice?.reached) lastSeq = slice.reached.seq;
      }
      // Records that were stored during this call may be on the page, so `lastSeq` can exceed `headSeq`.
      lastSeq = Math.max(lastSeq, records.at(-1)?.seq ?? 0, Math.min(endSeq - 1, headSeq));
    }
    return { records, lastSeq, headSeq, oldestSeq };
  }

  /** Gives the next matching rows with a sequence number above `seq`, in the order in which they were stored. */
  scan(query: ScanQuery, seq: number, add: AddRow): ScanProgress {
    const deadlineMs = performance.now() + this.#budgetMs;
    return this.#scans.run(this.#compile(query.node), query, seq, deadlineMs, add);
  }

  /** Returns the record with a sequence number; `undefined` if it is not stored any more. */
  at(seq: number): LogRecord | undefined {
    const segment = segmentOf(this.#annotatedSegments(), seq);
    const record = segment && this.#read(segment, (reader) => reader.at(seq));
    return record && this.#traces.join([record])[0];
  }

  /** Returns the request ids of these that sealed blocks may have which begin before a sequence number. */
  idsInBlocks(ids: readonly string[], beforeSeq: number): string[] {
    const found = new Set<string>();
    for (const segment of this.#segments())
      if (segment.firstSeq < beforeSeq)
        for (const id of this.#read(segment, (reader) => reader.idsInBlocks(ids, beforeSeq)) ?? [])
          found.add(id);
    return [...found];
  }

  /** Returns the bodies of the request with a sequence number; `undefined` if none were stored. */
  bodies(seq: number): { request: Buffer | undefined; response: Buffer | undefined } | undefined {
    const segment = segmentOf(this.#segments(), seq);
    return segment && this.#read(segment, (reader) => reader.bodies(seq));
  }

  /** Runs one step of a group query (open-groups.ts). */
  group(query: GroupQuery, id: string | undefined, isLast: boolean, isLate = isLast): GroupStep {
    return this.#groups.step(query, id, isLast, isLate);
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
    this.#readers.clear();
  }

  /**
   * Closes day files that were deleted, and reads the directories of new blocks, so that the next search need not. To be
   * called regularly, since an open file keeps its disk space.
   */
  refresh(): void {
    const newest = this.#segments().at(-1);
    if (newest && this.#readers.has(newest.path)) this.#read(newest, (reader) => reader.lastSeq());
  }

  #headSeq(segments: readonly Segment[]): number {
    const newest = segments.at(-1);
    return newest ? Math.max(newest.firstSeq - 1, this.#read(newest, (r) => r.lastSeq()) ?? 0) : 0;
  }

  #eachRequest(wanted: Prefilter, afterSeq: number, add: AddRequest): void {
    const segments = this.#segments();
    for (const [i, segment] of segments.entries()) {
      if ((segments[i + 1]?.firstSeq ?? Infinity) <= afterSeq + 1) continue;
      if (this.#read(segment, (reader) => reader.requests(wanted, afterSeq, add)) === false) return;
    }
  }

  #cursors(range: TimeRange, direction: Direction, after: PagePosition | undefined): SegmentCursor[] {
    return this.#annotatedSegments().flatMap((segment) => {
      const times = this.#read(segment, (reader) => reader.timeRange());
      if (!times || times.toNs < range.fromNs || times.fromNs > range.toNs) return [];
      const start =
        direction === 'down' ? { timeNs: times.toNs, seq: MAX_SEQ } : { timeNs: times.fromNs, seq: 0 };
      // Starts at the first record of the day file if that is later, so that the day file is not read too early.
      const reached = after && !isBefore(after, start, direction) ? after : start;
      return [{ segment, pending: [], reached }];
    });
  }

  /** Lists the day files, after reading their new annotations. */
  #annotatedSegments(): Segment[] {
    const segments = this.#segments();
    for (const segment of segments)
      this.#read(segment, (reader) => reader.refreshAnnotations(segment !== segments.at(-1)));
    this.#annotations.refreshed();
    return segments;
  }

  #beginGroup(query: GroupQuery, accumulator: GroupAccumulator): StoreGroups {
    const compiled = this.#compile(query.node);
    const files = this.#annotatedSegments().map(
      (segment): GroupFile =>
        (use) =>
          this.#read(segment, use),
    );
    return new StoreGroups(query, compiled, accumulator, files, this.#budgetMs);
  }

  /** Lists the day files, and closes those that do not exist any more. */
  #segments(): Segment[] {
    const segments = listSegments(this.#folder);
    const newest = segments.at(-1)?.path;
    for (const [path, reader] of this.#readers)
      if (!segments.some((segment) => segment.path === path) || (path === newest && this.#isReplaced(path))) {
        this.#readers.delete(path);
        reader.close();
      }
    return segments;
  }

  /** True if the newest file was damaged and renamed, and another one has its name. */
  #isReplaced(path: string): boolean {
    return inodeOf(path) !== this.#inodes.get(path);
  }

  /** Opens a day file. `undefined` if the writer is still creating it. */
  #open({ path }: Segment): AnnotatedFile | undefined {
    let reader = this.#readers.get(path);
    if (reader === undefined) {
      const version = fileVersion(path);
      if (version === 0) return undefined;
      if (version > DAY_FILE_VERSION)
        throw new Error(`${path} has version ${version} of the log store's format, which is too new`);
      const isV1 = version !== DAY_FILE_VERSION;
      const file = isV1
        ? new V1FileReader(path)
        : new DayFileReader(path, this.#replaced, (place, problem) =>
            this.#events.damagedPage?.(path, place, problem),
          );
      reader = new AnnotatedFile(
        file,
        isV1 ? undefined : new AnnotationTable(path, (seq) => this.#replaced.has(seq)),
        this.#annotations,
      );
      this.#readers.set(path, reader);
      this.#inodes.set(path, inodeOf(path));
    }
    return reader;
  }

  /** Reads from a day file. Returns `undefined` if it is new, damaged or deleted. */
  #read<T>(segment: Segment, read: (reader: AnnotatedFile) => T): T | undefined {
    try {
      const reader = this.#open(segment);
      return reader && read(reader);
    } catch (error) {
      this.#readers.get(segment.path)?.close();
      this.#readers.delete(segment.path);
      if (sqliteError(error) === 'damaged') this.#events.damaged(segment.path, describe(error));
      else {
        const now = listSegments(this.#folder).find(({ firstSeq }) => firstSeq === segment.firstSeq);
        // It was written anew without deleted records.
        if (now !== undefined && now.rewrites > segment.rewrites) return this.#read(now, read);
        if (now?.path === segment.path) throw error;
      }
      return undefined;
    }
  }

  #compile(node: QueryNode): StoreQuery {
    const key = JSON.stringify(node);
    let query = this.#compiled.get(key);
    if (query === undefined) {
      if (this.#compiled.size >= MAX_COMPILED) this.#compiled.clear();
      this.#compiled.set(key, (query = new StoreQuery(node, this.#traces, this.#requests)));
    }
    return query;
  }
}

const segmentOf = (segments: readonly Segment[], seq: number): Segment | undefined =>
  segments.findLast(({ firstSeq }) => firstSeq <= seq);

const charactersOf = ({ message, attributes }: LogRecord): number => message.length + attributes.length;

const positionOf = ({ timeNs, seq }: LogRecord): PagePosition => ({ timeNs, seq });

/** The cursor that is first in the direction; `undefined` if all are at their end. */
function nextCursor(cursors: readonly SegmentCursor[], direction: Direction): SegmentCursor | undefined {
  let best: SegmentCursor | undefined;
  let bestPosition = startPosition(direction);
  for (const cursor of cursors) {
    const [record] = cursor.pending;
    const position = record ? positionOf(record) : cursor.reached;
    if (position === undefined || (best !== undefined && !isBefore(position, bestPosition, direction)))
      continue;
    best = cursor;
    bestPosition = position;
  }
  return best;
}
