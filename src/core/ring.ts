// A ring of binary frames in shared memory, from one writing thread to one reading thread.
// A frame is contiguous, begins at a multiple of 8 and with its length in bytes (u32, a multiple of 8).
// Invariant: the writer never waits. A frame is visible to the reader once it is whole.

/** Bytes before the frames: head, tail, the sleep flag, the end of the last pass, and spare words. */
const CONTROL_BYTES = 64;
const HEAD = 0;
const TAIL = 1;
const SLEEPS = 2;
/** Where the frames of the last pass over the ring end: behind them the writer went back to the beginning. */
const PASS_END = 3;
const FIRST_COPY_BYTES = 64 * 1024;
/** If nothing is unread, the writer goes back to the beginning here, so that it uses memory that is in the caches. */
const SHORT_PASS_BYTES = 256 * 1024;

/** Makes the shared memory of a ring. `bytes`: a power of two. */
export const ringMemory = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(CONTROL_BYTES + bytes);

/** Bytes of a ring that its reader has not taken yet. */
export function unreadBytesOf(memory: SharedArrayBuffer): number {
  const control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
  return (Atomics.load(control, HEAD) - Atomics.load(control, TAIL)) >>> 0;
}

class RingViews {
  readonly control: Int32Array;
  readonly u8: Uint8Array;
  readonly size: number;
  readonly mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.size = memory.byteLength - CONTROL_BYTES;
    this.mask = this.size - 1;
    this.control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.u8 = new Uint8Array(memory, CONTROL_BYTES);
  }
}

/** The writing side. */
export class RingWriter extends RingViews {
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  #head: number;
  #tail: number;

  constructor(memory: SharedArrayBuffer) {
    super(memory);
    this.u16 = new Uint16Array(memory, CONTROL_BYTES);
    this.u32 = new Uint32Array(memory, CONTROL_BYTES);
    this.f64 = new Float64Array(memory, CONTROL_BYTES);
    this.#head = Atomics.load(this.control, HEAD);
    this.#tail = Atomics.load(this.control, TAIL);
  }

  /** Largest frame that `reserve` can ever find room for. */
  get maxFrame(): number {
    return this.size >> 1;
  }

  /** Returns the offset of room for `bytes` bytes, or -1 if the ring is full. Room that is not committed stays free. */
  reserve(bytes: number): number {
    const at = this.#head & this.mask;
    if (at >= SHORT_PASS_BYTES && Atomics.load(this.control, TAIL) === this.#head)
      return this.#beginEmpty(at);
    const padding = at + bytes > this.size ? this.size - at : 0;
    if (((this.#head - this.#tail) >>> 0) + padding + bytes > this.size) {
      this.#tail = Atomics.load(this.control, TAIL);
      if (((this.#head - this.#tail) >>> 0) + padding + bytes > this.size) return -1;
    }
    if (padding === 0) return at;
    Atomics.store(this.control, PASS_END, at);
    this.#head = (this.#head + padding) | 0;
    return 0;
  }

  /** Publishes the frame at the reserved offset. `bytes`: its length, a multiple of 8. */
  commit(bytes: number): void {
    this.#head = (this.#head + bytes) | 0;
    if ((this.#head & this.mask) === 0) Atomics.store(this.control, PASS_END, this.size);
    Atomics.store(this.control, HEAD, this.#head);
    if (this.control[SLEEPS] === 1) this.wake();
  }

  /** Goes back to the beginning of the ring, which is empty. Until HEAD is stored the reader sees an empty ring. */
  #beginEmpty(at: number): number {
    Atomics.store(this.control, PASS_END, at);
    this.#head = (this.#head + this.size - at) | 0;
    Atomics.store(this.control, HEAD, this.#head);
    // The reader stores the same, if it sees the new head first: there is nothing between.
    Atomics.store(this.control, TAIL, this.#head);
    this.#tail = this.#head;
    return 0;
  }

  /** Wakes the reader although there may be no new frame. */
  wake(): void {
    Atomics.store(this.control, SLEEPS, 0);
    Atomics.notify(this.control, SLEEPS);
  }

  /** Bytes that the reader has not taken yet. */
  get unreadBytes(): number {
    return (this.#head - Atomics.load(this.control, TAIL)) >>> 0;
  }
}

/** The reading side. */
export class RingReader extends RingViews {
  #copy = new Uint8Array(0);

  /** Returns a copy of all unread frames, and frees their room. The copy is valid until the next call. */
  take(): Uint8Array<ArrayBuffer> {
    const head = Atomics.load(this.control, HEAD);
    const tail = Atomics.load(this.control, TAIL);
    if (head === tail) return this.#copy.subarray(0, 0);
    const at = tail & this.mask;
    const end = head & this.mask;
    // Up to the end of the pass, and from the beginning again.
    const isOnePass = at < end;
    const firstEnd = isOnePass ? end : Atomics.load(this.control, PASS_END);
    const first = firstEnd - at;
    const length = first + (isOnePass ? 0 : end);
    // Whole words, for views of other types on the same memory.
    if (this.#copy.length < length) this.#copy = new Uint8Array(Math.max(FIRST_COPY_BYTES, 2 * length));
    this.#copy.set(this.u8.subarray(at, firstEnd));
    if (!isOnePass) this.#copy.set(this.u8.subarray(0, end), first);
    Atomics.store(this.control, TAIL, head);
    return this.#copy.subarray(0, length);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.control, HEAD) === Atomics.load(this.control, TAIL);
  }

  /** Ends a `wait` that runs. For use when the writer has ended. */
  endWait(): void {
    Atomics.store(this.control, SLEEPS, 0);
    Atomics.notify(this.control, SLEEPS);
  }

  /** Resolves when a frame is written or the writer calls `wake`; at once if there are unread frames. */
  async wait(): Promise<void> {
    Atomics.store(this.control, SLEEPS, 1);
    if (!this.isEmpty) {
      Atomics.store(this.control, SLEEPS, 0);
      return;
    }
    const waiting = Atomics.waitAsync(this.control, SLEEPS, 1);
    if (waiting.async) await waiting.value;
  }
}
