// Goes through the records of a file that may match, in the order of time, by merging blocks and pages. A block or page
// is opened when no record of the open ones comes first for sure.
// Invariant: records come in order, each that may match once; how far the search got can be told at any time.
import { overlaps, type TimeParts } from './block-directory.ts';
import type { Block, PageRef } from './block.ts';
import type { Snapshot } from './day-file-index.ts';
import type { TimeRange } from './segment-query.ts';
import { Heap } from './heap.ts';
import { compareRows, type OpenPage } from './open-page.ts';
import { MAX_SEQ, type Direction, type PagePosition } from './page-position.ts';
import type { RowMask } from './row-mask.ts';

/** A position in time, in numbers. */
interface TimePoint {
  readonly ms: number;
  readonly ns: number;
  readonly seq: number;
}

const pointOf = ({ timeNs, seq }: PagePosition): TimePoint => ({
  ms: Number(timeNs / 1_000_000n),
  ns: Number(timeNs % 1_000_000n),
  seq,
});

const nanoseconds = (ms: number, ns: number): bigint => BigInt(ms) * 1_000_000n + BigInt(ns);

const compare = (a: TimePoint, b: TimePoint): number => a.ms - b.ms || a.ns - b.ns || a.seq - b.seq;

/** The last nanosecond of a millisecond. */
const LAST_NS = 999_999;

/** Up to this many candidates are sorted one by one; otherwise all rows of the page are. */
const FEW_ROWS = 128;

/** The candidates of an open page, in order. `ms`, `ns` and `seq` are those of the current one. */
class RowCursor {
  readonly ref: PageRef;
  readonly open: OpenPage;
  ms = 0;
  ns = 0;
  seq = 0;
  row = 0;
  readonly #marks: Uint8Array;
  readonly #rows: Uint32Array;
  readonly #step: 1 | -1;
  #at: number;

