// At most so many a second. Must stay true: over any second no more than twice the rate, in the long run never more than
// the rate; asking costs no timer.

/** A bucket of tokens that fills at `perSecond` up to one second's worth. 0: no limit. */
export class RateLimiter {
  readonly #perSecond: number;
  #tokens: number;
  #filledMs = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** Takes a token; false when there is none. */
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
