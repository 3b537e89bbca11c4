// Decides whether the clock may be trusted for deleting old records. A clock that was set by days must delete nothing.
// Invariant: after a step of the clock, or a start with a clock far from the newest record, it is trusted again only
// after a day without another step.

/** A larger difference between two clocks is a step, not drift. In milliseconds. */
const MAX_DRIFT_MS = 3_600_000;
const DAY_MS = 86_400_000;

export interface Clocks {
  /** Milliseconds since the epoch, as the system says. */
  readonly now: () => number;
  /** Milliseconds that never jump (performance.now()). */
  readonly steady: () => number;
}

export class RetentionClock {
  readonly #clocks: Clocks;
  #offsetMs: number;
  /** When the clock is trusted, in steady milliseconds. */
  #trustedFromMs: number;

  /** `newestMs`: about when the newest record was stored, milliseconds since the epoch; 0: there is none. */
  constructor(clocks: Clocks, newestMs: number) {
    this.#clocks = clocks;
    this.#offsetMs = clocks.now() - clocks.steady();
    const isFar = newestMs !== 0 && Math.abs(clocks.now() - newestMs) > 2 * DAY_MS;
    this.#trustedFromMs = isFar ? clocks.steady() + DAY_MS : -Infinity;
  }

  /** True if records may be deleted for their age. To be called at least once an hour. */
  get isTrusted(): boolean {
    const steady = this.#clocks.steady();
    const offsetMs = this.#clocks.now() - steady;
    if (Math.abs(offsetMs - this.#offsetMs) > MAX_DRIFT_MS) this.#trustedFromMs = steady + DAY_MS;
    this.#offsetMs = offsetMs;
    return steady >= this.#trustedFromMs;
  }
}
