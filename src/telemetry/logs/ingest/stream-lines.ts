// Splits the bytes of a stream of log lines into lines. Not core/line-splitter.ts, since a line here is cut, may
// hold CRs (progress bars), and has a position in its stream.
// Invariant: the same bytes give the same lines at every split, and memory is limited to one line of `maxBytes`.
import { isAscii } from 'node:buffer';
import { marksIn } from './line-marks.ts';

/** Largest buffer that is reused for the next line, in bytes. */
const KEEP_BYTES = 16 * 1024;
const FIRST_BYTES = 512;
const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/** Marks of a line that may have control characters or characters that are not ASCII. */
export const UNMARKED = -1;

/**
 * Receives one line. `bytes`: its length in the stream without the line end. `start`: its offset in the stream. `marks`:
 * line-marks.ts, or UNMARKED.
 */
export type TakeByteLine = (
  text: string,
  isCut: boolean,
  bytes: number,
  start: number,
  marks: number,
) => void;

/** Control characters other than tab, LF and CR. */
// oxlint-disable-next-line no-control-regex -- these are searched
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** The bytes as text; `undefined` if there may be control characters or characters that are not ASCII. */
function asciiText(bytes: Buffer): string | undefined {
  if (!isAscii(bytes)) return undefined;
  const text = bytes.latin1Slice();
  return CONTROL.test(text) ? undefined : text;
}

/**
 * Splits at LF. CRs before it belong to the line end. Progress bars overwrite their line with CRs within it: only the
 * first and the last text between CRs become lines. The first one too, so that a CR in the input of a client cannot
 * hide the beginning of a line. A line longer than `maxBytes` is cut when it ends; the rest is not buffered.
 */
export class StreamLines {
  readonly #maxBytes: number;
  readonly #take: TakeByteLine;
  #held = NOTHING;
  #length = 0;
  /** Bytes of the unfinished line, buffered or not. */
  #total = 0;
  #isOver = false;
  #start = 0;

  constructor(maxBytes: number, take: TakeByteLine) {
    this.#maxBytes = maxBytes;
    this.#take = take;
  }

  /** Offset in the stream where the unfinished line begins. */
  get unfinishedFrom(): number {
    return this.#start;
  }

  /** Adds bytes. They are copied, so the caller may reuse them. */
  push(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // One text for all lines, which are parts of it.
    const ascii = asciiText(buffer);
    let from = 0;
    for (let at = buffer.indexOf(LF); at !== -1; at = buffer.indexOf(LF, from)) {
      if (this.#total === 0 && at - from <= this.#maxBytes)
        this.#emit(buffer, ascii, from, at, at - from, false);
      else {
        this.#hold(buffer, from, at);
        this.#emitHeld();
      }
      this.#start++;
      from = at + 1;
    }
    if (from < buffer.length) this.#hold(buffer, from, buffer.length);
  }

  /** Ends the stream. An unfinished line becomes a line. */
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

  /** Keeps the first and the last text between CRs in a full buffer. Returns false if that frees nothing. */
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
    const end = isOver ? wholeCharacters(held, length) : length;
    this.#emit(held, asciiText(held.subarray(0, end)), 0, end, total, isOver);
  }

  /** `ascii`: the text of the buffer, if it is known. */
  #emit(
    buffer: Buffer,
    ascii: string | undefined,
    from: number,
    to: number,
    bytes: number,
    isCut: boolean,
  ): void {
    const start = this.#start;
    this.#start += bytes;
    while (to > from && buffer[to - 1] === CR) to--;
    let text = ascii === undefined ? buffer.toString('utf8', from, to) : ascii.slice(from, to);
    const marks = ascii === undefined ? UNMARKED : marksIn(buffer, from, to);
    if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    const over = text.lastIndexOf('\r');
    if (over === -1) return this.#take(text, isCut, bytes, start, marks);
    const first = text.slice(0, text.indexOf('\r'));
    if (first !== '') this.#take(first, false, Buffer.byteLength(first), start, marks);
    this.#take(text.slice(over + 1), isCut, bytes, start, marks);
  }
}

/** `length`, or less if a UTF-8 character would be split there. */
function wholeCharacters(buffer: Buffer, length: number): number {
  let lead = length - 1;
  while (lead > length - 4 && lead > 0 && (buffer[lead]! & 0xc0) === 0x80) lead--;
  const byte = buffer[lead] ?? 0;
  const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
  return needs > length - lead ? lead : length;
}
