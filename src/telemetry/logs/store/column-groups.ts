// Reads one file for a group query: adds the values in the columns of its pages to an accumulator.
// Invariant: the result is that of the records that match (group-records.ts), each counted once.
import type { LogRecord } from '../log-record.ts';
import type { GroupQuery } from '../query/group-query.ts';
import { firstTime, lastTime, overlaps, type TimeParts } from './block-directory.ts';
import type { ChangedRecords } from './changed-records.ts';
import type { Block, PageRef } from './block.ts';
import type { Snapshot } from './day-file-index.ts';
import type { FileGroups } from './file-reader.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import { recordAdder } from './group-records.ts';
import { GroupKeys } from './group-keys.ts';
import type { MinuteSums } from './minute-sums.ts';
import type { OpenPage } from './open-page.ts';
import { numbersOf, PageRecords } from './page-values.ts';
import type { Page } from './page.ts';
import { isMatch, MATCH, maskOf, NEEDS_RECORD, NO_MATCH } from './row-mask.ts';
import type { SearchPlan } from './search-plan.ts';
import type { TimeRange } from './segment-query.ts';
import { SumGroups } from './sum-groups.ts';

/** The parts of a file that a group query reads. */
export interface GroupPages {
  /** Records that are not as they are stored. */
  readonly changes: ChangedRecords | undefined;
  readonly snapshot: Snapshot;
  /** False if no record of the block, or of the page, can match. */
  blockMayMatch(block: Block): boolean;
  pageMayMatch(page: PageRef): boolean;
  /** The columns of a block, if they are enough to read all that is needed. */
  columnsOf(block: Block): PageRef | undefined;
  /** The sums per minute of a block; `undefined` if it has none. */
  sumsOf(block: Block): MinuteSums | undefined;
  /**
   * Calls `use` with the page, unless it cannot be read. The page can be used until the next one is read. `opened`: the
   * page, if the caller has it.
   */
  read(page: PageRef, use: (open: OpenPage) => void, opened?: OpenPage): void;
}

const NS_PER_MS = 1_000_000n;
const LAST_REST = 999_999;
/** Rows that are read without looking at the time. Pages of the tail may have more. */
const ROWS_AT_ONCE = 4096;

/** A page whose rows before `end` are still to be read. */
interface PartlyRead {
  readonly ref: PageRef;
  readonly open: OpenPage;
  readonly marks: Uint8Array | 'all';
  readonly end: number;
}

export class ColumnGroups implements FileGroups {
  readonly #pages: GroupPages;
  readonly #plan: SearchPlan;
  readonly #accumulator: GroupAccumulator;
  readonly #keys: GroupKeys;
  readonly #sums: SumGroups;
  readonly #addRecord: (record: LogRecord, count: number) => void;
  readonly #range: TimeRange;
  /** Blocks to be read, and pages to be read before them. The last one is next, so the newest are at the end. */
  readonly #blocks: Block[];
  readonly #next: PageRef[];
  #current: PartlyRead | undefined;
  /** The parts of the time range for which the pages in `#next` are read. */
  #parts: readonly TimeRange[];
  /** All records of these pages match. */
  #isMatch = false;

  constructor(query: GroupQuery, plan: SearchPlan, accumulator: GroupAccumulator, pages: GroupPages) {
    const { by, fromNs, toNs } = query;
    this.#plan = plan;
    this.#accumulator = accumulator;
    this.#pages = pages;
    this.#range = { fromNs, toNs };
    this.#parts = [this.#range];
    this.#addRecord = recordAdder(query, accumulator);
    this.#sums = new SumGroups(query, plan.query.matches, accumulator);
    this.#keys = new GroupKeys(by, accumulator);
    const { blocks, tail } = pages.snapshot;
    this.#blocks = blocks.filter(({ span }) => isIn(span, this.#range)).sort((a, b) => a.lastMs - b.lastMs);
    this.#next = tail.filter(({ times }) => isIn(times, this.#range));
  }

  get isDone(): boolean {
    return this.#current === undefined && this.#next.length === 0 && this.#blocks.length === 0;
  }

  step(deadlineMs: number, isLate: boolean): void {
    do {
      if (this.#current !== undefined) this.#readRows(this.#current);
      else if (this.#next.length > 0) this.#openPage(this.#next.pop()!);
      else if (this.#blocks.length > 0) this.#openBlock(this.#blocks.pop()!, isLate);
    } while (!this.isDone && performance.now() < deadlineMs);
  }

  #openBlock(block: Block, isLate: boolean): void {
    const mayMatch = this.#pages.blockMayMatch(block);
    if (!mayMatch && this.#pages.changes === undefined) return;
    this.#isMatch = mayMatch && this.#plan.query.possible(block.known) === 'all';
    const { edges } = this.#sums;
    this.#parts = this.#addSums(block, isLate) ? edges : [this.#range];
    this.#push(block, this.#pages.columnsOf(block));
  }

  /** Adds the pages of a block, or its columns, to those that are read next. */
  #push(block: Block, columns: PageRef | undefined): void {
    for (const page of columns ? [columns] : block.pages)
      if (this.#parts.some((part) => isIn(page.times, part))) this.#next.push(page);
  }

  /** Adds the sums of the whole minutes, if the block has suitable ones. */
  #addSums(block: Block, isLate: boolean): boolean {
    if (!this.#sums.areUseful(block.firstMs, block.lastMs, isLate)) return false;
    const sums = this.#pages.sumsOf(block);
    return sums !== undefined && this.#sums.add(sums);
  }

  #openPage(ref: PageRef): void {
    const mayMatch = this.#pages.pageMayMatch(ref);
    if (!mayMatch && this.#pages.changes === undefined) return;
    this.#pages.read(ref, (open) => {
      const marks = this.#marksOf(ref, open, mayMatch);
      if (marks !== 'none') this.#current = { ref, open, marks, end: open.page.rows };
    });
    this.#pushPagesInstead(ref);
  }

  /** Adds the pages of a block whose columns turned out to be damaged. Nothing of them was added to groups. */
  #pushPagesInstead({ isColumns, block }: PageRef): void {
    if (isColumns && block!.columns === undefined) this.#push(block!, undefined);
  }

