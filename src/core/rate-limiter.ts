// Token bucket, for one thread or for several together.
// Invariant: at most twice the rate in any second, and at most the rate in the long run. It needs no timer.
import { ALONE, type ThreadShare } from './shared-arrays.ts';
import { SharedLocks } from './shared-lock.ts';

/** Elements of the memory: tokens, and when they were computed (performance.now(), the same clock in all threads). */
const TOKENS = 0;
const FILLED_MS = 1;
const LENGTH = 2;

/** Holds up to `perSecond` tokens and gains `perSecond` tokens each second. 0 means no limit. */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #bucket: Float64Array;
  /** `undefined` with one thread. */
  readonly #locks: SharedLocks | undefined;

  constructor(perSecond: number, { threads, thread, arrays }: ThreadShare = ALONE) {
    this.#perSecond = perSecond;
    this.#bucket = arrays.float64(LENGTH);
    this.#locks = threads > 1 ? new SharedLocks(arrays.int32(1), thread) : undefined;
    // The main thread makes it first.
    if (thread > 0) return;
    this.#bucket[TOKENS] = perSecond;
    this.#bucket[FILLED_MS] = performance.now();
  }

  /** Takes a token. Returns false if there is none. */
  take(nowMs = performance.now()): boolean {
    if (this.#perSecond === 0) return true;
    this.#locks?.lock(0);
    const isTaken = this.#take(nowMs);
    this.#locks?.unlock(0);
    return isTaken;
  }

  #take(nowMs: number): boolean {
    const bucket = this.#bucket;
    // Another thread may have computed it a moment later.
    const passedMs = Math.max(0, nowMs - bucket[FILLED_MS]!);
    bucket[TOKENS] = Math.min(this.#perSecond, bucket[TOKENS]! + (passedMs * this.#perSecond) / 1000);
    bucket[FILLED_MS]! += passedMs;
    if (bucket[TOKENS] < 1) return false;
    bucket[TOKENS]--;
    return true;
  }
}
