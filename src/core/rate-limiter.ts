// Token bucket.
// Invariant: at most twice the rate in any second, and at most the rate in the long run. It needs no timer.

/** Holds up to `perSecond` tokens and gains `perSecond` tokens each second. 0 means no limit. */
export class RateLimiter {
  readonly #perSecond: number;
  #tokens: number;
  #filledMs = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** Takes a token. Returns false if there is none. */
  take(nowMs = performance.now()): boolean {
    if (this.#perSecond === 0) return true;
    this.#tokens = Math.min(
      this.#perSecond,
      this.#tokens + ((nowMs - this.#filledMs) * this.#perSecond) / 1000,
    );
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