  #marksOf(ref: PageRef, open: OpenPage, mayMatch: boolean): Uint8Array | 'all' | 'none' {
    const { changes } = this.#pages;
    const { page } = open;
    const isWhole = this.#parts.some((part) => covers(part, ref.times));
    const { replaced } = this.#plan;
    if (this.#isMatch && isWhole && changes === undefined && !replaced.mayBeIn(page)) return 'all';
    let marks = this.#isMatch
      ? new Uint8Array(page.rows).fill(MATCH)
      : mayMatch
        ? maskOf(open, this.#plan)?.marks
        : undefined;
    if (changes !== undefined) {
      marks ??= new Uint8Array(page.rows);
      for (let row = 0; row < marks.length; row++)
        if (changes.needsRecord(page, row)) marks[row] = NEEDS_RECORD;
    }
    if (marks === undefined) return 'none';
    replaced.mark(page, marks, NO_MATCH);
    if (!isWhole) markParts(page, marks, this.#parts);
    return marks;
  }

  #readRows(current: PartlyRead): void {
    const { ref, open, marks, end } = current;
    const from = marks === 'all' || ref.isColumns ? 0 : Math.max(0, end - ROWS_AT_ONCE);
    this.#current = from > 0 ? { ...current, end: from } : undefined;
    let part = marks === 'all' ? undefined : marks;
    if (part !== undefined && part.length > ROWS_AT_ONCE) {
      const rows = part.subarray(from, end);
      part = new Uint8Array(part.length);
      part.set(rows, from);
    }
    this.#pages.read(ref, ({ page }) => this.#add(page, ref, part), open);
    this.#pushPagesInstead(ref);
  }

  /**
   * Adds the marked rows that match; all without marks. All columns are read before, since one that is damaged ends the
   * page.
   */
  #add(page: Page, { times }: PageRef, marks: Uint8Array | undefined): void {
    const records = new PageRecords(page);
    const changed = marks === undefined ? [] : this.#decide(page, marks, records);
    const rows = this.#keys.groupsOf(page, times, marks, records);
    const columns = this.#accumulator.fields.map((name) => numbersOf(page, name, marks, records));
    for (const record of changed) this.#addRecord(record, 1);
    this.#accumulator.addRows(rows, columns);
  }

  /** Sets each mark to MATCH or NO_MATCH. Returns the changed records that match, which have no marks any more. */
  #decide(page: Page, marks: Uint8Array, records: PageRecords): LogRecord[] {
    const { query } = this.#plan;
    const changed: LogRecord[] = [];
    for (let row = 0; row < marks.length; row++) {
      const mark = marks[row]!;
      if (mark === NEEDS_RECORD) {
        const record = this.#pages.changes!.merged(records.at(row));
        if (query.matches(record)) changed.push(record);
        marks[row] = NO_MATCH;
      } else if (mark !== NO_MATCH && mark !== MATCH)
        marks[row] = isMatch(page, row, mark, query, records.at) ? MATCH : NO_MATCH;
    }
    return changed;
  }
}

/** True if some of the times may be in the range. */
export const isIn = (times: TimeParts, { fromNs, toNs }: TimeRange): boolean =>
  overlaps(times, Number(fromNs / NS_PER_MS), Number(toNs / NS_PER_MS));

/** True if all times are in the range. */
export const covers = ({ fromNs, toNs }: TimeRange, times: TimeParts): boolean =>
  fromNs <= BigInt(firstTime(times)) * NS_PER_MS && toNs >= BigInt(lastTime(times) + 1) * NS_PER_MS - 1n;

/** Removes the marks of the rows outside the parts of the time range. */
function markParts(page: Page, marks: Uint8Array, parts: readonly TimeRange[]): void {
  const tests = parts.map((part) => rangeTest(page, part));
  for (let row = 0; row < marks.length; row++)
    if (marks[row] !== NO_MATCH && !tests.some((test) => test(row))) marks[row] = NO_MATCH;
}

/** Tells whether the time of a row is in the range. */
export function rangeTest(page: Page, { fromNs, toNs }: TimeRange): (row: number) => boolean {
  const { timeMs } = page;
  const [fromMs, toMs] = [Number(fromNs / NS_PER_MS), Number(toNs / NS_PER_MS)];
  const [fromRest, toRest] = [Number(fromNs % NS_PER_MS), Number(toNs % NS_PER_MS)];
  return (row) => {
    const ms = timeMs[row]!;
    if (ms < fromMs || ms > toMs) return false;
    return (
      (ms > fromMs || fromRest === 0 || page.restNs(row) >= fromRest) &&
      (ms < toMs || toRest === LAST_REST || page.restNs(row) <= toRest)
    );
  };
}
