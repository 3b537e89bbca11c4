// Finds the end of a JSON string that may come in pieces. Hot path.
// Invariant: an escaped quote ends no string, at every split.
import { indexOfByte } from './byte-search.ts';
import { BACKSLASH, PLAIN, QUOTE } from './json-bytes.ts';

/** Bytes that are looked at one by one before the quote is searched for. */
const NEAR = 64;

export class TextEnd {
  /** The bytes so far end with an open escape. */
  #isEscaped = false;

  /** A string begins. */
  begin(): void {
    this.#isEscaped = false;
  }

  /** Index of the quote that ends a string, or -1: it goes on after `to`. */
  find(bytes: Buffer, from: number, to: number): number {
    let i = from;
    if (this.#isEscaped) {
      this.#isEscaped = false;
      i++;
    }
    const near = Math.min(to, i + NEAR);
    while (i < near) {
      if (PLAIN[bytes[i]!] === 1) i++;
      else if (bytes[i] === QUOTE) return i;
      else i += 2;
    }
    // From here on quotes are searched for, and the backslashes before them counted.
    let start = i;
    while (i < to) {
      const end = indexOfByte(bytes, QUOTE, i, to);
      let before = end;
      while (before > start && bytes[before - 1] === BACKSLASH) before--;
      const isEscaped = ((end - before) & 1) === 1;
      if (end === to) {
        this.#isEscaped = isEscaped;
        return -1;
      }
      if (!isEscaped) return end;
      i = start = end + 1;
    }
    // An escape was the last byte.
    this.#isEscaped = i > to;
    return -1;
  }
}
