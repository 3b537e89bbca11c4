// Finds the price of a model: compiled once for each time in which the same prices are valid. Hot path.
// Invariant: the price is the one that a search through all entries would find, whatever was looked up before.
import type { TokenPrice } from '../../core/exchange/llm-facts.ts';
import { PatternIndex } from '../../core/pattern-index.ts';
import type { PriceEntry } from './options.ts';

/** Names whose price is remembered. Clients choose names, so their number is limited. */
const MAX_NAMES = 1000;

export class PriceTable {
  /** Entries with the same `model`, in the order in which they are tried. */
  readonly #groups: readonly (readonly PriceEntry[])[];
  readonly #currency: string;
  /** The compiled prices are valid in [from, until): Date.now(). */
  #fromMs = Infinity;
  #untilMs = -Infinity;
  #prices = new PatternIndex<TokenPrice>();
  readonly #found = new Map<string, TokenPrice | undefined>();

  /** `lists`: entries in the order in which they are tried. Entries of different lists are never one group. */
  constructor(lists: readonly (readonly PriceEntry[])[], currency: string) {
    this.#groups = lists.flatMap((list) => Array.from(Map.groupBy(list, ({ model }) => model).values()));
    this.#currency = currency;
  }

  /** The price of a model at a time (Date.now()); `undefined` if there is none. An empty name matches `*` only. */
  priceOf(model: string, nowMs: number): TokenPrice | undefined {
    if (nowMs < this.#fromMs || nowMs >= this.#untilMs) this.#compile(nowMs);
    const known = this.#found.get(model);
    if (known !== undefined || this.#found.has(model)) return known;
    const price = this.#prices.first(model);
    if (this.#found.size >= MAX_NAMES) this.#found.clear();
    this.#found.set(model, price);
    return price;
  }

  /** Takes the prices that are valid at this time, and finds out how long they are. */
  #compile(nowMs: number): void {
    this.#found.clear();
    this.#prices = new PatternIndex();
    this.#fromMs = -Infinity;
    this.#untilMs = Infinity;
    for (const group of this.#groups) {
      let entry: PriceEntry | undefined;
      let entryFromMs = -Infinity;
      for (const one of group) {
        const fromMs = one.valid_from ?? -Infinity;
        if (fromMs > nowMs) this.#untilMs = Math.min(this.#untilMs, fromMs);
        else {
          this.#fromMs = Math.max(this.#fromMs, fromMs);
          if (entry === undefined || fromMs > entryFromMs) [entry, entryFromMs] = [one, fromMs];
        }
      }
      if (entry !== undefined) this.#prices.add(entry.model, this.#priceOf(entry));
    }
  }

  #priceOf({ input, output, cached = input, reasoning = output }: PriceEntry): TokenPrice {
    return Object.freeze({ input, output, cached, reasoning, currency: this.#currency });
  }
}
