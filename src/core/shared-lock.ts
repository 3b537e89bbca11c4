// Locks for state that several threads change: each is one word of shared memory.
// Invariant: a thread holds a lock for some hundred nanoseconds and calls nothing meanwhile, so a lock that is held for
// LOST_MS belongs to a thread that was ended in between, and is taken over.

const FREE = 0;
/** Tries before the thread sleeps between two of them. */
const SPINS = 100;
/** Sleep between two tries, in milliseconds. */
const SLEEP_MS = 0.05;
/** A lock that is held for so long, in milliseconds, has no owner any more. */
const LOST_MS = 200;

export class SharedLocks {
  readonly #words: Int32Array;
  /** Word of a lock that this thread holds. */
  readonly #mine: number;

  /** `words`: one for each lock, in shared memory. `thread`: number of this thread, from 0. */
  constructor(words: Int32Array, thread: number) {
    this.#words = words;
    this.#mine = thread + 1;
  }

  /** Waits for a lock and takes it. The thread must not have it already. */
  lock(at: number): void {
    if (Atomics.compareExchange(this.#words, at, FREE, this.#mine) !== FREE) this.#wait(at);
  }

  unlock(at: number): void {
    Atomics.compareExchange(this.#words, at, this.#mine, FREE);
  }

  #wait(at: number): void {
    const words = this.#words;
    let sinceMs = 0;
    let holder = FREE;
    for (let tries = 1; ; tries++) {
      const found = Atomics.compareExchange(words, at, FREE, this.#mine);
      if (found === FREE) return;
      if (tries < SPINS) continue;
      const nowMs = performance.now();
      if (found !== holder) [holder, sinceMs] = [found, nowMs];
      else if (nowMs - sinceMs > LOST_MS && Atomics.compareExchange(words, at, found, this.#mine) === found)
        return;
      Atomics.wait(words, at, found, SLEEP_MS);
    }
  }
}
