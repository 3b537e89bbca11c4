// The path of a request for logs and records.
// Invariant: it has no query, since that may contain secrets.

/** The path of a request target. */
export const pathOf = (target: string): string => {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
};
