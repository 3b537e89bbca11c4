// Reads one file of the log store (day-file.ts) in limited slices, ordered by time or by sequence number.
// Invariant: a call returns exactly the records that the query matches, whether they are in the tail or in a block.
import type { LogRecord } from '../log-record.ts';
import { compile } from '../query/match.ts';
import { possible } from '../query/possible.ts';
import type { Prefilter, QueryNode } from '../query/query-node.ts';
import type { GroupQuery } from '../query/group-query.ts';
import type { Block, PageRef } from './block.ts';
import { hashOfId } from './bloom-filter.ts';
import { DayFileIndex, type OnDamagedPage } from './day-file-index.ts';
import type { OpenPage } from './open-page.ts';
import type { ChangedRecords } from './changed-records.ts';
import { ColumnGroups } from './column-groups.ts';
import { ColumnRows } from './column-rows.ts';
import type { FileGroups, FileReader } from './file-reader.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import { startPosition, type Direction, type PagePosition } from './page-position.ts';
import { ColumnMemory } from './number-column.ts';
import { PageStore } from './page-store.ts';
import type { AddRequest } from './request-traces.ts';
import type { ReplacedRecords } from './replaced-records.ts';
import { columnsFor, namesRead } from './columns-page.ts';
import { blockMarks, maskOf, matchingRecord, NO_MATCH, type RowMask } from './row-mask.ts';
import type { RowVisitor, ScanQuery } from './scan-query.ts';
import { SearchPlan } from './search-plan.ts';
import type { SegmentQuery, SegmentSlice, TimeRange } from './segment-query.ts';
import { isCursor, TimeSearch } from './time-search.ts';

/** Maximum number of records of a slice, and of characters of their texts after which it ends. */
const MAX_RECORDS = 512;
const MAX_CHARACTERS = 1024 ** 2;
/** Minimum time for a slice, so that on a slow disk it still advances. */
const MIN_SLICE_MS = 10;

/** Records of a slice, until it is full. */
class SliceRecords {
  readonly records: LogRecord[] = [];
  readonly #endMs: number;
  #characters = 0;

  constructor(deadlineMs: number) {
    this.#endMs = Math.max(deadlineMs, performance.now() + MIN_SLICE_MS);
  }

  /** Adds a record if there is one. Returns true. */
  add(record: LogRecord | undefined): true {
    if (record === undefined) return true;
    this.records.push(record);
    this.#characters += record.message.length + record.attributes.length;
    return true;
  }

  get isFull(): boolean {
    return this.records.length >= MAX_RECORDS || this.#characters >= MAX_CHARACTERS;
  }

  get isLate(): boolean {
    return performance.now() > this.#endMs;
  }
}

export class DayFileReader implements FileReader {
  readonly #index: DayFileIndex;
  readonly #pages: PageStore;
  readonly #replaced: ReplacedRecords;
  readonly #plans = new WeakMap<SegmentQuery, SearchPlan>();

  /**
   * `replaced`: the records of all files that are left out. `onDamagedPage`: called once for each damaged part of a page,
   * which is left out.
   */
  constructor(path: string, replaced: ReplacedRecords, onDamagedPage: OnDamagedPage) {
    this.#replaced = replaced;
    this.#index = new DayFileIndex(path, replaced, onDamagedPage);
    this.#pages = new PageStore(this.#index);
  }

  close(): void {
    this.#index.close();
  }

  timeRange(): TimeRange | undefined {
    const times = this.#index.timesOf(this.#index.snapshot());
    return (
      times && {
        fromNs: BigInt(times.firstMs) * 1_000_000n,
        toNs: BigInt(times.lastMs) * 1_000_000n + 999_999n,
      }
    );
  }

  lastSeq(): number {
    return this.#index.lastSeq();
  }

  slice(
    query: SegmentQuery,
    range: TimeRange,
    direction: Direction,
    after: PagePosition,
    deadlineMs: number,
  ): SegmentSlice {
    const slice = new SliceRecords(deadlineMs);
    const plan = this.#planOf(query);
    if (plan.matchesNone) return { records: [], reached: undefined };
    const search = new TimeSearch(plan.inTime(this.#index.snapshot()), range, direction, after);
    for (;;) {
      const item = search.first;
      if (item === undefined) return { records: slice.records, reached: undefined };
      if (slice.isFull || slice.isLate) {
        const reached = search.reached();
        if (reached !== undefined) return { records: slice.records, reached };
      }
      if (isCursor(item)) {
        const isRead = this.#pages.read(
          item.ref,
          ({ page }) => slice.add(matchingRecord(page, item.row, item.mark, query)),
          item.open,
        );
        if (isRead) search.advance(item);
        else search.drop(item);
      } else if (item.block !== undefined) {
        if (this.#mayMatch(item.block, plan)) search.openBlock(this.#pagesOf(item.block, plan));
        else search.drop(item);
      } else {
        const ref = item.page;
        const isOpen = this.#masked(ref, plan, (open, mask) => {
          search.openPage(ref, open, mask);
          return true;
        });
        if (isOpen !== true) search.drop(item);
      }
    }
  }

