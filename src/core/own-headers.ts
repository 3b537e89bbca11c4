// Names of the headers that weir sets, and names that could be mistaken for them.
// Invariant: every header that weir sets is listed here, so that a client cannot pass a look-alike of it to a replica.

/** Every header with a `-` in its name that weir sets, on the way to the replica or to the client. */
export const SET_BY_WEIR: readonly string[] = [
  'x-baseten-request-id',
  'x-request-id',
  'x-baseten-model-prediction-attempts',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'server-timing',
  'x-weir-cause',
];
const setByWeir = new Set(SET_BY_WEIR);

/**
 * True for a name, in lower case, that differs from one of SET_BY_WEIR only by `_` in place of `-`. CGI and WSGI servers
 * give both the same name (RFC 3875 4.1.18), so the application would take a client's value for weir's.
 */
export const isLookalike = (lower: string): boolean =>
  lower.includes('_') && setByWeir.has(lower.replaceAll('_', '-'));
