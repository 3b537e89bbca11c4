// The records that readers leave out, since newer versions of them are stored or since they were deleted (day-file.ts,
// tables `replaced` and `hidden`).
// Invariant: a record is left out from the transaction on that stored its newer version, or that hid it.
import type { Page } from './page.ts';
import { SeqSet } from './seq-set.ts';
import { HAS } from './shape.ts';

/** Reads rows of a file of the log store. */
type ReadRows = (sql: string, ...values: number[]) => unknown[][];

/** The replaced and deleted records that one file names. */
export class ReplacedTable {
  readonly #all: ReplacedRecords;
  readonly #list = new SeqSet();
  readonly #hidden = new SeqSet();
  #last = 0;
  #lastHidden = 0;
  #exists = false;
  #hasHidden = false;

  /** `all`: those of all files. */
  constructor(all: ReplacedRecords) {
    this.#all = all;
    all.lists.add(this.#list);
    all.lists.add(this.#hidden);
  }

  /** Reads what is new. */
  refresh(read: ReadRows): void {
    if (!this.#exists || !this.#hasHidden)
      for (const [name] of read("SELECT name FROM sqlite_master WHERE name IN ('replaced', 'hidden')")) {
        this.#exists ||= name === 'replaced';
        this.#hasHidden ||= name === 'hidden';
      }
    if (this.#hasHidden) this.#readHidden(read);
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
    this.#all.lists.delete(this.#hidden);
  }

  #readHidden(read: ReadRows): void {
    for (const [n, first, bits] of read(
      'SELECT n, seq, bits FROM hidden WHERE n > ? ORDER BY n',
      this.#lastHidden,
    )) {
      this.#lastHidden = n as number;
      this.#hidden.addGroup(first as number, bits as Uint8Array);
      this.#all.deletions++;
    }
  }
}

/** The replaced and deleted records of all files. */
export class ReplacedRecords {
  readonly lists = new Set<SeqSet>();
  /** Grows when records are deleted. */
  deletions = 0;

  has(seq: number): boolean {
    for (const list of this.lists) if (list.has(seq)) return true;
    return false;
  }

  /** False if none of the records from one sequence number to another is replaced. */
  mayHave(first: number, last: number): boolean {
    for (const list of this.lists) if (!list.isEmpty && list.mayHave(first, last)) return true;
    return false;
  }

  /** How many of the records from one sequence number to another are replaced or deleted, as the files name them. */
  countIn(first: number, last: number): number {
    let count = 0;
    for (const list of this.lists) count += list.countIn(first, last);
    return count;
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
