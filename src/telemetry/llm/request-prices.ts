// Sets the cost of requests by the prices of the configuration and the stored ones, in any data thread.
// Invariant: a request that ends is priced by the prices that hold at that moment.
import type { Observer } from '../../core/exchange/exchange.ts';
import type { LlmFacts, TokenPrice } from '../../core/exchange/llm-facts.ts';
import { costOf } from './cost.ts';
import type { LlmOptions, PriceEntry } from './options.ts';
import { PriceTable } from './price-table.ts';
import { UnpricedModels } from './unpriced-models.ts';

/** Lists of prices, in the order in which they are tried. */
export type PriceLists = readonly (readonly PriceEntry[])[];

export class RequestPrices {
  /** Sets price and cost of each exchange when it ends. It must be the first observer, since others read them. */
  readonly observer: Observer = {
    closed: ({ llm }) => {
      if (llm === undefined) return;
      const nowMs = Date.now();
      this.setCost(llm, nowMs);
      if (llm.price === undefined && llm.modelName !== '') this.unpriced.add(llm.modelName, nowMs);
    },
  };
  /** Of all prices. */
  readonly currency: string;
  readonly unpriced = new UnpricedModels();
  readonly #configured: readonly PriceEntry[];
  #stored: readonly PriceEntry[] = [];
  #table: PriceTable;

  constructor({ currency, prices }: Pick<LlmOptions, 'currency' | 'prices'>) {
    this.currency = currency;
    this.#configured = prices;
    this.#table = this.#newTable();
  }

  get configured(): readonly PriceEntry[] {
    return this.#configured;
  }

  /** The prices of the admin API. */
  get stored(): readonly PriceEntry[] {
    return this.#stored;
  }

  get lists(): PriceLists {
    return [this.#stored, this.#configured];
  }

  /** Uses these prices of the admin API from now on. */
  use(stored: readonly PriceEntry[]): void {
    this.#stored = stored;
    this.#table = this.#newTable();
  }

  /** The price of a model at a time (Date.now()); `undefined` if there is none. */
  priceOf(model: string, nowMs: number): TokenPrice | undefined {
    return this.#table.priceOf(model, nowMs);
  }

  /** Sets price and cost of a request that ended at `nowMs` (Date.now()). Without a price they stay unknown. */
  setCost(facts: LlmFacts, nowMs: number): void {
    const price = this.priceOf(facts.modelName, nowMs) ?? this.#ofResponse(facts, nowMs);
    if (price === undefined) return;
    facts.price = price;
    facts.cost = costOf(facts, price);
  }

  /** A server may name the model that stands behind an alias in the request. */
  #ofResponse({ model, responseModel }: LlmFacts, nowMs: number): TokenPrice | undefined {
    return responseModel === '' || responseModel === model ? undefined : this.priceOf(responseModel, nowMs);
  }

  #newTable(): PriceTable {
    return new PriceTable(this.lists, this.currency);
  }
}
