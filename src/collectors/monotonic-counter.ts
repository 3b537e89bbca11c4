// A counter that never goes down, made from counters that do: a process that restarts begins at zero again.
// Must stay true: what was counted once stays counted, and nothing is counted twice when the source changes.

/** A counter as its source gives it. */
export interface CounterValues {
  /** Which kind of source: figures of different kinds do not continue each other. */
  readonly kind: string;
  /** Whose figure it is: another process or container of the same kind began at zero. */
  readonly of: string;
  readonly value: number;
  /**
   * What it means when the figure of the same one falls: `restart`, it began at zero again; `loss`, a part of it is
   * out of sight, for a moment (a process between its end and its parent's books) or for good (one that left).
   */
  readonly onFall: 'restart' | 'loss';
}

/** A part that is out of sight for so many readings in a row is lost, and what is left goes on from where it is. */
const LOST_AFTER = 3;

export class MonotonicCounter {
  #total: number | undefined;
  #last: CounterValues | undefined;
  #lowReadings = 0;

  /** Takes the source's figure and returns the total, in the source's unit. */
  add(next: CounterValues): number {
    const last = this.#last;
    const isFallen = last?.kind === next.kind && last.of === next.of && next.value < last.value;
    // Until it is known to be lost, the part may come back, and must not be counted a second time then.
    if (isFallen && next.onFall === 'loss' && ++this.#lowReadings < LOST_AFTER) return this.#total!;
    this.#lowReadings = 0;
    this.#last = next;
    if (last === undefined || this.#total === undefined) return (this.#total = next.value);
    if (last.kind !== next.kind) return this.#total;
    if (last.of !== next.of) return (this.#total += next.value);
    if (!isFallen) return (this.#total += next.value - last.value);
    return next.onFall === 'restart' ? (this.#total += next.value) : this.#total;
  }
}
