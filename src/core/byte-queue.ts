// FIFO buffer of body bytes. Hot path.
// Invariant: memory is proportional to the number of bytes, not of pieces. A piece is a view of a 64 KiB socket buffer,
// so keeping a piece of one byte would keep the whole buffer.

/** Pieces of at least this size are kept without a copy. */
const LARGE_BYTES = 16 * 1024;
/** Smaller pieces are copied into blocks. Each block is twice as large as the one before, up to this size. */
const MAX_BLOCK_BYTES = 32 * 1024;
const MIN_BLOCK_BYTES = 256;

export class ByteQueue {
  /** Full blocks and large pieces. */
  readonly #full: Uint8Array[] = [];
  /** The block that is being filled, and the number of bytes in it. */
  #block: Buffer | undefined;
  #used = 0;
  /** Total bytes. */
  length = 0;

  /** True if `push` copies the piece, so that it may be modified afterwards. */
  static copies(piece: Uint8Array): boolean {
    return piece.length < LARGE_BYTES;
  }

  /** Adds a piece, which must not be modified afterwards unless it was copied. */
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

  /** Writes all bytes and keeps them. Returns the result of the last `write`: false asks for a pause until `drain`. */
  writeTo(stream: { write(bytes: Uint8Array): boolean }): boolean {
    let hasRoom = true;
    for (const bytes of this.#full) hasRoom = stream.write(bytes);
    // No copy is needed, since later pieces are appended after these bytes.
    if (this.#used > 0) hasRoom = stream.write(this.#block!.subarray(0, this.#used));
    return hasRoom;
  }

  #closeBlock(): void {
    if (this.#used > 0) this.#full.push(this.#block!.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }
}
