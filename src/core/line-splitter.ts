// Splits bytes into lines that end with LF, CR or CRLF, from pieces of any size.
// Invariant: the same bytes give the same lines at every split. At most `maxBytes` are held.

const LF = 0x0a;
const CR = 0x0d;
const FIRST_BYTES = 512;
/** Memory that is kept from one line to the next. */
const KEEP_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

/** Of a line that is too long this much is kept, in bytes. */
const CUT_BYTES = 200;

/** Receives each line without its line end. `isCut`: it is longer than `maxBytes`, and `line` is its first 200 bytes. */
export type TakeTextLine = (line: string, isCut: boolean) => void;

export class LineSplitter {
  readonly #take: TakeTextLine;
  readonly #maxBytes: number;
  #held = NOTHING;
  #length = 0;
  #isTooLong = false;
  /** The last byte was a CR: an LF that follows belongs to the same line end. */
  #isAfterCr = false;
  #isFirst = true;

  constructor(take: TakeTextLine, maxBytes: number) {
    this.#take = take;
    this.#maxBytes = maxBytes;
  }

  /** Reads the next bytes. Bytes that are needed later are copied. */
  push(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (buffer.length === 0) return;
    let from = this.#isAfterCr && buffer[0] === LF ? 1 : 0;
    this.#isAfterCr = false;
    let cr = buffer.indexOf(CR, from);
    let lf = buffer.indexOf(LF, from);
    while (cr !== -1 || lf !== -1) {
      const isCr = lf === -1 || (cr !== -1 && cr < lf);
      const end = isCr ? cr : lf;
      this.#give(buffer, from, end);
      from = end + 1;
      if (isCr) {
        if (from === buffer.length) this.#isAfterCr = true;
        else if (buffer[from] === LF) from++;
        cr = buffer.indexOf(CR, from);
      }
      if (lf !== -1 && lf < from) lf = buffer.indexOf(LF, from);
    }
    if (from < buffer.length) this.#hold(buffer, from, buffer.length);
  }

  /** Text after the last line end; its beginning if it is too long. */
  get rest(): string {
    return this.#held.toString('utf8', 0, this.#length);
  }

  /** The bytes have ended: gives the last line, if it has no line end. */
  end(): void {
    if (this.#length > 0 || this.#isTooLong) this.#give(NOTHING, 0, 0);
  }

  #give(buffer: Buffer, from: number, to: number): void {
    if (this.#length > 0 || this.#isTooLong || to - from > this.#maxBytes) {
      this.#hold(buffer, from, to);
      const isTooLong = this.#isTooLong;
      const line = this.#held.toString('utf8', 0, this.#length);
      if (this.#held.length > KEEP_BYTES) this.#held = NOTHING;
      this.#length = 0;
      this.#isTooLong = false;
      this.#line(line, isTooLong);
    } else this.#line(buffer.toString('utf8', from, to), false);
  }

  #line(line: string, isCut: boolean): void {
    // A byte order mark at the beginning of the bytes does not belong to the first line.
    const text = this.#isFirst && line.charCodeAt(0) === 0xfeff ? line.slice(1) : line;
    this.#isFirst = false;
    this.#take(text, isCut);
  }

  #hold(buffer: Buffer, from: number, to: number): void {
    const needed = this.#length + to - from;
    if (this.#isTooLong) return;
    if (needed > this.#maxBytes) {
      const kept = Math.min(CUT_BYTES, this.#maxBytes);
      const held = this.#held.subarray(0, Math.min(this.#length, kept));
      this.#held = Buffer.concat([held, buffer.subarray(from, from + kept - held.length)]);
      this.#length = this.#held.length;
      this.#isTooLong = true;
      return;
    }
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(this.#maxBytes, Math.max(needed, 2 * this.#held.length, FIRST_BYTES)),
      );
      this.#held.copy(larger, 0, 0, this.#length);
      this.#held = larger;
    }
    buffer.copy(this.#held, this.#length, from, to);
    this.#length = needed;
  }
}
