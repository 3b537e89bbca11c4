// One coarse clock for all deadlines: a single timer sweeps whoever is being watched.
// Must stay true: no timer per request, none at all while nobody is watched, and a watched one is swept until
// it is let go. Deadlines are met to within one sweep (100 ms). Hot path: watch and unwatch only.

/** How far apart sweeps are: the coarseness of every deadline. */
export const SWEEP_MS = 100;

export interface Watched {
  /** Where in the list it stands, -1 while it is not watched. Belongs to `Deadlines`. */
  watchSlot: number;
  /** Called on every sweep with performance.now(); may unwatch itself or others. */
  sweep(nowMs: number): void;
}

export class Deadlines {
  readonly #watched: Watched[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** Begins to sweep `item`. */
  watch(item: Watched): void {
    item.watchSlot = this.#watched.length;
    this.#watched.push(item);
    this.#timer ??= setInterval(() => this.#sweepAll(), SWEEP_MS).unref();
  }

  /** Ends it; harmless when it is not watched. The last of the list takes the free place. */
  unwatch(item: Watched): void {
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

  #sweepAll(): void {
    if (this.#watched.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const now = performance.now();
    // Backwards: an item that unwatches itself is replaced by one that was swept already.
    for (let i = this.#watched.length - 1; i >= 0; i--) this.#watched[i]?.sweep(now);
  }
}
