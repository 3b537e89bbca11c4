// The list of prices that `PUT /v1/prices` sends and that is stored: how it is checked, and how it is written.
// Invariant: a list is used as a whole or not at all, and what is written reads back as the same list.
import { unknownName } from '../../core/nearest-name.ts';
import { keysAt, read, type SettingProblem } from '../../core/read-settings.ts';
import { listOf } from '../../core/settings.ts';
import { priceEntry, priceProblems, type PriceEntry } from './options.ts';

const FIELDS = ['currency', 'prices'];
export const MAX_ENTRIES = 10_000;
const EXAMPLE = '{"prices": [{"model": "gpt-4o", "input": 2.5, "output": 10}]}';
const schema = listOf(priceEntry);

/** A valid list. */
export interface PriceList {
  readonly currency: string;
  readonly prices: readonly PriceEntry[];
}

/** Reads a list from JSON. `currency`: the one of the configuration, for a list that names none. */
export function readPriceList(value: unknown, currency: string): PriceList | { problems: readonly string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: [`prices are sent as an object such as ${EXAMPLE}`] };
  const { currency: given = currency, prices, ...others } = value as Record<string, unknown>;
  const problems = Object.keys(others).map((key) => unknownName('field', key, FIELDS));
  if (typeof given !== 'string' || !/^[A-Z]{3}$/.test(given))
    problems.push('currency: must be three capital letters, such as USD or EUR');
  if (!Array.isArray(prices))
    return {
      problems: [
        ...problems,
        `prices: ${prices === undefined ? 'is missing, ' : ''}must be a list, such as in ${EXAMPLE}`,
      ],
    };
  if (prices.length > MAX_ENTRIES)
    return {
      problems: [...problems, `prices: has ${prices.length} entries, must have at most ${MAX_ENTRIES}`],
    };
  const result = read(schema, prices.map(withoutNulls));
  if (!result.ok) return { problems: [...problems, ...result.problems.flatMap(problemTexts)] };
  problems.push(...priceProblems(result.settings, 'prices'));
  return problems.length > 0 ? { problems } : { currency: given as string, prices: result.settings };
}

/** The text of the file. Reads back as the same list. */
export const formatPriceList = ({ currency, prices }: PriceList): string =>
  `${JSON.stringify({ currency, prices: prices.map((one) => ({ ...one, valid_from: validFrom(one) })) }, null, 2)}\n`;

/** ISO 8601 in UTC; `null`: always. */
export const validFrom = ({ valid_from: ms }: PriceEntry): string | null =>
  ms === undefined ? null : new Date(ms).toISOString();

/** In JSON, null means that a field is not given. */
const withoutNulls = (entry: unknown): unknown =>
  typeof entry === 'object' && entry !== null && !Array.isArray(entry)
    ? Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null))
    : entry;

function problemTexts({ path: [index, ...names], message, unknown }: SettingProblem): string[] {
  const at = `prices[${index}]`;
  if (unknown !== undefined)
    return unknown.map((key) => `${at}: ${unknownName('field', key, keysAt(schema, [0]))}`);
  // A list has sections in a configuration file and objects in JSON.
  return [names.length === 0 ? `${at}: must be an object` : `${at}.${names.join('.')} ${message}`];
}
