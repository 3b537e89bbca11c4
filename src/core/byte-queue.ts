// Bytes that are kept for a while, in the order they came. Hot path.
// Must stay true: they take memory in proportion to how many they are, not to how many pieces they came in: a piece is a
// view of what a socket has read, and a byte that is kept as one holds some hundred others and 64 KiB of the socket's.

/** Pieces from here on are kept as they are: they are worth what they hold. */
const LARGE_BYTES = 16 * 1024;
/** Small ones are copied into blocks, each twice the one before up to this. */
const MAX_BLOCK_BYTES = 32 * 1024;
const MIN_BLOCK_BYTES = 256;

export class ByteQueue {
  /** Blocks that are full, and large pieces. */
  readonly #full: Uint8Array[] = [];
  /** The block that has room, and how much of it is used. */
  #block: Buffer | undefined;
  #used = 0;
  /** Bytes in all. */
  length = 0;

  /** Adds a piece; what it holds must not be written to afterwards. */
  push(piece: Uint8Array): void {
    this.length += piece.length;
    if (piece.length >= LARGE_BYTES) {
      this.#closeBlock();
      this.#full.push(piece);
      return;
    }
    if (this.#block === undefined || this.#block.length - this.#used < piece.length) {
      const size = Math.min(MAX_BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, this.length));
      this.#closeBlock();
      this.#block = Buffer.allocUnsafe(Math.max(size, piece.length));
    }
    this.#block.set(piece, this.#used);
    this.#used += piece.length;
  }

  /** Writes all of it; false where the stream has had enough. It stays kept. */
  writeTo(stream: { write(bytes: Uint8Array): boolean }): boolean {
    let hasRoom = true;
    for (const bytes of this.#full) hasRoom = stream.write(bytes);
    // Later pieces are added behind what was written: those bytes do not change.
    if (this.#used > 0) hasRoom = stream.write(this.#block!.subarray(0, this.#used));
    return hasRoom;
  }

  #closeBlock(): void {
    if (this.#used > 0) this.#full.push(this.#block!.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }
}
