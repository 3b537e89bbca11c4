// The records that readers leave out, since newer versions of them are stored (day-file.ts, table `replaced`).
// Invariant: a record is left out from the transaction on that stored its newer version.
import type { Page } from './page.ts';
import { HAS } from './shape.ts';

/** Records in one entry of the map. */
const GROUP = 4096;

/** Replaced records, by sequence number, as one file names them. */
class ReplacedList {
  readonly #groups = new Map<number, Uint8Array>();

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  add(seq: number): void {
    const group = Math.floor(seq / GROUP);
    let bits = this.#groups.get(group);
    if (bits === undefined) this.#groups.set(group, (bits = new Uint8Array(GROUP / 8)));
    const bit = seq % GROUP;
    bits[bit >> 3]! |= 1 << (bit & 7);
  }

  has(seq: number): boolean {
    const bit = seq % GROUP;
    return ((this.#groups.get(Math.floor(seq / GROUP))?.[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  /** False if none of the records from one sequence number to another is replaced. */
  mayHave(first: number, last: number): boolean {
    for (let group = Math.floor(first / GROUP); group <= last / GROUP; group++)
      if (this.#groups.has(group)) return true;
    return false;
  }

  /** Forgets the records from one sequence number to another. */
  remove(first: number, last: number): void {
    for (let seq = first; seq <= last;) {
      const group = Math.floor(seq / GROUP);
      const end = Math.min(last + 1, (group + 1) * GROUP);
      const bits = this.#groups.get(group);
      if (bits !== undefined) {
        for (; seq < end; seq++) bits[(seq % GROUP) >> 3]! &= ~(1 << (seq & 7));
        if (bits.every((byte) => byte === 0)) this.#groups.delete(group);
      }
      seq = end;
    }
  }
}

/** Reads rows of a file of the log store. */
type ReadRows = (sql: string, ...values: number[]) => unknown[][];

/** The replaced records that one file names. */
export class ReplacedTable {
  readonly #all: ReplacedRecords;
  readonly #list = new ReplacedList();
  #last = 0;
  #exists = false;

  /** `all`: those of all files. */
  constructor(all: ReplacedRecords) {
    this.#all = all;
    all.lists.add(this.#list);
  }

  /** Reads what is new. */
  refresh(read: ReadRows): void {
    this.#exists ||= read("SELECT 1 FROM sqlite_master WHERE name = 'replaced'").length > 0;
    if (!this.#exists) return;
    for (const [n, seq] of read('SELECT n, seq FROM replaced WHERE n > ? ORDER BY n', this.#last)) {
      this.#last = n as number;
      this.#list.add(seq as number);
    }
  }

  /** A block was sealed, without the records that were replaced before. */
  sealed(first: number, last: number, read: ReadRows): void {
    if (!this.#list.mayHave(first, last)) return;
    this.#list.remove(first, last);
    for (const [seq] of read('SELECT seq FROM replaced WHERE seq BETWEEN ? AND ?', first, last))
      this.#list.add(seq as number);
  }

  close(): void {
    this.#all.lists.delete(this.#list);
  }
}

/** The replaced records of all files. */
export class ReplacedRecords {
  readonly lists = new Set<ReplacedList>();

  has(seq: number): boolean {
    for (const list of this.lists) if (list.has(seq)) return true;
    return false;
  }

  /** False if none of the records from one sequence number to another is replaced. */
  mayHave(first: number, last: number): boolean {
    for (const list of this.lists) if (!list.isEmpty && list.mayHave(first, last)) return true;
    return false;
  }

  /** False if no record of the page is replaced. */
  mayBeIn(page: Page): boolean {
    return page.hasReplaced || this.mayHave(page.firstSeq, page.firstSeq + page.rows - 1);
  }

  /** True if the record of a row is replaced. */
  isReplaced(page: Page, row: number): boolean {
    return (page.encodedShapes.has(page.shape[row]!) & HAS.replaced) !== 0 || this.has(page.firstSeq + row);
  }

  /** Sets the marks of replaced rows. Returns how many of them had another mark. */
  mark(page: Page, marks: Uint8Array, mark: number): number {
    if (!this.mayBeIn(page)) return 0;
    let count = 0;
    for (let row = 0; row < marks.length; row++) {
      if (marks[row] === mark || !this.isReplaced(page, row)) continue;
      marks[row] = mark;
      count++;
    }
    return count;
  }
}
