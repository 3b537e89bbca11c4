// Changes of single prices in the stored list.
// Invariant: a change gives a list that `PUT /v1/prices` would accept, or all problems.
import { wildcard } from '../../core/wildcard.ts';
import { priceProblems, type PriceEntry } from './options.ts';
import { MAX_ENTRIES, readPriceList, validFrom } from './price-list.ts';

/** Where a price is from. */
export type PriceSource = 'api' | 'config';

/** Id of a price: the same as long as its source, model and valid_from are. */
export const priceId = (entry: PriceEntry, source: PriceSource): string =>
  Buffer.from(`${source} ${validFrom(entry) ?? ''} ${entry.model}`).toString('base64url');

/** `not_found`: no price has the id. A list: all problems. */
export type EditRefusal = 'not_found' | readonly string[];

/** A changed list, and what was added or replaced in it. */
interface EditedPrices {
  readonly prices: readonly PriceEntry[];
  readonly entry: PriceEntry;
}

/** Adds a price from JSON: in front of the first pattern that fits its model, else at the end. */
export function withPrice(
  prices: readonly PriceEntry[],
  value: unknown,
  currency: string,
): EditedPrices | readonly string[] {
  const entry = readEntry(value, currency);
  if (isProblems(entry)) return entry;
  const isFirst = !prices.some(({ model }) => model === entry.model);
  const at = isFirst ? prices.findIndex(({ model }) => wildcard(model)(entry.model)) : -1;
  return checked(prices.toSpliced(at === -1 ? prices.length : at, 0, entry), entry);
}

/** Changes the given fields of a price; `null` takes one away. */
export function withChange(
  prices: readonly PriceEntry[],
  id: string,
  value: unknown,
  currency: string,
): EditedPrices | EditRefusal {
  const at = indexOf(prices, id);
  const before = prices[at];
  if (before === undefined) return 'not_found';
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return ['a change must be an object such as {"output": 8}'];
  const entry = readEntry({ ...before, valid_from: validFrom(before), ...value }, currency);
  return isProblems(entry) ? entry : checked(prices.with(at, entry), entry);
}

/** Takes a price away. */
export function withoutPrice(prices: readonly PriceEntry[], id: string): readonly PriceEntry[] | 'not_found' {
  const at = indexOf(prices, id);
  return at === -1 ? 'not_found' : prices.toSpliced(at, 1);
}

const indexOf = (prices: readonly PriceEntry[], id: string): number =>
  prices.findIndex((entry) => priceId(entry, 'api') === id);

const isProblems = (value: PriceEntry | readonly string[]): value is readonly string[] =>
  Array.isArray(value);

function readEntry(value: unknown, currency: string): PriceEntry | readonly string[] {
  const list = readPriceList({ prices: [value] }, currency);
  if ('prices' in list) return list.prices[0]!;
  return list.problems.map((problem) => problem.replace(/^prices\[0\](?:\.|: )/, ''));
}

function checked(prices: readonly PriceEntry[], entry: PriceEntry): EditedPrices | readonly string[] {
  if (prices.length > MAX_ENTRIES) return [`there are ${MAX_ENTRIES} prices already; remove one first`];
  const problems = priceProblems(prices, 'prices');
  return problems.length > 0 ? problems : { prices, entry };
}
