// Follows a body to its end, with any framing, without holding it. Hot path.
// Must stay true: `isWhole` is true exactly when the body has ended, and no byte behind its end is counted.
// Source: RFC 9112 6.3.
import { BROKEN, ChunkScanner, MORE } from './chunked.ts';

export { BROKEN } from './chunked.ts';

/** How the end of a body is found. BY_CLOSE: the body ends with the connection. */
export const NO_BODY = 0;
export const BY_LENGTH = 1;
export const BY_CHUNKS = 2;
export const BY_CLOSE = 3;
export type Framing = 0 | 1 | 2 | 3;

/** True where an answer to `method` has no body, as its head says (RFC 9110 6.4.1, RFC 9112 6.3). */
export const hasNoBody = (method: string, status: number, contentLength: string | undefined): boolean =>
  method === 'HEAD' || status === 204 || status === 304 || contentLength === '0';

/** One object serves one body after the other. */
export class BodyScanner {
  isWhole = true;
  /** Bytes of the body so far, framing left out. */
  payloadBytes = 0;
  framing: Framing = NO_BODY;
  /** True if the latest bytes do not pass unchanged: `edited` returns what passes. Only for chunked bodies. */
  isEdited = false;
  #left = 0;
  #chunks: ChunkScanner | undefined;

  /** A body begins; `length` counts where it is framed by length. `isAnswer`: its chunks are read as leniently as may be. */
  begin(framing: Framing, length: number, isAnswer = false): void {
    this.framing = framing;
    this.isEdited = false;
    this.payloadBytes = 0;
    this.#left = length;
    this.isWhole = framing === NO_BODY || (framing === BY_LENGTH && length === 0);
    if (framing === BY_CHUNKS) (this.#chunks ??= new ChunkScanner()).reset(isAnswer);
  }

  /** Looks at bytes[from, to) and returns the index behind the last byte that is the body's, or BROKEN. */
  scan(bytes: Uint8Array, from: number, to: number): number {
    if (this.isWhole) return from;
    if (this.framing === BY_CHUNKS) {
      const end = this.#chunks!.scan(bytes, from, to);
      this.payloadBytes = this.#chunks!.payloadBytes;
      this.isEdited = this.#chunks!.isEdited;
      if (end === BROKEN) return BROKEN;
      this.isWhole = end !== MORE;
      return this.isWhole ? end : to;
    }
    const take = this.framing === BY_LENGTH ? Math.min(this.#left, to - from) : to - from;
    this.payloadBytes += take;
    if (this.framing === BY_LENGTH) {
      this.#left -= take;
      this.isWhole = this.#left === 0;
    }
    return from + take;
  }

  /** The part of bytes[from, end) that passes. Call it right after `scan`, if `isEdited`. */
  edited(bytes: Buffer, from: number, end: number): Buffer {
    return this.#chunks!.edited(bytes, from, end);
  }

  /** The connection has ended: true where that is how the body ends. */
  endsWithConnection(): boolean {
    return this.framing === BY_CLOSE;
  }
}