  /** Begins after `start`. `next` must be called first. */
  constructor(
    ref: PageRef,
    open: OpenPage,
    { marks, count }: RowMask,
    direction: Direction,
    start: TimePoint,
  ) {
    this.ref = ref;
    this.open = open;
    this.#marks = marks;
    this.#step = direction === 'down' ? -1 : 1;
    const { page } = open;
    if (count > FEW_ROWS) this.#rows = open.order;
    else {
      this.#rows = new Uint32Array(count);
      for (let row = 0, i = 0; i < count; row++) if (marks[row] !== 0) this.#rows[i++] = row;
      this.#rows.sort(compareRows(page));
    }
    // The number of rows before `start`, or up to it.
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = this.#rows[middle]!;
      const order =
        page.timeMs[row]! - start.ms || page.restNs(row) - start.ns || page.firstSeq + row - start.seq;
      if (direction === 'down' ? order < 0 : order <= 0) low = middle + 1;
      else high = middle;
    }
    this.#at = direction === 'down' ? low : low - 1;
  }

  /** Goes to the next candidate. Returns false at the end. */
  next(): boolean {
    const { page } = this.open;
    for (;;) {
      this.#at += this.#step;
      if (this.#at < 0 || this.#at >= this.#rows.length) return false;
      const row = this.#rows[this.#at]!;
      if (this.#marks[row] === 0) continue;
      this.row = row;
      this.ms = page.timeMs[row]!;
      this.ns = page.restNs(row);
      this.seq = page.firstSeq + row;
      return true;
    }
  }

  /** Mark of the row (row-mask.ts). */
  get mark(): number {
    return this.#marks[this.row]!;
  }
}

/** A block or page that is not open, at the first time at which it may have a record. */
interface ClosedBlock {
  readonly ms: number;
  readonly block: Block;
}
interface ClosedPage {
  readonly ms: number;
  readonly block: undefined;
  readonly page: PageRef;
}

type Item = ClosedBlock | ClosedPage | RowCursor;

export class TimeSearch {
  readonly #direction: Direction;
  readonly #sign: 1 | -1;
  /** Blocks that are not open, the first one at the end. */
  readonly #blocks: ClosedBlock[];
  readonly #heap: Heap<ClosedPage | RowCursor>;
  /** Before the first record. */
  readonly #start: TimePoint;
  /** Times of the last record. */
  readonly #endMs: number;
  readonly #endNs: number;
  /** Times in milliseconds, in their natural order. */
  readonly #fromMs: number;
  readonly #toMs: number;
  /** The last record that was examined. */
  #last: TimePoint | undefined;

  constructor(
    { blocks, tail }: Snapshot,
    { fromNs, toNs }: TimeRange,
    direction: Direction,
    after: PagePosition,
  ) {
    this.#direction = direction;
    const isDown = direction === 'down';
    const sign = (this.#sign = isDown ? -1 : 1);
    const first = isDown ? { timeNs: toNs, seq: MAX_SEQ + 1 } : { timeNs: fromNs, seq: -1 };
    const [begin, position] = [pointOf(first), pointOf(after)];
    this.#start = sign * compare(position, begin) > 0 ? position : begin;
    const end = pointOf({ timeNs: isDown ? fromNs : toNs, seq: 0 });
    [this.#endMs, this.#endNs] = [end.ms, end.ns];
    const { ms, ns, seq } = this.#start;
    this.#fromMs = isDown ? end.ms : ns === LAST_NS && seq === MAX_SEQ ? ms + 1 : ms;
    this.#toMs = isDown ? (ns === 0 && seq <= 0 ? ms - 1 : ms) : end.ms;
    this.#heap = new Heap((a, b) => {
      if (a.ms !== b.ms) return sign * (a.ms - b.ms);
      // What is not open may have the first record of this millisecond.
      if (!(a instanceof RowCursor)) return -1;
      if (!(b instanceof RowCursor)) return 1;
      return sign * (a.ns - b.ns || a.seq - b.seq);
    });
    this.#blocks = blocks
      .filter(({ firstMs, lastMs }) => firstMs <= this.#toMs && lastMs >= this.#fromMs)
      .map((block) => ({
        ms: isDown ? Math.min(block.lastMs, this.#toMs) : Math.max(block.firstMs, this.#fromMs),
        block,
      }))
      .sort((a, b) => sign * (b.ms - a.ms));
    for (const page of tail) this.#addPage(page);
  }

  get first(): Item | undefined {
    const block = this.#blocks.at(-1);
    const { first } = this.#heap;
    // The block may have the first record of this millisecond.
    return block && (!first || this.#sign * (block.ms - first.ms) <= 0) ? block : first;
  }

  /** Removes the first item, which has no candidates (left). */
  drop(first: Item): void {
    if (isCursor(first) || first.block === undefined) this.#heap.pop();
    else this.#blocks.pop();
  }

  /** Replaces the first item, a block, by those of its pages that may have a match. */
  openBlock(pages: readonly PageRef[]): void {
    this.#blocks.pop();
    for (const page of pages) this.#addPage(page);
  }

  /** Replaces the first item, a page, by its candidates. */
  openPage(ref: PageRef, open: OpenPage, mask: RowMask): void {
    const cursor = new RowCursor(ref, open, mask, this.#direction, this.#start);
    const isInRange = this.#advance(cursor);
    this.#heap.pop();
    if (isInRange) this.#heap.push(cursor);
  }

  /** Goes to the candidate after the first item. */
  advance(cursor: RowCursor): void {
    this.#last = { ms: cursor.ms, ns: cursor.ns, seq: cursor.seq };
    if (this.#advance(cursor)) this.#heap.moveFirst();
    else this.#heap.pop();
  }

  /** All records up to here were examined. `undefined`: none beyond the start of this search. */
  reached(): PagePosition | undefined {
    const { first } = this;
    const last = this.#last;
    if (first === undefined || this.#sign * (first.ms - (last?.ms ?? this.#start.ms)) <= 0)
      return last && { timeNs: nanoseconds(last.ms, last.ns), seq: last.seq };
    // The end of the millisecond before that of the first item.
    const isDown = this.#direction === 'down';
    const point = isDown
      ? { ms: first.ms + 1, ns: 0, seq: 0 }
      : { ms: first.ms - 1, ns: LAST_NS, seq: MAX_SEQ };
    return this.#sign * compare(point, this.#start) > 0
      ? { timeNs: nanoseconds(point.ms, point.ns), seq: point.seq }
      : undefined;
  }

  #advance(cursor: RowCursor): boolean {
    return (
      cursor.next() && (this.#sign * (cursor.ms - this.#endMs) || this.#sign * (cursor.ns - this.#endNs)) <= 0
    );
  }

  #addPage(page: PageRef): void {
    const ms = this.#firstMs(page.times);
    if (ms !== undefined) this.#heap.push({ ms, block: undefined, page });
  }

  /** First time in the direction at which a page has a record in the range. */
  #firstMs(times: TimeParts): number | undefined {
    const [from, to] = [this.#fromMs, this.#toMs];
    if (!overlaps(times, from, to)) return undefined;
    if (this.#direction === 'up') {
      for (let i = 0; i < times.length; i += 2) if (times[i + 1]! >= from) return Math.max(times[i]!, from);
    } else
      for (let i = times.length - 2; i >= 0; i -= 2) if (times[i]! <= to) return Math.min(times[i + 1]!, to);
    return undefined;
  }
}

export const isCursor = (item: Item): item is RowCursor => item instanceof RowCursor;
