// Scopes of keys: those of the admin API, and those of clients of the data server.
// Invariant: no scope of one server opens a route of the other one. The scope `admin` includes all others of the admin API.

/** Scopes for the admin API. */
export const ADMIN_SCOPES = ['metrics', 'logs:read', 'logs:write', 'export', 'admin'] as const;
type ScopeOfAdmin = (typeof ADMIN_SCOPES)[number];

/** Scopes for the data server, with what each allows, for the reference. */
export const CLIENT_SCOPES = {
  predict: 'requests, WebSockets and gRPC calls to the model',
  async: 'asynchronous requests: submit, state, result, cancel, length of the queue',
  wake: 'waking a deployment that is scaled to zero',
} as const;
export type ClientScope = keyof typeof CLIENT_SCOPES;

/** Scopes that a key can have. */
export type KeyScope = ScopeOfAdmin | ClientScope;
export const SCOPES: readonly KeyScope[] = [
  ...ADMIN_SCOPES,
  ...(Object.keys(CLIENT_SCOPES) as ClientScope[]),
];

/** What a route of the admin API needs: a scope, nothing (`open`), or any key of this API (`any`). */
export type AdminScope = ScopeOfAdmin | 'open' | 'any';

export const isClientScope = (scope: KeyScope): scope is ClientScope => Object.hasOwn(CLIENT_SCOPES, scope);

/** True if a key with these scopes opens some route of the admin API. */
export const opensAdmin = (scopes: readonly KeyScope[]): boolean => !scopes.every(isClientScope);

/** True if a key with these scopes may use a route of the admin API that needs `needed`. */
export const covers = (scopes: readonly KeyScope[], needed: AdminScope): boolean =>
  needed === 'open' ||
  (needed === 'any' ? opensAdmin(scopes) : scopes.includes(needed) || scopes.includes('admin'));
