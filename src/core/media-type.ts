// Media types in headers (RFC 9110 8.3.1).

/** Media type without its parameters, in lower case; empty if there is none. */
export const mediaTypeOf = (value: string | undefined): string =>
  (value ?? '').split(';', 1)[0]!.trim().toLowerCase();
