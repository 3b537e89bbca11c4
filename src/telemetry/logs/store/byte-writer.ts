// Collects bytes in memory that grows and is used again, since the recorder encodes a page for every drain.
// Invariant: bytes before `end` stay as they were written until `reset`.

const FIRST_BYTES = 64 * 1024;

export class ByteWriter {
  bytes: Uint8Array<ArrayBuffer>;
  end = 0;
  #view: DataView;
  #scratch: Float64Array<ArrayBuffer>;

  /** `bytes`: memory to begin with. */
  constructor(bytes = FIRST_BYTES) {
    this.bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.bytes.buffer);
    this.#scratch = new Float64Array(0);
  }

  /** Begins anew. Parts that were taken have no meaning any more. */
  reset(): void {
    this.end = 0;
  }

  /** Makes room for more bytes, and returns the offset where they begin. They are zero. */
  reserve(count: number): number {
    const at = this.#extend(count);
    this.bytes.fill(0, at, this.end);
    return at;
  }

  putU32(value: number): void {
    const at = this.reserve(4);
    this.#view.setUint32(at, value, true);
  }

  setF64(at: number, value: number): void {
    this.#view.setFloat64(at, value, true);
  }

  put(bytes: Uint8Array): void {
    const at = this.#extend(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** The bytes from `from` on. They share the memory of the writer. */
  part(from: number): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(from, this.end);
  }

  /** Memory for `count` numbers, for one use at a time. */
  scratch(count: number): Float64Array<ArrayBuffer> {
    if (this.#scratch.length < count) this.#scratch = new Float64Array(2 * count);
    return this.#scratch;
  }

  #extend(count: number): number {
    const at = this.end;
    this.end += count;
    if (this.end > this.bytes.length) {
      const larger = new Uint8Array(2 * this.end);
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
