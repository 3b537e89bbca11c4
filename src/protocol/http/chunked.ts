// Finds the end of a chunked body without decoding it. Hot path.
// Invariant: how the input is split into pieces changes neither the end that is found nor the bytes that are passed on.
// Removes chunk extensions, since they belong to one connection (RFC 9112 7.1.1), and forbidden trailer fields. All
// other bytes pass unchanged. A line that another parser could end elsewhere (a bare CR or LF) is malformed.
// Source: RFC 9112 7.1.
//
//   SIZE ─► (extensions) ─► SIZE_LF ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE …
//                              └ size 0 ─► TRAILER_START ─► (TRAILER … ─►) END_LF ─► done
import { ChunkExtensionReader } from './chunk-extension.ts';
import { isForbiddenTrailer, isFramingTrailer } from './forwarded-headers.ts';
import type { RemovedHeaders } from './removed-headers.ts';

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

/** Maximum digits of a chunk size. Numbers of this length are exact. */
const MAX_SIZE_DIGITS = 12;
/** Maximum bytes of extensions and trailers, beyond one byte per byte of data. */
const MAX_EXTRA_BYTES = 16 * 1024;

/** Returned by `scan`: the body has not ended. */
export const MORE = -1;
/** Returned by `scan`: the body is malformed. */
export const BROKEN = -2;

/** Value of each hexadecimal digit; 255 for other bytes. */
const HEX = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? 255 : value;
});

/** Entries of `data` that are kept for the next bytes. */
const MAX_KEPT_DATA = 64;

export class ChunkScanner {
  /** Bytes of chunk data so far. */
  payloadBytes = 0;
  /** True if the last scanned bytes must be edited before they are passed on. */
  isEdited = false;
  #isLenient = false;
  #state = SIZE;
  /** Size of the chunk, while its digits are read. */
  #size = 0;
  #digits = 0;
  /** Bytes of data until the end of the chunk. */
  #left = 0;
  #extraBytes = 0;
  /** The trailer line that is being read. */
  #line = '';
  readonly #extension = new ChunkExtensionReader();
  /** Start and end, in pairs, of the parts of the last scanned bytes that are removed. */
  readonly #removed: number[] = [];
  /** Start and end, in pairs, of the data in the last scanned bytes, in the first `dataLength` entries. */
  readonly data: number[] = [];
  dataLength = 0;
  #recordsData = false;
  /** Start of the part that is being removed, or -1. */
  #removedFrom = -1;
  /** The trailer section is being removed. `#trailers` replaces it at the end. */
  #hasTrailers = false;
  /** Trailer lines that may be passed on. */
  #trailers = '';
  #hasEnded = false;
  readonly #removedNames: RemovedHeaders | undefined;

  /** `removed`: trailers that are removed besides the forbidden ones. */
  constructor(removed?: RemovedHeaders) {
    this.#removedNames = removed;
  }

  /**
   * Prepares for another body. `isLenient`, for responses: accepts any extension without control characters, and spaces
   * after a size, as other proxies do. Both are removed. `recordsData`: in `data`.
   */
  reset(isLenient = false, recordsData = false): void {
    this.#recordsData = recordsData;
    this.dataLength = 0;
    this.payloadBytes = 0;
    this.isEdited = false;
    this.#isLenient = isLenient;
    this.#state = SIZE;
    this.#size = 0;
    this.#digits = 0;
    this.#extraBytes = 0;
    this.#hasTrailers = false;
    this.#hasEnded = false;
    this.#removedFrom = -1;
  }

  /** Lines of the trailers of a body that has ended, each with its line end, without those that are removed. */
  get trailers(): string {
    return this.#hasTrailers && this.#hasEnded ? this.#trailers : '';
  }

  /** Scans bytes[from, to). Returns the index after the end of the body, MORE or BROKEN. */
  scan(bytes: Uint8Array, from: number, to: number): number {
    this.isEdited = false;
    this.dataLength = 0;
    if (this.data.length > MAX_KEPT_DATA) this.data.length = 0;
    if (this.#state === EXTENSION || this.#hasTrailers) this.#beginRemoval(from);
    let i = from;
    while (i < to) {
      if (this.#state === DATA) {
        const count = Math.min(this.#left, to - i);
        this.#left -= count;
        this.payloadBytes += count;
        if (this.#recordsData) {
          this.data[this.dataLength++] = i;
          this.data[this.dataLength++] = i + count;
        }
        i += count;
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
            this.#beginRemoval(i - 1);
            // The new state reads this byte again.
            i--;
          } else return BROKEN;
          break;
        }
        case EXTENSION:
          if (byte === CR) {
            if (!this.#extension.canEnd) return BROKEN;
            this.#endRemoval(i - 1);
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
          // Whether a trailer may pass is known at the end of its line, so the section is buffered and passed as a
          // whole.
          if (!this.#hasTrailers) {
            this.#hasTrailers = true;
            this.#trailers = '';
            this.#beginRemoval(i - 1);
          }
          this.#line = '';
          this.#state = TRAILER;
          // The new state reads this byte again.
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
          if (this.#hasTrailers) this.#endRemoval(i);
          return i;
      }
    }
    if (this.#removedFrom !== -1) this.#endRemoval(to);
    return MORE;
  }

  /** Returns what to pass on of bytes[from, end). Call it directly after `scan`, if `isEdited`. */
  edited(bytes: Buffer, from: number, end: number): Buffer {
    const pieces: Buffer[] = [];
    let at = from;
    for (let i = 0; i < this.#removed.length; i += 2) {
      pieces.push(bytes.subarray(at, this.#removed[i]));
      at = this.#removed[i + 1]!;
    }
    pieces.push(bytes.subarray(at, end));
    if (this.#hasEnded && this.#hasTrailers) pieces.push(Buffer.from(`${this.#trailers}\r\n`, 'latin1'));
    return Buffer.concat(pieces);
  }

  #beginRemoval(at: number): void {
    if (!this.isEdited) this.#removed.length = 0;
    this.isEdited = true;
    this.#removedFrom = at;
  }

  #endRemoval(at: number): void {
    this.#removed.push(this.#removedFrom, at);
    this.#removedFrom = -1;
  }

  /** Keeps or drops a complete trailer line. Returns false if the line makes the message malformed. */
  #endTrailer(): boolean {
    const name = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):/.exec(this.#line)?.[1];
    if (name === undefined || isFramingTrailer(name)) return false;
    if (!isForbiddenTrailer(name) && this.#removedNames?.has(name) !== true)
      this.#trailers += `${this.#line}\r\n`;
    return true;
  }
}

/** True for control characters other than tab. */
const isControl = (byte: number): boolean => (byte < 32 && byte !== TAB) || byte === 127;
