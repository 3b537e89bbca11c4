// Who adds something to a record: the name of the key of a request.
// Invariant: a request without a valid key has no author.
import type { IncomingMessage } from 'node:http';
import type { KeyStore } from '../../../core/keys/key-store.ts';
import { keyOf } from '../auth.ts';

/** Name of the key; `admin.key` for that of the configuration; '' without one, for requests from this machine. */
export function authorOf(keys: KeyStore, req: IncomingMessage): string {
  const key = keys.find(keyOf(req), Date.now());
  return key === undefined || key === 'expired' ? '' : key.name;
}
