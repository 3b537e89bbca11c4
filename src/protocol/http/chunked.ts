// Finds the end of a chunked body without decoding it. Nearly all bytes pass through as they are. Hot path.
// Removed are chunk extensions, which are for one connection only, and forbidden trailer fields.
// Invariant: any input, split anywhere, ends in step, waiting, or broken, and what passes does not depend on the splits. A line
// that another parser might end elsewhere (a bare CR or LF, an odd size) is broken. Source: RFC 9112 7.1.
//
//   SIZE ─► (extensions) ─► SIZE_LF ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE …
//                              └ size 0 ─► TRAILER_START ─► (TRAILER … ─►) END_LF ─► done
import { ChunkExtensionReader } from './chunk-extension.ts';
import { isForbiddenTrailer, isFramingTrailer } from './forwarded-headers.ts';

const CR = 13;
const LF = 10;
const SP = 32;
const TAB = 9;
const SEMICOLON = 59;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER_START = 6;
const TRAILER = 7;
const TRAILER_LF = 8;
const END_LF = 9;

/** Digits of a chunk size; more than this and the number is no longer exact. */
const MAX_SIZE_DIGITS = 12;
/** Bytes of extensions and trailers in a message may exceed its data by this many. */
const MAX_EXTRA_BYTES = 16 * 1024;

/** What `scan` returns besides a position. */
export const MORE = -1;
export const BROKEN = -2;

/** Hexadecimal digit → its value, else 255. */
const HEX = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? 255 : value;
});

export class ChunkScanner {
  /** Bytes of data in the chunks so far. */
  payloadBytes = 0;
  /** True if the latest bytes do not pass unchanged: `edited` returns what passes. */
  isEdited = false;
  #isLenient = false;
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #left = 0;
  #extraBytes = 0;
  #line = '';
  readonly #extension = new ChunkExtensionReader();
  /** Begin and end, in pairs, of the parts of the latest bytes that are cut out. */
  readonly #cuts: number[] = [];
  /** Where an unfinished cut began, or -1. */
  #cutFrom = -1;
  /** The trailer section is cut out, and `#trailers` stands for it once it has ended. */
  #hasTrailers = false;
  #trailers = '';
  #hasEnded = false;

  /**
   * Ready for another message. `isLenient`: it is an answer, where any extension without a control character is accepted, and
   * blanks behind a size, as other proxies accept them. Both are cut out.
   */
  reset(isLenient = false): void {
    this.payloadBytes = 0;
    this.isEdited = false;
    this.#isLenient = isLenient;
    this.#state = SIZE;
    this.#size = 0;
    this.#digits = 0;
    this.#extraBytes = 0;
    this.#hasTrailers = false;
    this.#hasEnded = false;
    this.#cutFrom = -1;
  }

  /** Looks at bytes[from, to): the index behind the body's end, MORE where it has not ended yet, or BROKEN. */
  scan(bytes: Uint8Array, from: number, to: number): number {
    this.isEdited = false;
    if (this.#state === EXTENSION || this.#hasTrailers) this.#beginCut(from);
    let i = from;
    while (i < to) {
      if (this.#state === DATA) {
        const take = Math.min(this.#left, to - i);
        this.#left -= take;
        this.payloadBytes += take;
        i += take;
        if (this.#left === 0) this.#state = DATA_CR;
        continue;
      }
      const byte = bytes[i++]!;
      switch (this.#state) {
        case SIZE: {
          const digit = HEX[byte]!;
          if (digit !== 255) {
            if (++this.#digits > MAX_SIZE_DIGITS) return BROKEN;
            this.#size = this.#size * 16 + digit;
          } else if (this.#digits === 0) return BROKEN;
          else if (byte === CR) this.#state = SIZE_LF;
          else if (byte === SEMICOLON || byte === SP || byte === TAB) {
            this.#state = EXTENSION;
            this.#extension.begin(this.#isLenient);
            this.#beginCut(i - 1);
            // It is the first byte of the cut, so it is read again in the new state.
            i--;
          } else return BROKEN;
          break;
        }
        case EXTENSION:
          if (byte === CR) {
            if (!this.#extension.canEnd) return BROKEN;
            this.#endCut(i - 1);
            this.#state = SIZE_LF;
          } else if (!this.#extension.read(byte) || ++this.#extraBytes > MAX_EXTRA_BYTES) return BROKEN;
          break;
        case SIZE_LF:
          if (byte !== LF) return BROKEN;
          this.#left = this.#size;
          this.#state = this.#size === 0 ? TRAILER_START : DATA;
          if (this.#extraBytes > 0) this.#extraBytes = Math.max(0, this.#extraBytes - this.#size);
          this.#size = 0;
          this.#digits = 0;
          break;
        case DATA_CR:
          if (byte !== CR) return BROKEN;
          this.#state = DATA_LF;
          break;
        case DATA_LF:
          if (byte !== LF) return BROKEN;
          this.#state = SIZE;
          break;
        case TRAILER_START:
          if (byte === CR) {
            this.#state = END_LF;
            break;
          }
          // It is known only at the end of a field whether it passes, so the section is held back and passes as a whole.
          if (!this.#hasTrailers) {
            this.#hasTrailers = true;
            this.#trailers = '';
            this.#beginCut(i - 1);
          }
          this.#line = '';
          this.#state = TRAILER;
          // It is the first byte of a trailer line: looked at again as such.
          i--;
          break;
        case TRAILER:
          if (byte === CR) {
            if (!this.#endTrailer()) return BROKEN;
            this.#state = TRAILER_LF;
          } else if (isControl(byte) || ++this.#extraBytes > MAX_EXTRA_BYTES) return BROKEN;
          else this.#line += String.fromCharCode(byte);
          break;
        case TRAILER_LF:
          if (byte !== LF) return BROKEN;
          this.#state = TRAILER_START;
          break;
        default:
          // END_LF
          if (byte !== LF) return BROKEN;
          this.#hasEnded = true;
          if (this.#hasTrailers) this.#endCut(i);
          return i;
      }
    }
    if (this.#cutFrom !== -1) this.#endCut(to);
    return MORE;
  }

  /** The part of bytes[from, end) that passes. Call it right after `scan`, if `isEdited`. */
  edited(bytes: Buffer, from: number, end: number): Buffer {
    const pieces: Buffer[] = [];
    let at = from;
    for (let i = 0; i < this.#cuts.length; i += 2) {
      pieces.push(bytes.subarray(at, this.#cuts[i]));
      at = this.#cuts[i + 1]!;
    }
    pieces.push(bytes.subarray(at, end));
    if (this.#hasEnded && this.#hasTrailers) pieces.push(Buffer.from(`${this.#trailers}\r\n`, 'latin1'));
    return Buffer.concat(pieces);
  }

  #beginCut(at: number): void {
    if (!this.isEdited) this.#cuts.length = 0;
    this.isEdited = true;
    this.#cutFrom = at;
  }

  #endCut(at: number): void {
    this.#cuts.push(this.#cutFrom, at);
    this.#cutFrom = -1;
  }

  /** Keeps or drops a complete trailer line; false if it makes the message malformed. */
  #endTrailer(): boolean {
    const name = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):/.exec(this.#line)?.[1];
    if (name === undefined || isFramingTrailer(name)) return false;
    if (!isForbiddenTrailer(name)) this.#trailers += `${this.#line}\r\n`;
    return true;
  }
}

/** Control characters other than the tab. CR was handled before. */
const isControl = (byte: number): boolean => (byte < 32 && byte !== TAB) || byte === 127;
