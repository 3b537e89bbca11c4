// What values of BTQL are equal, ordered, contained in each other and similar to patterns.
// Invariant: each test takes time linear in the values, or nearly so: patterns of users are no regular expressions. Numbers
// and texts compare as in queries of the log store, so that a prefilter excludes no match.
import { wordMatcher } from '../logs/logs.ts';

type Plain = string | number | boolean;

const isPlain = (value: unknown): value is Plain =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** The number that a text stands for; NaN for another text. */
const numberOfText = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

/** True for equal values. A number equals its text. Lists and objects equal those with the same JSON. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'string') return String(a) === b;
  if (typeof a === 'string' && typeof b === 'number') return a === String(b);
  if (typeof a === 'object' && typeof b === 'object') return JSON.stringify(a) === JSON.stringify(b);
  return a === b;
}

/** Below 0, 0 or above 0; `undefined`: the values have no order. Texts are ordered by their UTF-16 code units. */
export function compare(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'number' && typeof b === 'string') return difference(a, numberOfText(b));
  if (typeof a === 'string' && typeof b === 'number') return difference(numberOfText(a), b);
  if (typeof a !== typeof b || !isPlain(a) || !isPlain(b)) return undefined;
  return a < b ? -1 : a > b ? 1 : a === b ? 0 : undefined;
}

const difference = (a: number, b: number): number | undefined =>
  a < b ? -1 : a > b ? 1 : a === b ? 0 : undefined;

/** Order of types for sorting: null is the smallest. */
const rank = (value: unknown): number =>
  value === null || value === undefined
    ? 0
    : typeof value === 'boolean'
      ? 1
      : typeof value === 'number'
        ? 2
        : 3;

/** Order of any two values, for sorting. */
export function compareForSort(a: unknown, b: unknown): number {
  const byRank = rank(a) - rank(b);
  if (byRank !== 0) return byRank;
  return compare(isPlain(a) ? a : textOf(a), isPlain(b) ? b : textOf(b)) ?? 0;
}

/** A value as text: a text as it is, others as JSON; '' for null. */
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);

/** True if a list has the value (or all values of a list), or a text contains the text. */
export function includes(whole: unknown, part: unknown): boolean {
  if (Array.isArray(part)) return part.every((one) => includes(whole, one));
  if (Array.isArray(whole)) return whole.some((one) => isEqual(one, part));
  return typeof whole === 'string' && (typeof part === 'string' || typeof part === 'number')
    ? whole.includes(String(part))
    : false;
}

/** A test for `LIKE`: `%` stands for any text, `\%` for the sign. */
export function likeTest(pattern: string): (text: string) => boolean {
  const parts = [''];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    if (character === '%') parts.push('');
    else if (character === '\\' && (pattern[i + 1] === '%' || pattern[i + 1] === '\\'))
      parts[parts.length - 1] += pattern[++i]!;
    else parts[parts.length - 1] += character;
  }
  const [start = '', ...middle] = parts;
  const end = middle.pop();
  if (end === undefined) return (text) => text === start;
  return (text) => {
    if (text.length < start.length + end.length || !text.startsWith(start) || !text.endsWith(end))
      return false;
    let at = start.length;
    // The first place where a part fits is the best one, since it leaves the most text to the parts behind it.
    for (const part of middle) {
      const found = text.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= text.length - end.length;
  };
}

/** A test for `MATCH`: the text has all words, in any order and letter case. */
export function wordsTest(words: string): (value: unknown) => boolean {
  const matches = wordMatcher(words);
  return (value) => value !== null && value !== undefined && matches(textOf(value));
}

/** Three values of logic: null is unknown. Numbers other than 0 and texts that are not empty count as true. */
export function truth(value: unknown): boolean | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'boolean' ? value : typeof value === 'number' ? value !== 0 : value !== '';
}
