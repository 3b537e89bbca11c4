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