  after(query: SegmentQuery, seq: number, deadlineMs: number): SegmentSlice {
    const slice = new SliceRecords(deadlineMs);
    const plan = this.#planOf(query);
    if (plan.matchesNone) return { records: [], reached: undefined };
    const { blocks, tail } = this.#index.snapshotAfter(seq);
    let examined = seq;
    const read = (ref: PageRef): boolean => {
      const isDone = this.#masked(ref, plan, ({ page }, mask) => {
        for (let row = Math.max(0, seq + 1 - page.firstSeq); row < page.rows; row++) {
          if (mask.marks[row] === NO_MATCH) continue;
          slice.add(matchingRecord(page, row, mask.marks[row]!, query));
          examined = page.firstSeq + row;
          if (slice.isFull || slice.isLate) return false;
        }
        return true;
      });
      return isDone !== false;
    };
    const pagesOf = (block: Block): readonly PageRef[] =>
      this.#mayMatch(block, plan) ? this.#pagesOf(block, plan) : [];
    for (const pages of pagesAfter(blocks, seq, pagesOf, tail))
      for (const ref of pages) {
        if (ref.last <= seq) continue;
        if (!read(ref)) return { records: slice.records, reached: reachedSeq(examined) };
        examined = ref.last;
        if (slice.isLate) return { records: slice.records, reached: reachedSeq(examined) };
      }
    return { records: slice.records, reached: undefined };
  }

  requests(wanted: Prefilter, afterSeq: number, add: AddRequest): boolean {
    const plan = new SearchPlan({ prefilter: wanted, ...TRACED_REQUESTS }, this.#replaced, true);
    const { blocks, tail } = plan.inTime(
      afterSeq === 0 ? this.#index.snapshot() : this.#index.snapshotAfter(afterSeq),
    );
    const pagesOf = (block: Block): readonly PageRef[] => (this.#mayMatch(block, plan) ? block.pages : []);
    for (const pages of pagesAfter(blocks, afterSeq, pagesOf, tail))
      for (const ref of pages) {
        if (ref.last <= afterSeq || !this.#pageMayMatch(ref, plan)) continue;
        if (this.#pages.read(ref, (open) => addRequests(open, plan, afterSeq, add)) === false) return false;
      }
    return true;
  }

  idsInBlocks(ids: readonly string[], beforeSeq: number): string[] {
    const blocks = this.#index.blocks().filter(({ hasForeignIds, seq }) => hasForeignIds && seq < beforeSeq);
    if (blocks.length === 0) return [];
    return ids.filter((id) => {
      const hash = hashOfId(id);
      return blocks.some((block) => this.#index.mayHave(block, hash));
    });
  }

  at(seq: number): LogRecord | undefined {
    const { blocks, tail } = this.#index.snapshotAfter(seq - 1);
    const block = blocks[indexOfBlock(blocks, seq)];
    const pages = block !== undefined && block.seq <= seq ? block.pages : tail;
    const ref = pages.find(({ seq: first, last }) => first <= seq && last >= seq);
    return (
      ref &&
      this.#pages.read(ref, ({ page }) =>
        this.#replaced.isReplaced(page, seq - ref.seq) ? undefined : page.record(seq - ref.seq),
      )
    );
  }

  bodies(seq: number): { request: Buffer | undefined; response: Buffer | undefined } | undefined {
    // Reads what was deleted meanwhile.
    this.#index.lastSeq();
    return this.#replaced.has(seq) ? undefined : this.#index.bodies(seq);
  }

  groups(
    query: GroupQuery,
    compiled: SegmentQuery,
    accumulator: GroupAccumulator,
    changes: ChangedRecords | undefined,
  ): FileGroups {
    const plan = this.#planOf(compiled);
    const memory = new ColumnMemory();
    const names = namesRead(query);
    return new ColumnGroups(query, plan, accumulator, {
      changes,
      snapshot: plan.matchesNone && !changes ? { blocks: [], tail: [] } : this.#index.snapshot(),
      blockMayMatch: (block) => this.#mayMatch(block, plan),
      pageMayMatch: (ref) => this.#pageMayMatch(ref, plan),
      // The sums of a block count the records that were replaced after it was sealed.
      sumsOf: (block) =>
        this.#replaced.mayHave(block.seq, block.last) ? undefined : this.#pages.sumsOf(block),
      columnsOf: (block) => (changes ? undefined : columnsFor(block, compiled, names, query)),
      read: (ref, use, opened) => this.#pages.scan(ref, memory, use, opened),
    });
  }

  scan(
    query: Omit<ScanQuery, 'node'>,
    compiled: SegmentQuery,
    changes: ChangedRecords | undefined,
    seq: number,
    deadlineMs: number,
    visitor: RowVisitor,
  ): number | undefined {
    const plan = this.#planOf(compiled);
    if (plan.matchesNone && !changes) return undefined;
    const memory = new ColumnMemory();
    const pages = {
      changes,
      snapshot: this.#index.snapshotAfter(seq),
      blockMayMatch: (block: Block) => this.#mayMatch(block, plan),
      pageMayMatch: (ref: PageRef) => this.#pageMayMatch(ref, plan),
      columnsOf: (block: Block) => (changes ? undefined : columnsFor(block, compiled, query.names, query)),
      read: (ref: PageRef, use: (open: OpenPage) => void) => this.#pages.scan(ref, memory, use),
    };
    return new ColumnRows(query, plan, pages, visitor).read(seq, deadlineMs);
  }

  #planOf(query: SegmentQuery): SearchPlan {
    let plan = this.#plans.get(query);
    if (plan === undefined) this.#plans.set(query, (plan = new SearchPlan(query, this.#replaced)));
    return plan;
  }

  /** False if the directory and the filters of a block exclude matches. */
  #mayMatch(block: Block, plan: SearchPlan): boolean {
    if (plan.excluded.has(block)) return false;
    const has = (hash: number): boolean => this.#index.mayHave(block, hash);
    const mayMatch =
      (!plan.looksUp || plan.mayBeIn(block, has)) && plan.query.possible(block.known) !== 'none';
    if (!mayMatch) plan.excluded.add(block);
    return mayMatch;
  }

  /** The pages of a block that may have matches by its columns. */
  #pagesOf(block: Block, plan: SearchPlan): readonly PageRef[] {
    const marks = this.#decided(block, plan);
    if (marks === undefined) return block.pages;
    const pages = block.pages.filter(({ seq, last }) => hasMatch(marks, seq - block.seq, last - block.seq));
    if (pages.length === 0) plan.excluded.add(block);
    return pages;
  }

  /** The marks of the rows of a block from its columns; `undefined`: it has none of those that the query needs. */
  #decided(block: Block, plan: SearchPlan): Uint8Array | undefined {
    const { rows } = plan.query;
    if (rows === undefined || rows.names.length === 0) return undefined;
    return plan.blockMarks(block, () =>
      rows.names.some((name) => block.known.findMember(name) !== undefined)
        ? this.#pages.columns(block, ({ page }) => blockMarks(page, rows))
        : undefined,
    );
  }

  /** Calls `use` with a page and the marks of its rows, unless none can match. */
  #masked<T>(ref: PageRef, plan: SearchPlan, use: (open: OpenPage, mask: RowMask) => T): T | undefined {
    const { block, seq, last } = ref;
    const decided = block && this.#decided(block, plan)?.subarray(seq - block.seq, last + 1 - block.seq);
    if (!this.#pageMayMatch(ref, plan)) return undefined;
    return this.#pages.read(ref, (open) => {
      const mask = maskOf(open, plan, decided);
      return mask && use(open, mask);
    });
  }

  #pageMayMatch(ref: PageRef, plan: SearchPlan): boolean {
    return !plan.looksUp || plan.mayBeIn(ref, (hash) => this.#pages.mayHave(ref, hash));
  }
}

