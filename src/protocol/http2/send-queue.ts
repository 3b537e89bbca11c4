// Bytes of one stream that wait to be sent, and what follows them.
// Invariant: memory is proportional to the number of bytes, and nothing of a caller's buffer is kept.
import type { DeferredHead } from './header-writer.ts';

const MIN_BLOCK_BYTES = 256;
const MAX_BLOCK_BYTES = 32 * 1024;

export class SendQueue {
  readonly #blocks: Buffer[] = [];
  /** Bytes in the last block. All blocks before it are full. */
  #used = 0;
  /** Bytes of the first block that were sent. */
  #sent = 0;
  /** Bytes that wait. */
  length = 0;
  /** The stream ends after these bytes, or after `trailers`. */
  isEnd = false;
  /** Header section that is sent after the bytes. */
  trailers: DeferredHead | undefined = undefined;

  /** Adds a copy of bytes[from, to). */
  push(bytes: Buffer, from: number, to: number): void {
    while (from < to) {
      let last = this.#blocks.at(-1);
      if (last === undefined || this.#used === last.length) {
        const size = Math.max(MIN_BLOCK_BYTES, Math.min(MAX_BLOCK_BYTES, Math.max(to - from, this.length)));
        last = Buffer.allocUnsafeSlow(size);
        this.#blocks.push(last);
        this.#used = 0;
      }
      const size = Math.min(to - from, last.length - this.#used);
      bytes.copy(last, this.#used, from, from + size);
      this.#used += size;
      this.length += size;
      from += size;
    }
  }

  /** The first bytes are in front[frontFrom, frontTo). */
  get front(): Buffer {
    return this.#blocks[0]!;
  }

  get frontFrom(): number {
    return this.#sent;
  }

  get frontTo(): number {
    return this.#blocks.length === 1 ? this.#used : this.#blocks[0]!.length;
  }

  /** Removes the first bytes, at most those of `front`. */
  shift(bytes: number): void {
    this.length -= bytes;
    this.#sent += bytes;
    if (this.#sent < this.frontTo) return;
    this.#blocks.shift();
    this.#sent = 0;
    if (this.#blocks.length === 0) this.#used = 0;
  }
}
