// The messages of the rows of a block, as UTF-8 bytes one after the other: a page is encoded by copying them, and their
// words are hashed where they are.
// Invariant: the texts of rows that follow each other follow each other in `bytes`. A row without a text has no bytes.

const FIRST_BYTES = 64 * 1024;
/** UTF-8 has at most this many bytes for each UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3;

export class RowTexts {
  /** UTF-8, in which half of a broken pair of surrogates is U+FFFD. */
  bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Offset where the text of each row begins; one more at the end. Up to the row that is being filled. */
  readonly starts: Uint32Array;

  /** `rows`: the largest number of rows. */
  constructor(rows: number) {
    this.starts = new Uint32Array(rows + 1);
  }

  /** Begins a row. It and the rows after it have no text. */
  begin(row: number): void {
    this.starts[row + 1] = this.starts[row]!;
  }

  /** Sets the text of the row that was begun last. */
  set(row: number, text: string): void {
    const start = this.starts[row]!;
    const most = start + text.length * MAX_BYTES_PER_UNIT;
    if (most > this.bytes.length) this.#grow(start, most);
    this.starts[row + 1] = start + this.bytes.write(text, start);
  }

  /** Number of bytes of the text of a row. */
  lengthOf(row: number): number {
    return this.starts[row + 1]! - this.starts[row]!;
  }

  #grow(used: number, most: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, most));
    this.bytes.copy(larger, 0, 0, used);
    this.bytes = larger;
  }
}
