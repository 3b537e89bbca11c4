// Parameters of routes that take a few of their own, and no query of the log store.
// Invariant: an unknown or repeated parameter is a problem, since an ignored one would give wrong results.
import { unknownName } from '../../../core/nearest-name.ts';

/** The values by name; an empty value counts as left out. */
export type QueryParams = Readonly<Record<string, string | undefined>>;

/** Reads the parameters of a route that has these, or says what is wrong. */
export function readParams(
  query: URLSearchParams,
  known: readonly string[],
): { readonly values: QueryParams } | { readonly problems: readonly string[] } {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of new Set(query.keys())) {
    const all = query.getAll(name);
    if (!known.includes(name)) problems.push(unknownName('parameter', name, known));
    else if (all.length > 1) problems.push(`${name} is given more than once`);
    else if (all[0] !== '') values[name] = all[0]!;
  }
  return problems.length > 0 ? { problems } : { values };
}

/** A whole number, or what is wrong with it. */
export function wholeNumber(
  values: QueryParams,
  name: string,
  { min, max, fallback }: { readonly min: number; readonly max: number; readonly fallback: number },
): number | { readonly problem: string } {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max
    ? value
    : { problem: `${name}: must be a whole number from ${min} to ${max}` };
}

/** Reads a cursor: text that this server has made. Empty without one. */
export const readCursor = (text: string | undefined): string =>
  text === undefined ? '' : Buffer.from(text, 'base64url').toString();

export const cursorFor = (text: string): string => Buffer.from(text).toString('base64url');