/** True if a row from one index to another may match. */
function hasMatch(marks: Uint8Array, from: number, to: number): boolean {
  for (let row = from; row <= to; row++) if (marks[row] !== NO_MATCH) return true;
  return false;
}

const reachedSeq = (seq: number): PagePosition => ({ ...startPosition('up'), seq });

const TRACED_NODE: QueryNode = {
  op: 'and',
  of: [
    { op: 'field', name: 'kind', compare: '=', value: 'request' },
    { op: 'exists', name: 'traceId' },
  ],
};
const TRACED_REQUESTS = { possible: possible(TRACED_NODE), matches: compile(TRACED_NODE) };

/** Calls `add` for the requests of a page that have a trace id. Returns false if it ended the search. */
function addRequests(open: OpenPage, plan: SearchPlan, afterSeq: number, add: AddRequest): boolean {
  const marks = maskOf(open, plan)?.marks;
  if (marks === undefined) return true;
  const { page } = open;
  for (let row = Math.max(0, afterSeq + 1 - page.firstSeq); row < page.rows; row++) {
    if (marks[row] === NO_MATCH) continue;
    const traceId = page.traceId(row);
    if (traceId !== '' && !add(page.requestId(row), traceId, page.firstSeq + row)) return false;
  }
  return true;
}

/** Index of the first block that ends at or after a sequence number. */
function indexOfBlock(blocks: readonly Block[], seq: number): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (blocks[middle]!.last < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The pages of the blocks with records above `seq` that may match, and those of the tail, in order. */
function* pagesAfter(
  blocks: readonly Block[],
  seq: number,
  pagesOf: (block: Block) => readonly PageRef[],
  tail: readonly PageRef[],
): Generator<readonly PageRef[]> {
  for (let i = indexOfBlock(blocks, seq + 1); i < blocks.length; i++) yield pagesOf(blocks[i]!);
  yield tail;
}
