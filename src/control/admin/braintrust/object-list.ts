// Lists of projects and tags with the query parameters of Braintrust's API.
// Invariant: pages that follow each other by `starting_after` have every object once, the newest first.

interface Listed {
  readonly id: string;
  readonly name: string;
}

/** Default and maximum of `limit`. */
const PAGE = { fallback: 100, max: 1000 };

/** Values of a parameter that may be repeated, as `name`, `name[]` or separated by commas. */
const valuesOf = (query: URLSearchParams, name: string): string[] =>
  [...query.getAll(name), ...query.getAll(`${name}[]`)].flatMap((text) => text.split(','));

/**
 * The objects that a query asks for: those with one of `ids` and one of the names, after `starting_after` or before
 * `ending_before`, at most `limit`. `names`: parameters with a name. A text is the problem.
 */
export function pageOf<T extends Listed>(
  all: readonly T[],
  query: URLSearchParams,
  names: readonly string[],
): readonly T[] | string {
  const limitText = query.get('limit') ?? '';
  const limit = limitText === '' ? PAGE.fallback : Number(limitText);
  if (!Number.isSafeInteger(limit) || limit < 0) return 'limit: must be a whole number';
  const ids = valuesOf(query, 'ids');
  const wanted = names.map((name) => query.get(name)).filter((name) => name !== null && name !== '');
  const found = all.filter(
    ({ id, name }) => (ids.length === 0 || ids.includes(id)) && wanted.every((one) => one === name),
  );
  const after = query.get('starting_after');
  const before = query.get('ending_before');
  const most = Math.min(limit, PAGE.max);
  if (before) {
    const at = found.findIndex(({ id }) => id === before);
    if (at === -1) return `ending_before: there is no ${JSON.stringify(before.slice(0, 80))} in this list`;
    return found.slice(Math.max(0, at - most), at);
  }
  const at = after ? found.findIndex(({ id }) => id === after) : -1;
  if (after && at === -1)
    return `starting_after: there is no ${JSON.stringify(after.slice(0, 80))} in this list`;
  return found.slice(at + 1, at + 1 + most);
}
