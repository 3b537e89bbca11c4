// Limits the bytes of request bodies that all waiting requests buffer together, in all threads.
// Invariant: `bytes` is never above `limit`, and is the sum of what the requests of all threads buffer.

const LINE = 8;

/** Makes the memory of a budget. */
export const budgetMemory = (threads: number): ArrayBufferLike | undefined =>
  threads > 1 ? new SharedArrayBuffer((1 + threads) * LINE * 8) : undefined;

export class BufferBudget {
  readonly limit: number;
  /** Total, and the bytes of each thread; `undefined` with one thread. */
  readonly #shared: BigInt64Array | undefined;
  readonly #thread: number;
  #bytes = 0;

  /** `memory`: shared with other threads. */
  constructor(limit: number, memory?: ArrayBufferLike, thread = 0) {
    this.limit = limit;
    this.#shared = memory && new BigInt64Array(memory);
    this.#thread = thread;
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.#shared === undefined ? this.#bytes : Number(Atomics.load(this.#shared, 0));
  }

  /** Adds bytes. Returns false, and adds none, if the limit would be exceeded. */
  add(bytes: number): boolean {
    const shared = this.#shared;
    if (shared === undefined) {
      if (this.#bytes + bytes > this.limit) return false;
      this.#bytes += bytes;
      return true;
    }
    const added = BigInt(bytes);
    for (;;) {
      const seen = Atomics.load(shared, 0);
      if (Number(seen) + bytes > this.limit) return false;
      if (Atomics.compareExchange(shared, 0, seen, seen + added) !== seen) continue;
      Atomics.add(shared, (1 + this.#thread) * LINE, added);
      return true;
    }
  }

  release(bytes: number): void {
    if (this.#shared === undefined) {
      this.#bytes -= bytes;
      return;
    }
    const released = BigInt(bytes);
    Atomics.sub(this.#shared, (1 + this.#thread) * LINE, released);
    Atomics.sub(this.#shared, 0, released);
  }

  /** Releases the bytes of a thread that has ended. */
  threadLost(thread: number): void {
    const shared = this.#shared!;
    Atomics.sub(shared, 0, Atomics.exchange(shared, (1 + thread) * LINE, 0n));
  }
}
