// One timer for all deadlines: every 100 ms it calls `expire` of each watched item. Hot path: watch and unwatch only,
// which cost no memory. A Set that every request enters and leaves keeps the ended ones alive in its old tables.
// Invariant: there is no timer per item and none while no item is watched; a watched item is swept until `unwatch`.

/** Interval of sweeps, in milliseconds: the accuracy of every deadline. */
export const SWEEP_MS = 100;

export interface Expiring {
  /** Index in the list of watched items, -1 while it is not watched. Only `Deadlines` writes it. */
  watchSlot: number;
  /** Called on every sweep with performance.now(). May unwatch this and other items. */
  expire(nowMs: number): void;
}

export class Deadlines<Item extends Expiring = Expiring> {
  readonly #watched: Item[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** Starts to sweep `item`, which must not be watched. */
  watch(item: Item): void {
    item.watchSlot = this.#watched.length;
    this.#watched.push(item);
    this.#timer ??= setInterval(() => this.#sweepAll(), SWEEP_MS).unref();
  }

  /** Stops to sweep `item`. Does nothing if it is not watched. The last item of the list moves into the gap. */
  unwatch(item: Item): void {
    const slot = item.watchSlot;
    if (slot === -1) return;
    const last = this.#watched.pop()!;
    if (last !== item) {
      this.#watched[slot] = last;
      last.watchSlot = slot;
    }
    item.watchSlot = -1;
  }

  get size(): number {
    return this.#watched.length;
  }

  /** Calls `visit` for each watched item. It may unwatch this and other items. */
  each(visit: (item: Item) => void): void {
    for (const item of this.#watched.slice()) if (item.watchSlot !== -1) visit(item);
  }

  #sweepAll(): void {
    if (this.#watched.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const now = performance.now();
    // From the end, since the gap of an item that unwatches itself is filled with one that was swept already.
    for (let i = this.#watched.length - 1; i >= 0; i--) this.#watched[i]?.expire(now);
  }
}
