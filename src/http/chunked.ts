// Finds the end of a chunked body without decoding it: the bytes pass through as they are. Hot path.
// Must stay true: any input, split anywhere, ends in step, waiting, or broken; a line that another parser might end
// elsewhere (a bare CR or LF, an odd size) is broken. Source: RFC 9112 7.1.
//
//   SIZE ─► (EXTENSION) ─► SIZE_LF ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE …
//                             └ size 0 ─► TRAILER_START ─► (TRAILER … ─►) END_LF ─► done
import { isForbiddenTrailer } from './headers.ts';

const CR = 13;
const LF = 10;
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
/** Bytes of extensions and trailers in one message: they carry nothing that a model needs. */
const MAX_EXTRA_BYTES = 16 * 1024;

/** What `follow` returns besides a position. */
export const MORE = -1;
export const BROKEN = -2;

/** Hexadecimal digit → its value, else 255. */
const HEX = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? 255 : value;
});

export class ChunkFollower {
  /** Bytes of data in the chunks so far. */
  payloadBytes = 0;
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #left = 0;
  #extraBytes = 0;
  #line = '';

  /** Ready for another message. */
  reset(): void {
    this.payloadBytes = 0;
    this.#state = SIZE;
    this.#size = 0;
    this.#digits = 0;
    this.#extraBytes = 0;
    this.#line = '';
  }

  /** Looks at bytes[from, to): the index behind the body's end, MORE where it has not ended yet, or BROKEN. */
  follow(bytes: Uint8Array, from: number, to: number): number {
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
          else if (byte === SEMICOLON) this.#state = EXTENSION;
          else return BROKEN;
          break;
        }
        case EXTENSION:
          if (byte === CR) this.#state = SIZE_LF;
          else if (isControl(byte) || ++this.#extraBytes > MAX_EXTRA_BYTES) return BROKEN;
          break;
        case SIZE_LF:
          if (byte !== LF) return BROKEN;
          this.#left = this.#size;
          this.#state = this.#size === 0 ? TRAILER_START : DATA;
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
          this.#line = '';
          this.#state = TRAILER;
          // It is the first byte of a trailer line: looked at again as such.
          i--;
          break;
        case TRAILER:
          if (byte === CR) {
            if (!isTrailerLine(this.#line)) return BROKEN;
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
          return byte === LF ? i : BROKEN;
      }
    }
    return MORE;
  }
}

/** Control characters other than the tab; CR is looked for before. */
const isControl = (byte: number): boolean => (byte < 32 && byte !== 9) || byte === 127;

/** A field line whose name may stand in a trailer: nothing that frames, routes or authorises. */
function isTrailerLine(line: string): boolean {
  const name = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):/.exec(line)?.[1];
  return name !== undefined && !isForbiddenTrailer(name);
}
