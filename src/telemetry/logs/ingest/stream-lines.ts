// Bytes of a stream, in pieces of any size, to lines.
// Must stay true: the same bytes give the same lines however they were cut up on the way, and memory is bounded by
// the longest line that is allowed, whatever comes.

/** Memory that is kept from one line to the next. */
const KEEP_BYTES = 16 * 1024;
const FIRST_BYTES = 512;
const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/** One line. `bytes`: its length in the stream, without its end. `start`: where in the stream it began. */
export type TakeByteLine = (text: string, isCut: boolean, bytes: number, start: number) => void;

/**
 * Cuts at LF. CRs at the end belong to the line's end. A CR within it is how progress bars draw over themselves:
 * the first and the last text between CRs are given as lines, what was drawn over is not. (The first too, because what
 * a line begins with must not vanish for a CR that somebody smuggled into it.)
 * A line longer than `maxBytes` is given cut, once it ends, and what is too much is never held.
 */
export class StreamLines {
  readonly #maxBytes: number;
  readonly #take: TakeByteLine;
  #held = NOTHING;
  #length = 0;
  /** Bytes of the unfinished line, held or not. */
  #total = 0;
  #isOver = false;
  #start = 0;

  constructor(maxBytes: number, take: TakeByteLine) {
    this.#maxBytes = maxBytes;
    this.#take = take;
  }

  /** Where in the stream the line begins that is not finished. */
  get unfinishedFrom(): number {
    return this.#start;
  }

  /** Takes bytes that stay the caller's: nothing of them is kept but by copy. */
  push(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let from = 0;
    for (let at = buffer.indexOf(LF); at !== -1; at = buffer.indexOf(LF, from)) {
      if (this.#total === 0 && at - from <= this.#maxBytes) this.#emit(buffer, from, at, at - from, false);
      else {
        this.#hold(buffer, from, at);
        this.#emitHeld();
      }
      this.#start++;
      from = at + 1;
    }
    if (from < buffer.length) this.#hold(buffer, from, buffer.length);
  }

  /** The stream has ended: what is there of its last line is a line. */
  end(): void {
    if (this.#total > 0) this.#emitHeld();
  }

  #hold(buffer: Buffer, from: number, to: number): void {
    this.#total += to - from;
    while (from < to && !this.#isOver) {
      const piece = Math.min(to - from, this.#maxBytes - this.#length);
      if (piece === 0) {
        this.#isOver = !this.#dropOverwritten();
        continue;
      }
      this.#grow(piece);
      buffer.copy(this.#held, this.#length, from, from + piece);
      this.#length += piece;
      from += piece;
    }
  }

  #grow(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#held.length) return;
    const larger = Buffer.allocUnsafeSlow(
      Math.min(this.#maxBytes, Math.max(needed, 2 * this.#held.length, FIRST_BYTES)),
    );
    this.#held.copy(larger, 0, 0, this.#length);
    this.#held = larger;
  }

  /** Of a full buffer keeps the first and the last text between CRs. False: that makes no room. */
  #dropOverwritten(): boolean {
    const held = this.#held.subarray(0, this.#length);
    const firstEnd = held.indexOf(CR);
    let end = held.length;
    while (end > 0 && held[end - 1] === CR) end--;
    const last = held.subarray(0, end).lastIndexOf(CR);
    if (last <= firstEnd) return false;
    held.copy(held, firstEnd, last);
    this.#length -= last - firstEnd;
    return true;
  }

  #emitHeld(): void {
    const [held, length, total, isOver] = [this.#held, this.#length, this.#total, this.#isOver];
    this.#length = this.#total = 0;
    this.#isOver = false;
    if (held.length > KEEP_BYTES) this.#held = NOTHING;
    this.#emit(held, 0, isOver ? wholeCharacters(held, length) : length, total, isOver);
  }

  #emit(buffer: Buffer, from: number, to: number, bytes: number, isCut: boolean): void {
    const start = this.#start;
    this.#start += bytes;
    while (to > from && buffer[to - 1] === CR) to--;
    let text = buffer.toString('utf8', from, to);
    if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    const over = text.lastIndexOf('\r');
    if (over === -1) return this.#take(text, isCut, bytes, start);
    const first = text.slice(0, text.indexOf('\r'));
    if (first !== '') this.#take(first, false, Buffer.byteLength(first), start);
    this.#take(text.slice(over + 1), isCut, bytes, start);
  }
}

/** `length`, or less where a UTF-8 character would be cut in two. */
function wholeCharacters(buffer: Buffer, length: number): number {
  let lead = length - 1;
  while (lead > length - 4 && lead > 0 && (buffer[lead]! & 0xc0) === 0x80) lead--;
  const byte = buffer[lead] ?? 0;
  const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
  return needs > length - lead ? lead : length;
}
