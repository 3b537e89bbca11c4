// A budget of things a peer may do: a burst, and so many a second. Hot path: `spend` reads no clock within the burst.

export class Budget {
  readonly #burst: number;
  readonly #perSecond: number;
  #used = 0;
  #lastMs = performance.now();

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
  }

  /** Counts `cost`. Returns false if the budget is used up. */
  spend(cost: number): boolean {
    this.#used += cost;
    return this.#used <= this.#burst || this.#refill();
  }

  /** Takes back what was counted, down to nothing. */
  giveBack(cost: number): void {
    this.#used = this.#used > cost ? this.#used - cost : 0;
  }

  #refill(): boolean {
    const now = performance.now();
    this.#used = Math.max(0, this.#used - ((now - this.#lastMs) / 1000) * this.#perSecond);
    this.#lastMs = now;
    return this.#used <= this.#burst;
  }
}
