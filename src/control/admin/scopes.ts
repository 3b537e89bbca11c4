// What a key may be good for. Must stay true: every route names one of these, and `admin` includes all others.

/** Scopes that a key can have. */
export const SCOPES = ['metrics', 'logs:read', 'logs:write', 'export', 'admin'] as const;
export type KeyScope = (typeof SCOPES)[number];

/** What a route wants: nothing, one of the scopes, or any key at all. */
export type AdminScope = KeyScope | 'open' | 'any';

/** True where a key with these scopes may use a route. */
export const covers = (scopes: readonly KeyScope[], wanted: AdminScope): boolean =>
  wanted === 'open' || wanted === 'any' || scopes.includes(wanted) || scopes.includes('admin');
