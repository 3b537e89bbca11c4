// Prices of tokens: those of the admin API, which are stored, before those of the configuration.
// Invariant: a change is acknowledged after it is on disk and in all threads, and holds for every request that ends after
// that.
//   request-prices.ts  sets the cost of requests, in all data threads
//   price-table.ts  finds the price of a model    cost.ts        computes the cost
//   price-list.ts   checks and writes a list      options.ts     the settings
//   price-edits.ts  changes of single prices      unpriced-models.ts  requests without a price
import { join } from 'node:path';
import { readJsonFile, setAside, writeAtomic } from '../../core/atomic-file.ts';
import { describe } from '../../core/errors.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import type { LlmOptions, PriceEntry } from './options.ts';
import {
  priceId,
  withChange,
  withoutPrice,
  withPrice,
  type EditRefusal,
  type PriceSource,
} from './price-edits.ts';
import { formatPriceList, readPriceList, validFrom, type PriceList } from './price-list.ts';
import { RequestPrices } from './request-prices.ts';

export { costOf } from './cost.ts';
export { PriceTable } from './price-table.ts';
export type { PriceLists } from './request-prices.ts';
export type { PriceEntry } from './options.ts';
export type { UnpricedCount } from './unpriced-models.ts';
export type { EditRefusal } from './price-edits.ts';

const FILE = 'prices.json';

/** A price as the admin API shows it. `cached` and `reasoning` are the prices that are used. */
export interface ShownPrice {
  readonly id: string;
  readonly model: string;
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly reasoning: number;
  /** ISO 8601; `null`: always. */
  readonly valid_from: string | null;
  /** `past`: a later one of the same model holds. */
  readonly period: 'past' | 'current' | 'future';
  readonly source: PriceSource;
}

/** All prices in the order in which they are tried. */
export interface ShownPrices {
  readonly currency: string;
  readonly prices: readonly ShownPrice[];
}

export class Prices extends RequestPrices implements Component {
  readonly name = 'prices';
  /** Is told of changed stored prices, and resolves when other threads know them. */
  changed: ((stored: readonly PriceEntry[]) => Promise<void>) | undefined;
  readonly #file: string | undefined;
  readonly #log: Logger;
  /** The last change, which the next one waits for. */
  #last: Promise<void> = Promise.resolve();

  /** `folder`: where prices of the admin API are stored; `undefined`: nothing is stored. */
  constructor(options: LlmOptions, folder: string | undefined, log: Logger) {
    super(options);
    this.#file = folder === undefined ? undefined : join(folder, FILE);
    this.#log = log;
  }

  /** Reads the stored prices. If they cannot be used, only those of the configuration hold. */
  async start(): Promise<void> {
    if (this.#file === undefined) return;
    try {
      const list = await this.#read(this.#file);
      if (list !== undefined) this.use(list.prices);
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

  get shown(): ShownPrices {
    const nowMs = Date.now();
    return {
      currency: this.currency,
      prices: [...shownPrices(this.stored, 'api', nowMs), ...shownPrices(this.configured, 'config', nowMs)],
    };
  }

  /**
   * Replaces the stored prices by a list from JSON. Resolves after it is on disk: to all prices, or to the problems of a
   * list that is not valid. Rejects if it cannot be written.
   */
  async replace(value: unknown): Promise<{ shown: ShownPrices } | { problems: readonly string[] }> {
    const list = readPriceList(value, this.currency);
    if ('problems' in list) return list;
    if (list.currency !== this.currency)
      return {
        problems: [
          `currency: is ${list.currency}, must be ${this.currency} as in llm.currency, since all prices have one currency`,
        ],
      };
    return this.#exclusive(async () => {
      await this.#write(list.prices);
      return { shown: this.shown };
    });
  }

  /** Adds a price from JSON to the stored ones. Resolves after it is on disk. */
  add(value: unknown): Promise<ShownPrice | EditRefusal> {
    return this.#edit((prices) => withPrice(prices, value, this.currency));
  }

  /** Changes fields of a stored price. Resolves after it is on disk. */
  change(id: string, value: unknown): Promise<ShownPrice | EditRefusal> {
    return this.#edit((prices) => withChange(prices, id, value, this.currency));
  }

  /** Removes a stored price. Resolves after that is on disk; to false if no stored price has the id. */
  remove(id: string): Promise<boolean> {
    return this.#exclusive(async () => {
      const prices = withoutPrice(this.stored, id);
      if (prices === 'not_found') return false;
      await this.#write(prices);
      return true;
    });
  }

  #edit(
    make: (prices: readonly PriceEntry[]) => ReturnType<typeof withChange>,
  ): Promise<ShownPrice | EditRefusal> {
    return this.#exclusive(async () => {
      const made = make(this.stored);
      if (typeof made === 'string' || !('entry' in made)) return made;
      await this.#write(made.prices);
      const id = priceId(made.entry, 'api');
      return this.shown.prices.find((price) => price.id === id)!;
    });
  }

  async #write(prices: readonly PriceEntry[]): Promise<void> {
    await writeAtomic(this.#file!, formatPriceList({ currency: this.currency, prices }));
    this.use(prices);
    await this.changed?.(prices);
    this.#log.event('prices_changed', { entries: prices.length });
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  async #read(file: string): Promise<PriceList | undefined> {
    const unusable = (problem: string) => this.#log.event('prices_unusable', { problem });
    const value = await readJsonFile(file, (aside) =>
      unusable(`${file} is not valid JSON; renamed to ${aside}`),
    );
    if (value === undefined) return undefined;
    const list = readPriceList(value, this.currency);
    if ('problems' in list) {
      unusable(`${file} is damaged (${list.problems[0]}); renamed to ${await setAside(file)}`);
      return undefined;
    }
    if (list.currency === this.currency) return list;
    unusable(
      `${file} has prices in ${list.currency}, but llm.currency is ${this.currency}; set them again with PUT /v1/prices`,
    );
    return undefined;
  }
}

/** `nowMs`: says which price of a model is valid now. */
function shownPrices(entries: readonly PriceEntry[], source: PriceSource, nowMs: number): ShownPrice[] {
  const since = new Map<string, number>();
  for (const { model, valid_from: from = -Infinity } of entries)
    if (from <= nowMs) since.set(model, Math.max(from, since.get(model) ?? -Infinity));
  return entries.map((entry) => {
    const { model, input, output, cached = input, reasoning = output, valid_from: from = -Infinity } = entry;
    const period = from > nowMs ? 'future' : from === since.get(model) ? 'current' : 'past';
    return {
      id: priceId(entry, source),
      model,
      input,
      output,
      cached,
      reasoning,
      valid_from: validFrom(entry),
      period,
      source,
    };
  });
}
