// Looks things up in the record, over all its files. Lives in a thread of its own.
// Must stay true: every call is bounded in time and keeps nothing for the next one: who wants more comes back with the
// position that he was given. So a search that nobody waits for any more is over, and a long one holds up nobody.
import { describe } from '../../../core/errors.ts';
import { sqliteError } from '../../../core/sqlite-file.ts';
import { SegmentReader, type SegmentQuery, type SegmentSlice, type TimeRange } from './segment-reader.ts';
import { listSegments, type Segment } from './segments.ts';
import { BEYOND, isBefore, startOf, type Direction, type PagePosition } from './page-position.ts';
import { compile } from '../query/match.ts';
import { prefilter } from '../query/prefilter.ts';
import type { QueryNode } from '../query/query-node.ts';
import type { LogRecord } from '../log-record.ts';

/** What a page is asked for with. Times in nanoseconds, both inclusive. */
export interface PageQuery extends TimeRange {
  readonly node: QueryNode;
  readonly direction: Direction;
  /** Where the last page ended; `undefined` for the first. */
  readonly after: PagePosition | undefined;
  /** Records at most. */
  readonly limit: number;
}

export interface RecordPage {
  readonly records: readonly LogRecord[];
  /** Where to go on; `undefined` when everything has been looked at. A page may be empty and yet not the last. */
  readonly next: PagePosition | undefined;
}

export interface FollowQuery {
  readonly records: readonly LogRecord[];
  /** Everything up to this place has been looked at. */
  readonly lastSeq: number;
  readonly headSeq: number;
  /** The oldest place that is still stored; records before it are gone. */
  readonly oldestSeq: number;
}

/** How many of what: of minutes, or of a field's values. */
export interface Aggregate {
  readonly counts: ReadonlyMap<string, number>;
  readonly next: PagePosition | undefined;
}

/** What becomes known while reading. */
export interface ReaderEvents {
  damaged(path: string, problem: string): void;
}

/** Characters of texts in one answer: who asks takes it all at once, on a thread that forwards requests. */
const MAX_CHARACTERS = 1024 ** 2;
/** Questions that are remembered in their compiled form. */
const MAX_QUESTIONS = 64;

/** One file, and how far it has been looked through. */
interface Source {
  readonly day: Segment;
  /** Matches that were not given out yet. */
  ahead: LogRecord[];
  /** Everything before this, in the direction of the page, is done; `undefined`: all of it. */
  reached: PagePosition | undefined;
}

export class StoreReader {
  readonly #folder: string;
  readonly #events: ReaderEvents;
  readonly #budgetMs: number;
  readonly #open = new Map<string, SegmentReader>();
  readonly #questions = new Map<string, SegmentQuery>();

  /** `budgetMs`: how long one call may look before it gives what it has. */
  constructor(folder: string, events: ReaderEvents, budgetMs: number) {
    this.#folder = folder;
    this.#events = events;
    this.#budgetMs = budgetMs;
  }

