// The rows of a result that is read in pages.
// Invariant: rows are kept as bytes outside the heap, and each page has whole rows.

/** Characters of a page, about. */
const PAGE_BYTES = 8 * 1024 ** 2;

/** A part of a result. */
export interface RowsPage {
  /** JSON list of the rows. */
  readonly rows: string;
  /** Number of the first row of the next page; `undefined`: there is none. */
  readonly next: number | undefined;
}

export class KeptRows {
  readonly #bytes: Buffer;
  /** Where each row begins, and the end. */
  readonly #starts: Float64Array;

  /** `rows`: JSON of each row. */
  constructor(rows: readonly string[]) {
    this.#starts = new Float64Array(rows.length + 1);
    let at = 0;
    for (const [i, row] of rows.entries()) {
      this.#starts[i] = at;
      at += Buffer.byteLength(row) + 1;
    }
    this.#starts[rows.length] = at;
    this.#bytes = Buffer.from(rows.length === 0 ? '' : `${rows.join(',')},`);
  }

  /** Size in bytes. */
  get bytes(): number {
    return this.#bytes.length;
  }

  get count(): number {
    return this.#starts.length - 1;
  }

  /** The rows from a number on, at most `limit` of them and fewer if they are large. */
  page(from: number, limit: number): RowsPage {
    const first = Math.min(from, this.count);
    const begin = this.#starts[first]!;
    let end = first;
    while (end < this.count && end - first < limit && this.#starts[end]! - begin < PAGE_BYTES) end++;
    const text = this.#bytes.toString('utf8', begin, Math.max(begin, this.#starts[end]! - 1));
    return { rows: `[${text}]`, next: end < this.count ? end : undefined };
  }
}
