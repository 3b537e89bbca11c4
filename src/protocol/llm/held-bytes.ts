// Bytes that are kept of a value that comes in pieces. Hot path.
// Invariant: at most MAX_HELD_BYTES are kept; `length` counts all.

/** Of a string or a number that is split, and of a raw value, at most this much is kept. */
export const MAX_HELD_BYTES = 4096;
const FIRST_BYTES = 256;

export class HeldBytes {
  bytes = Buffer.alloc(0);
  /** All bytes that came, also those that were not kept. */
  length = 0;

  /** Copies bytes[from, to), as far as there is room. */
  push(bytes: Buffer, from: number, to: number): void {
    const before = this.length;
    this.length += to - from;
    if (before >= MAX_HELD_BYTES) return;
    const kept = this.kept;
    if (kept > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(MAX_HELD_BYTES, Math.max(FIRST_BYTES, 2 * kept)));
      this.bytes.copy(larger, 0, 0, before);
      this.bytes = larger;
    }
    bytes.copy(this.bytes, before, from, from + kept - before);
  }

  /** Bytes that were kept. */
  get kept(): number {
    return Math.min(this.length, MAX_HELD_BYTES);
  }

  /** All bytes as text; empty if some were not kept. */
  get text(): string {
    return this.length <= MAX_HELD_BYTES ? this.bytes.toString('utf8', 0, this.length) : '';
  }
}