  /** The next records in the order of time. */
  page({ node, fromNs, toNs, direction, after, limit }: PageQuery): RecordPage {
    const question = this.#question(node);
    const span = { fromNs, toNs };
    const untilMs = performance.now() + this.#budgetMs;
    const sources = this.#sources(span, direction, after);
    const records: LogRecord[] = [];
    let characters = 0;
    for (;;) {
      const source = first(sources, direction);
      if (source === undefined) return { records, next: undefined };
      const record = source.ahead.shift();
      if (record !== undefined) {
        records.push(record);
        characters += charactersOf(record);
        const isFull = records.length === limit || (limit !== Infinity && characters > MAX_CHARACTERS);
        if (isFull) return { records, next: place(record) };
      } else {
        const next = source.reached!;
        // At least one slice for each call, or a slow disk would keep it from ever moving on.
        if (performance.now() > untilMs && next !== after) return { records, next };
        const slice = this.#ask(source.day, (reader) =>
          reader.slice(question, span, direction, next, untilMs),
        );
        source.ahead = slice?.records ?? [];
        source.reached = slice?.reached;
      }
    }
  }

  /** The next records in the order in which they were stored, behind a place. */
  after(node: QueryNode, seq: number, limit: number): FollowQuery {
    const question = this.#question(node);
    const untilMs = performance.now() + this.#budgetMs;
    const days = this.#days();
    const records: LogRecord[] = [];
    const oldestSeq = days[0]?.firstSeq ?? 1;
    const newest = days.at(-1);
    const headSeq = newest ? Math.max(newest.firstSeq - 1, this.#ask(newest, (r) => r.lastSeq()) ?? 0) : 0;
    let lastSeq = seq;
    let characters = 0;
    for (const [i, day] of days.entries()) {
      const endSeq = days[i + 1]?.firstSeq ?? Infinity;
      if (endSeq <= lastSeq + 1) continue;
      let isThrough = false;
      while (!isThrough) {
        if (records.length >= limit || characters > MAX_CHARACTERS || performance.now() > untilMs)
          return { records, lastSeq, headSeq, oldestSeq };
        const slice: SegmentSlice | undefined = this.#ask(day, (reader) =>
          reader.after(question, lastSeq, untilMs),
        );
        const given = slice?.records ?? [];
        let taken = 0;
        while (taken < given.length && records.length < limit && characters <= MAX_CHARACTERS) {
          const record = given[taken++]!;
          records.push(record);
          characters += charactersOf(record);
        }
        isThrough = slice?.reached === undefined && taken === given.length;
        if (taken < given.length) lastSeq = records.at(-1)!.seq;
        else if (slice?.reached) lastSeq = slice.reached.seq;
      }
      // What was stored while we looked has been given, too.
      lastSeq = Math.max(lastSeq, records.at(-1)?.seq ?? 0, Math.min(endSeq - 1, headSeq));
    }
    return { records, lastSeq, headSeq, oldestSeq };
  }

  /** The record at a place; `undefined` where there is none any more. */
  at(seq: number): LogRecord | undefined {
    const day = this.#dayOf(seq);
    return day && this.#ask(day, (reader) => reader.at(seq));
  }

  /** Bodies of the request at a place. */
  bodies(seq: number): { request: Buffer | undefined; response: Buffer | undefined } | undefined {
    const day = this.#dayOf(seq);
    return day && this.#ask(day, (reader) => reader.bodies(seq));
  }

  /** Counts what matches, by what `key` gives for each; goes from the newest to the oldest. */
  tally(query: Omit<PageQuery, 'limit' | 'direction'>, key: (record: LogRecord) => string): Aggregate {
    const { records, next } = this.page({ ...query, direction: 'down', limit: Infinity });
    const counts = new Map<string, number>();
    for (const record of records) counts.set(key(record), (counts.get(key(record)) ?? 0) + 1);
    return { counts, next };
  }

  /** The same from the sums of whole minutes, for questions that these can answer. */
  tallyMinutes(
    node: QueryNode,
    { fromNs, toNs }: TimeRange,
    key: (record: LogRecord) => string,
  ): Map<string, number> {
    const { matches } = this.#question(node);
    const counts = new Map<string, number>();
    const minute = (ns: bigint) => Number(ns / 60_000_000_000n);
    for (const day of this.#days())
      for (const { record, count } of this.#ask(day, (r) => r.minutes(minute(fromNs), minute(toNs))) ?? [])
        if (matches(record)) counts.set(key(record), (counts.get(key(record)) ?? 0) + count);
    return counts;
  }

  close(): void {
    for (const reader of this.#open.values()) reader.close();
    this.#open.clear();
  }

  /** Files that were deleted hold their disk as long as they are open here: call it now and then. */
  tidy(): void {
    this.#days();
  }

  #sources(span: TimeRange, direction: Direction, after: PagePosition | undefined): Source[] {
    return this.#days().flatMap((day) => {
      const bounds = this.#ask(day, (one) => one.bounds());
      if (!bounds || bounds.toNs < span.fromNs || bounds.fromNs > span.toNs) return [];
      const edge =
        direction === 'down' ? { timeNs: bounds.toNs, seq: BEYOND } : { timeNs: bounds.fromNs, seq: -1 };
      // A file that lies wholly behind is not looked at before its turn comes.
      const reached = after && !isBefore(after, edge, direction) ? after : edge;
      return [{ day, ahead: [], reached }];
    });
  }

  #dayOf(seq: number): Segment | undefined {
    return this.#days().findLast(({ firstSeq }) => firstSeq <= seq);
  }

  /** The files there are; what is gone is closed. */
  #days(): Segment[] {
    const days = listSegments(this.#folder);
    for (const [path, reader] of this.#open)
      if (!days.some((day) => day.path === path)) {
        this.#open.delete(path);
        reader.close();
      }
    return days;
  }

  /** `undefined` for a file that is just being made: it has nothing to say yet. */
  #reader({ path }: Segment): SegmentReader | undefined {
    let reader = this.#open.get(path);
    if (reader === undefined) {
      reader = new SegmentReader(path);
      this.#open.set(path, reader);
      if (!reader.isMade) {
        reader.close();
        this.#open.delete(path);
        return undefined;
      }
    }
    return reader;
  }

  /** Asks one file. One that is damaged, or has just been deleted, has nothing to say. */
  #ask<T>(day: Segment, ask: (reader: SegmentReader) => T): T | undefined {
    try {
      const reader = this.#reader(day);
      return reader && ask(reader);
    } catch (error) {
      this.#open.get(day.path)?.close();
      this.#open.delete(day.path);
      if (sqliteError(error) === 'damaged') this.#events.damaged(day.path, describe(error));
      else if (listSegments(this.#folder).some(({ path }) => path === day.path)) throw error;
      return undefined;
    }
  }

  #question(node: QueryNode): SegmentQuery {
    const key = JSON.stringify(node);
    let question = this.#questions.get(key);
    if (question === undefined) {
      if (this.#questions.size >= MAX_QUESTIONS) this.#questions.clear();
      this.#questions.set(key, (question = { narrowing: prefilter(node), matches: compile(node) }));
    }
    return question;
  }
}

const charactersOf = ({ message, attributes }: LogRecord): number => message.length + attributes.length;

const place = ({ timeNs, seq }: LogRecord): PagePosition => ({ timeNs, seq });

/** The source that has what comes next, or might have it. */
function first(sources: readonly Source[], direction: Direction): Source | undefined {
  let best: Source | undefined;
  let bestAt = startOf(direction);
  for (const source of sources) {
    const [head] = source.ahead;
    const at = head ? place(head) : source.reached;
    if (at === undefined || (best !== undefined && !isBefore(at, bestAt, direction))) continue;
    best = source;
    bestAt = at;
  }
  return best;
}
