// Prices of tokens: those of the admin API, which are stored, before those of the configuration. Sets the cost of requests.
// Invariant: a change is acknowledged after it is on disk, and holds for every request that ends after that.
//   price-table.ts  finds the price of a model    cost.ts        computes the cost
//   price-list.ts   checks and writes a list      options.ts     the settings
import { join } from 'node:path';
import { readJsonFile, setAside, writeAtomic } from '../../core/atomic-file.ts';
import { describe } from '../../core/errors.ts';
import type { Observer } from '../../core/exchange/exchange.ts';
import type { LlmFacts, TokenPrice } from '../../core/exchange/llm-facts.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { costOf } from './cost.ts';
import type { LlmOptions, PriceEntry } from './options.ts';
import { formatPriceList, readPriceList, validFrom, type PriceList } from './price-list.ts';
import { PriceTable } from './price-table.ts';

export { costOf } from './cost.ts';
export { PriceTable } from './price-table.ts';

/** Lists of prices, in the order in which they are tried. */
export type PriceLists = readonly (readonly PriceEntry[])[];

const FILE = 'prices.json';

/** A price as the admin API shows it. `cached` and `reasoning` are the prices that are used. */
interface ShownPrice {
  readonly model: string;
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly reasoning: number;
  /** ISO 8601; `null`: always. */
  readonly valid_from: string | null;
  readonly source: 'api' | 'config';
}

/** All prices in the order in which they are tried. */
export interface ShownPrices {
  readonly currency: string;
  readonly prices: readonly ShownPrice[];
}

export class Prices implements Component {
  readonly name = 'prices';
  /** Sets price and cost of each exchange when it ends. It must be the first observer, since others read them. */
  readonly observer: Observer = {
    closed: ({ llm }) => {
      if (llm !== undefined) this.setCost(llm, Date.now());
    },
  };
  readonly #currency: string;
  readonly #configured: readonly PriceEntry[];
  readonly #file: string | undefined;
  readonly #log: Logger;
  #stored: readonly PriceEntry[] = [];
  #table: PriceTable;
  /** The last change, which the next one waits for. */
  #last: Promise<void> = Promise.resolve();

  /** `folder`: where prices of the admin API are stored; `undefined`: nothing is stored. */
  constructor({ currency, prices }: LlmOptions, folder: string | undefined, log: Logger) {
    this.#currency = currency;
    this.#configured = prices;
    this.#file = folder === undefined ? undefined : join(folder, FILE);
    this.#log = log;
    this.#table = this.#newTable();
  }

  /** Reads the stored prices. If they cannot be used, only those of the configuration hold. */
  async start(): Promise<void> {
    if (this.#file === undefined) return;
    try {
      const list = await this.#read(this.#file);
      if (list !== undefined) this.#use(list.prices);
    } catch (error) {
      this.#log.event('prices_unusable', { problem: `cannot read ${this.#file}: ${describe(error)}` });
    }
  }

  /** Resolves when the last change is on disk. */
  stop(): Promise<void> {
    return this.#last;
  }

  /** False: nothing is stored, so `replace` must not be called. */
  get canStore(): boolean {
    return this.#file !== undefined;
  }

  get lists(): PriceLists {
    return [this.#stored, this.#configured];
  }

  get shown(): ShownPrices {
    return {
      currency: this.#currency,
      prices: [
        ...this.#stored.map((entry) => shownPrice(entry, 'api')),
        ...this.#configured.map((entry) => shownPrice(entry, 'config')),
      ],
    };
  }

  /**
   * Replaces the stored prices by a list from JSON. Resolves after it is on disk: to all prices, or to the problems of a
   * list that is not valid. Rejects if it cannot be written.
   */
  async replace(value: unknown): Promise<{ shown: ShownPrices } | { problems: readonly string[] }> {
    const list = readPriceList(value, this.#currency);
    if ('problems' in list) return list;
    if (list.currency !== this.#currency)
      return {
        problems: [
          `currency: is ${list.currency}, must be ${this.#currency} as in llm.currency, since all prices have one currency`,
        ],
      };
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    try {
      await before;
      await writeAtomic(this.#file!, formatPriceList(list));
      this.#use(list.prices);
      this.#log.event('prices_changed', { entries: list.prices.length });
      return { shown: this.shown };
    } finally {
      resolve();
    }
  }

  /** The price of a model at a time (Date.now()); `undefined` if there is none. */
  priceOf(model: string, nowMs: number): TokenPrice | undefined {
    return this.#table.priceOf(model, nowMs);
  }

  /** Sets price and cost of a request that ended at `nowMs` (Date.now()). Without a price they stay unknown. */
  setCost(facts: LlmFacts, nowMs: number): void {
    const price = this.#table.priceOf(facts.modelName, nowMs) ?? this.#ofResponse(facts, nowMs);
    if (price === undefined) return;
    facts.price = price;
    facts.cost = costOf(facts, price);
  }

  /** A server may name the model that stands behind an alias in the request. */
  #ofResponse({ model, responseModel }: LlmFacts, nowMs: number) {
    return responseModel === '' || responseModel === model
      ? undefined
      : this.#table.priceOf(responseModel, nowMs);
  }

  async #read(file: string): Promise<PriceList | undefined> {
    const unusable = (problem: string) => this.#log.event('prices_unusable', { problem });
    const value = await readJsonFile(file, (aside) =>
      unusable(`${file} is not valid JSON; renamed to ${aside}`),
    );
    if (value === undefined) return undefined;
    const list = readPriceList(value, this.#currency);
    if ('problems' in list) {
      unusable(`${file} is damaged (${list.problems[0]}); renamed to ${await setAside(file)}`);
      return undefined;
    }
    if (list.currency === this.#currency) return list;
    unusable(
      `${file} has prices in ${list.currency}, but llm.currency is ${this.#currency}; set them again with PUT /v1/prices`,
    );
    return undefined;
  }

  #use(stored: readonly PriceEntry[]): void {
    this.#stored = stored;
    this.#table = this.#newTable();
  }

  #newTable(): PriceTable {
    return new PriceTable(this.lists, this.#currency);
  }
}

function shownPrice(entry: PriceEntry, source: ShownPrice['source']): ShownPrice {
  const { model, input, output, cached = input, reasoning = output } = entry;
  return { model, input, output, cached, reasoning, valid_from: validFrom(entry), source };
}
