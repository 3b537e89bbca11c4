// What blocks that come again and again are on a connection to another peer, while its table stays as it is. Hot path.
// Invariant: at most MAX_BLOCKS blocks and MAX_BYTES bytes are kept.
import type { HeaderBlock } from './header-block.ts';

const MAX_BLOCKS = 256;
const MAX_BYTES = 64 * 1024;
/** Longer ones are not kept. */
const MAX_BLOCK_BYTES = 2048;

interface EncodedBlock {
  /** What its fields were filtered by. */
  readonly filter: object;
  readonly bytes: Buffer;
}

export class EncodedBlocks {
  readonly #blocks = new Map<HeaderBlock, EncodedBlock>();
  #bytes = 0;

  /** Number of blocks kept. */
  get count(): number {
    return this.#blocks.size;
  }

  /** Their bytes together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The bytes of a block without the fields that the filter drops; `undefined` if they are not known. */
  find(block: HeaderBlock, filter: object): Buffer | undefined {
    const encoded = this.#blocks.get(block);
    return encoded !== undefined && encoded.filter === filter ? encoded.bytes : undefined;
  }

  /** Keeps a copy of the bytes from `from` to `to`, in place of those for another filter. */
  keep(block: HeaderBlock, filter: object, out: Buffer, from: number, to: number): void {
    if (to - from > MAX_BLOCK_BYTES) return;
    this.#bytes -= this.#blocks.get(block)?.bytes.length ?? 0;
    this.#blocks.delete(block);
    if (this.#blocks.size === MAX_BLOCKS || this.#bytes + to - from > MAX_BYTES) this.clear();
    this.#blocks.set(block, { filter, bytes: Buffer.from(out.subarray(from, to)) });
    this.#bytes += to - from;
  }

  /** Forgets all blocks. Call when the dynamic table has changed. */
  clear(): void {
    if (this.#blocks.size > 0) this.#blocks.clear();
    this.#bytes = 0;
  }
}
