// Scopes of keys and routes of the admin API. The scope `admin` includes all others.

/** Scopes that a key can have. */
export const SCOPES = ['metrics', 'logs:read', 'logs:write', 'export', 'admin'] as const;
export type KeyScope = (typeof SCOPES)[number];

/** What a route needs: a scope, nothing (`open`), or any key (`any`). */
export type AdminScope = KeyScope | 'open' | 'any';

/** True if a key with these scopes may use a route with scope `needed`. */
export const covers = (scopes: readonly KeyScope[], needed: AdminScope): boolean =>
  needed === 'open' || needed === 'any' || scopes.includes(needed) || scopes.includes('admin');
