// The rows that the list holds: those that came live, newest first, then pages of a search in its order.
// Invariant: at most MAX_ROWS rows and MAX_BYTES bytes have their records. A page that is let go keeps its place and its
// cursor, so that it can be asked for again; rows do not move when that happens.
import { sizeOf, type LogJson } from './record.ts';

const MAX_ROWS = 100_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** Records that were left out of the live list, at their place. */
export interface Gap {
  /** Places in the store between which they are; '' before the first event. */
  readonly afterPlace: string;
  /** Number of matching records, or of places in the store if those were not counted. */
  readonly count: number;
  readonly isCounted: boolean;
  /** Number of the record that follows; 0: none came yet. */
  readonly nextSeq: number;
}

/** A row of the list. `undefined`: it was let go and is being asked for. */
export type HeldRow = LogJson | Gap;

export const isGap = (row: HeldRow | undefined): row is Gap => row !== undefined && 'afterPlace' in row;
export const isRecord = (row: HeldRow | undefined): row is LogJson => row !== undefined && !isGap(row);

interface Page {
  /** Cursor that asks for it; '' for the first one. */
  readonly cursor: string;
  readonly size: number;
  rows: readonly LogJson[] | undefined;
  bytes: number;
}

const bytesOf = (rows: readonly LogJson[]): number => rows.reduce((sum, row) => sum + sizeOf(row), 0);

export class HeldRows {
  /** Oldest first, so that a new one goes to the end. */
  readonly #live: HeldRow[] = [];
  readonly #pages: Page[] = [];
  /** First index of each page, without live rows. */
  readonly #starts: number[] = [];
  #size = 0;
  #bytes = 0;
  #held = 0;
  readonly #maxRows: number;
  readonly #maxBytes: number;

  constructor(maxRows = MAX_ROWS, maxBytes = MAX_BYTES) {
    this.#maxRows = maxRows;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#live.length + this.#size;
  }

  /** Rows that came live. */
  get liveCount(): number {
    return this.#live.length;
  }

  get pageCount(): number {
    return this.#pages.length;
  }

  /** Rows whose records are in memory. */
  get heldCount(): number {
    return this.#live.length + this.#held;
  }

  at(index: number): HeldRow | undefined {
    if (index < this.#live.length) return this.#live[this.#live.length - 1 - index];
    const at = index - this.#live.length;
    const page = this.#pageAt(at);
    return page === -1 ? undefined : this.#pages[page]!.rows?.[at - this.#starts[page]!];
  }

  #pageAt(at: number): number {
    if (at < 0 || at >= this.#size) return -1;
    let [low, high] = [0, this.#pages.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Adds a page at the end. `near`: a row that is shown, whose surroundings are kept. */
  addPage(cursor: string, rows: readonly LogJson[], near: number): void {
    if (rows.length === 0) return;
    const bytes = bytesOf(rows);
    this.#starts.push(this.#size);
    this.#pages.push({ cursor, size: rows.length, rows, bytes });
    this.#size += rows.length;
    this.#held += rows.length;
    this.#bytes += bytes;
    this.#letGo(near);
  }

  /** Adds rows that came live, oldest first. */
  addLive(rows: readonly HeldRow[], near: number): void {
    for (const row of rows) {
      this.#live.push(row);
      this.#bytes += isGap(row) ? 0 : sizeOf(row);
    }
    this.#letGo(near);
  }

  /** Takes a gap away and puts records in its place, oldest first. */
  fillGap(gap: Gap, rows: readonly LogJson[], rest: Gap | undefined): void {
    const at = this.#live.indexOf(gap);
    if (at === -1) return;
    this.#live.splice(at, 1, ...rows, ...(rest === undefined ? [] : [rest]));
    this.#bytes += bytesOf(rows);
  }

  /** The first page of these rows that was let go: its number and cursor. */
  missing(
    from: number,
    to: number,
  ): { readonly page: number; readonly cursor: string; readonly size: number } | undefined {
    const first = this.#pageAt(Math.max(0, from - this.#live.length));
    if (first === -1) return undefined;
    for (let page = first; page < this.#pages.length; page++) {
      if (this.#starts[page]! + this.#live.length > to) return undefined;
      const { rows, cursor, size } = this.#pages[page]!;
      if (rows === undefined) return { page, cursor, size };
    }
    return undefined;
  }

  /** Gives a page its rows again. Records that were deleted meanwhile leave their rows empty. */
  restore(number: number, rows: readonly LogJson[], near: number): void {
    const page = this.#pages[number];
    if (page === undefined || page.rows !== undefined) return;
    page.rows = rows.slice(0, page.size);
    page.bytes = bytesOf(page.rows);
    this.#bytes += page.bytes;
    this.#held += page.size;
    this.#letGo(near);
  }

  /** Lets pages go that are far from a row, the farthest first. The first page has no cursor and stays. */
  #letGo(near: number): void {
    let low = 1;
    let high = this.#pages.length - 1;
    const middle = near - this.#live.length;
    while ((this.heldCount > this.#maxRows || this.#bytes > this.#maxBytes) && low <= high) {
      const below = middle - this.#starts[low]!;
      const above = this.#starts[high]! - middle;
      const page = this.#pages[below > above ? low++ : high--]!;
      if (page.rows === undefined) continue;
      page.rows = undefined;
      this.#bytes -= page.bytes;
      this.#held -= page.size;
    }
    // Live rows alone are too many: the oldest go, and their place with them.
    const excess = this.#live.length - this.#maxRows;
    if (excess > 0)
      for (const row of this.#live.splice(0, excess)) this.#bytes -= isGap(row) ? 0 : sizeOf(row);
  }

  /** Index of a record among those that are held; -1: it is not there. */
  indexOf(seq: number): number {
    for (let i = this.#live.length - 1; i >= 0; i--) {
      const row = this.#live[i]!;
      if (!isGap(row) && row.seq === seq) return this.#live.length - 1 - i;
    }
    for (const [page, { rows = [] }] of this.#pages.entries()) {
      const at = rows.findIndex((row) => row.seq === seq);
      if (at !== -1) return this.#live.length + this.#starts[page]! + at;
    }
    return -1;
  }
}
