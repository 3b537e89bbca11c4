// FIFO queue of copied bytes. Hot path.
// Invariant: memory is proportional to the number of bytes, and nothing of a caller's buffer is kept. Blocks are used again,
// since new memory for each request costs more than the copy: what `front` and `writeTo` gave must not be used after
// `shift` and `release`.

/** Blocks that are used again have one of two sizes: for a small message, and for large bodies. */
const SMALL_BYTES = 256;
const LARGE_BYTES = 32 * 1024;
/** More than this takes a large block. */
const MEDIUM_BYTES = LARGE_BYTES / 4;
/** Most unused blocks: 256 KiB and 2 MiB. */
const MAX_SPARE_SMALL = 1024;
const MAX_SPARE_LARGE = 64;
const spareSmall: Buffer[] = [];
const spareLarge: Buffer[] = [];

function takeBlock(bytes: number): Buffer {
  if (bytes <= SMALL_BYTES) return spareSmall.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES);
  if (bytes <= MEDIUM_BYTES) return Buffer.allocUnsafeSlow(bytes);
  return spareLarge.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
}

function giveBlock(block: Buffer): void {
  if (block.length === SMALL_BYTES && spareSmall.length < MAX_SPARE_SMALL) spareSmall.push(block);
  if (block.length === LARGE_BYTES && spareLarge.length < MAX_SPARE_LARGE) spareLarge.push(block);
}

export class BlockQueue {
  readonly #blocks: Buffer[] = [];
  /** Bytes in the last block. All blocks before it are full. */
  #used = 0;
  /** Bytes of the first block that were removed. */
  #from = 0;
  /** Number of bytes in the queue. */
  length = 0;

  /** Adds a copy of bytes[from, to). */
  push(bytes: Uint8Array, from: number, to: number): void {
    while (from < to) {
      let last = this.#blocks.at(-1);
      if (last === undefined || this.#used === last.length) {
        last = takeBlock(Math.max(to - from, this.length));
        this.#blocks.push(last);
        this.#used = 0;
      }
      const size = Math.min(to - from, last.length - this.#used);
      last.set(bytes.subarray(from, from + size), this.#used);
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
    return this.#from;
  }

  get frontTo(): number {
    return this.#blocks.length === 1 ? this.#used : this.#blocks[0]!.length;
  }

  /** Removes the first bytes, at most those of `front`. */
  shift(bytes: number): void {
    this.length -= bytes;
    this.#from += bytes;
    if (this.#from < this.frontTo) return;
    giveBlock(this.#blocks.shift()!);
    this.#from = 0;
    if (this.#blocks.length === 0) this.#used = 0;
  }

  /** Calls `write` with all bytes in order, and keeps them. */
  writeTo(write: (bytes: Buffer, from: number, to: number) => void): void {
    const last = this.#blocks.length - 1;
    for (const [i, block] of this.#blocks.entries())
      write(block, i === 0 ? this.#from : 0, i === last ? this.#used : block.length);
  }

  /** Removes all bytes. */
  release(): void {
    for (const block of this.#blocks) giveBlock(block);
    this.#blocks.length = 0;
    this.#used = this.#from = this.length = 0;
  }
}
