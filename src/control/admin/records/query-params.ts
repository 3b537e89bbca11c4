// Parameters of routes that take a few of their own, and no query of the log store.
// Invariant: an unknown or repeated parameter is a problem, since an ignored one would give wrong results.
import { unknownName } from '../../../core/nearest-name.ts';

/** The values by name; an empty value counts as left out. */
type QueryValues = Readonly<Record<string, string | undefined>>;

export interface QueryParams {
  readonly values: QueryValues;
  /** The value of a parameter. */
  readonly own: (name: string) => string | undefined;
}

/** Reads the parameters of a route that has these, or says what is wrong. */
export function readParams(
  query: URLSearchParams,
  known: readonly string[],
): QueryParams | { readonly problems: readonly string[] } {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of new Set(query.keys())) {
    const all = query.getAll(name);
    if (!known.includes(name)) problems.push(unknownName('parameter', name, known));
    else if (all.length > 1) problems.push(`${name} is given more than once`);
    else if (all[0] !== '') values[name] = all[0]!;
  }
  return problems.length > 0 ? { problems } : { values, own: (name) => values[name] };
}

/** Reads a cursor: text that this server has made. Empty without one. */
export const readCursor = (text: string | undefined): string =>
  text === undefined ? '' : Buffer.from(text, 'base64url').toString();

export const cursorFor = (text: string): string => Buffer.from(text).toString('base64url');
