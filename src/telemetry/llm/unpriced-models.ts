// Counts requests that ended without a price, by model, since the start.
// Invariant: the number of models is limited, since clients choose their names.

/** A model without a price. */
export interface UnpricedCount {
  readonly model: string;
  readonly requests: number;
  /** Milliseconds since the epoch. */
  readonly lastMs: number;
}

/** Models with counts of their own. */
const MAX_MODELS = 200;

interface Count {
  requests: number;
  lastMs: number;
}

export class UnpricedModels {
  readonly sinceMs = Date.now();
  #requests = 0;
  readonly #models = new Map<string, Count>();

  /** A request has ended without a price. Hot path. */
  add(model: string, nowMs: number): void {
    this.#requests++;
    let count = this.#models.get(model);
    if (count === undefined) {
      if (this.#models.size >= MAX_MODELS) return;
      this.#models.set(model, (count = { requests: 0, lastMs: 0 }));
    }
    count.requests++;
    count.lastMs = nowMs;
  }

  /** Adds the counts of another thread. `requests`: all of them, also those of models that are not in the list. */
  addAll(counts: readonly UnpricedCount[], requests: number): void {
    this.#requests += requests;
    for (const { model, requests: more, lastMs } of counts) {
      const count = this.#models.get(model) ?? { requests: 0, lastMs: 0 };
      if (!this.#models.has(model) && this.#models.size >= MAX_MODELS) continue;
      this.#models.set(model, count);
      count.requests += more;
      count.lastMs = Math.max(count.lastMs, lastMs);
    }
  }

  /** Returns all counts, and begins anew. `undefined`: there are none. */
  take(): { readonly counts: readonly UnpricedCount[]; readonly requests: number } | undefined {
    if (this.#requests === 0) return undefined;
    const taken = { counts: this.list(() => false), requests: this.#requests };
    this.#requests = 0;
    this.#models.clear();
    return taken;
  }

  /** All requests without a price, also those of models that are not in the list. */
  get requests(): number {
    return this.#requests;
  }

  /** The models that `hasPrice` denies, those with most requests first. */
  list(hasPrice: (model: string) => boolean): readonly UnpricedCount[] {
    return Array.from(this.#models, ([model, { requests, lastMs }]) => ({ model, requests, lastMs }))
      .filter(({ model }) => !hasPrice(model))
      .sort((a, b) => b.requests - a.requests);
  }
}
