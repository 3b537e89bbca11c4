// Finds the end of a body with any framing, without buffering it. Hot path.
// Invariant: `isWhole` is true exactly when the body has ended, and no byte after its end is counted.
// Source: RFC 9112 6.3 (message body length).
import { BROKEN, ChunkScanner, MORE } from './chunked.ts';
import type { RemovedHeaders } from './removed-headers.ts';

export { BROKEN } from './chunked.ts';

/** How the end of a body is found. BY_CLOSE: the body ends with the connection. */
export const NO_BODY = 0;
export const BY_LENGTH = 1;
export const BY_CHUNKS = 2;
export const BY_CLOSE = 3;
export type Framing = 0 | 1 | 2 | 3;

/** True if a response has no body, by the request's method and the response's head (RFC 9110 6.4.1, RFC 9112 6.3). */
export const hasNoBody = (method: string, status: number, contentLength: string | undefined): boolean =>
  method === 'HEAD' || status === 204 || status === 304 || contentLength === '0';

/** Gets the parts of a body, in order. */
export interface PayloadSink {
  /** bytes[from, to) are only borrowed: who keeps them copies them. */
  push(bytes: Buffer, from: number, to: number): void;
}

/** Scans one body at a time. Reused for the next body after `begin`. */
export class BodyScanner {
  /** The body has ended. */
  isWhole = true;
  /** Bytes of the body so far, without chunk sizes and trailers. */
  payloadBytes = 0;
  framing: Framing = NO_BODY;
  /** True if the last scanned bytes must be edited before they are passed on. Only in chunked bodies. */
  isEdited = false;
  /** Bytes until the end of a body that is framed by length. */
  #left = 0;
  #chunks: ChunkScanner | undefined;
  readonly #removed: RemovedHeaders | undefined;

  /** `removed`: trailers that are removed from chunked bodies, besides the forbidden ones. */
  constructor(removed?: RemovedHeaders) {
    this.#removed = removed;
  }

  /**
   * Begins a body. `length`: its bytes, if framed by length. `isResponse`: chunks are read leniently (see
   * ChunkScanner). `isCopied`: `copyPayload` is used.
   */
  begin(framing: Framing, length: number, isResponse = false, isCopied = false): void {
    this.framing = framing;
    this.isEdited = false;
    this.payloadBytes = 0;
    this.#left = length;
    this.isWhole = framing === NO_BODY || (framing === BY_LENGTH && length === 0);
    if (framing === BY_CHUNKS) (this.#chunks ??= new ChunkScanner(this.#removed)).reset(isResponse, isCopied);
  }

  /** Scans bytes[from, to). Returns the index after the last byte of the body, or BROKEN if chunks are malformed. */
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
    const count = this.framing === BY_LENGTH ? Math.min(this.#left, to - from) : to - from;
    this.payloadBytes += count;
    if (this.framing === BY_LENGTH) {
      this.#left -= count;
      this.isWhole = this.#left === 0;
    }
    return from + count;
  }

  /** Returns what to pass on of bytes[from, end). Call it directly after `scan`, if `isEdited`. */
  edited(bytes: Buffer, from: number, end: number): Buffer {
    return this.#chunks!.edited(bytes, from, end);
  }

  /** Gives the body in bytes[from, end), without framing, to `sink`. Call it directly after `scan`. */
  copyPayload(bytes: Buffer, from: number, end: number, sink: PayloadSink): void {
    if (end === from) return;
    if (this.framing !== BY_CHUNKS) return sink.push(bytes, from, end);
    const { data, dataLength } = this.#chunks!;
    for (let i = 0; i < dataLength; i += 2) sink.push(bytes, data[i]!, data[i + 1]!);
  }

  /** True if the end of the connection is the end of the body. */
  endsWithConnection(): boolean {
    return this.framing === BY_CLOSE;
  }
}
