// Makes a counter that never decreases from counters that restart at zero with their process.
// Invariant: the total never decreases, and a change of the source counts nothing twice.

/** The value of a source's counter. */
export interface CounterValues {
  /** Kind of source. Counters of different kinds are not comparable. */
  readonly kind: string;
  /** The process or container that is counted. A new owner of the same kind started at zero. */
  readonly owner: string;
  readonly value: number;
  /**
   * What a decrease means if kind and owner are the same. `restart`: the counter started at zero again. `loss`: a part
   * is not visible, for a moment (a process that ended and is not yet added to its parent) or for good (one that left).
   */
  readonly onDecrease: 'restart' | 'loss';
}

/** After this many lower values in a row a part is lost for good, and the counter continues from the lower value. */
const LOST_AFTER = 3;

export class MonotonicCounter {
  #total: number | undefined;
  #last: CounterValues | undefined;
  #lowReadings = 0;

  /** Adds a value of the source. Returns the total, in the source's unit. */
  add(next: CounterValues): number {
    const last = this.#last;
    const isDecrease = last?.kind === next.kind && last.owner === next.owner && next.value < last.value;
    // The part may become visible again, and must not be counted twice then.
    if (isDecrease && next.onDecrease === 'loss' && ++this.#lowReadings < LOST_AFTER) return this.#total!;
    this.#lowReadings = 0;
    this.#last = next;
    if (last === undefined || this.#total === undefined) return (this.#total = next.value);
    if (last.kind !== next.kind) return this.#total;
    if (last.owner !== next.owner) return (this.#total += next.value);
    if (!isDecrease) return (this.#total += next.value - last.value);
    return next.onDecrease === 'restart' ? (this.#total += next.value) : this.#total;
  }
}
