// Who adds something to a record: the name of the key of a request.
// Invariant: a request without a valid key has no author.
import type { IncomingMessage } from 'node:http';
import type { KeyStore } from '../../../core/keys/key-store.ts';
import { callerKey } from '../auth.ts';

/** Name of the key; `admin.key` for that of the configuration; '' without one, for requests from this machine. */
export const authorOf = (keys: KeyStore, req: IncomingMessage): string => callerKey(keys, req)?.name ?? '';
