// The record of changes through the admin API: who asked for what, from where, and how it ended.
// Invariant: a change is told once, after its route has ended, and without anything of its body, which may have secrets.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FactsOf } from '../../core/events.ts';
import { MAIN_KEY, type KeyStore } from '../../core/keys/key-store.ts';
import { peerOf } from '../../protocol/http/peer.ts';
import { callerKey } from './auth.ts';

export type AdminChange = FactsOf<'admin_change'>;

/** Longest path in a record. */
const MAX_PATH = 200;

const made = new WeakMap<ServerResponse, string>();

/** Says what a route has made, such as `key key_7c1e`, if its path does not. */
export const noteMade = (res: ServerResponse, what: string): void => void made.set(res, what);

/** Who made a request. */
export type AdminCaller = Pick<AdminChange, 'by' | 'key_name' | 'address' | 'client_subject'>;

/** Who makes a request: read before its route runs, since the route may remove the key. */
export function adminCaller(keys: KeyStore, req: IncomingMessage): AdminCaller {
  const key = callerKey(keys, req);
  const { address, subject } = peerOf(req.socket);
  return {
    by: key?.id ?? 'no key',
    key_name: key?.id !== MAIN_KEY ? key?.name : undefined,
    address,
    client_subject: subject || undefined,
  };
}

/** Name of the key of a request, `admin.key`, or `no key`. */
export function callerName(keys: KeyStore, req: IncomingMessage): string {
  const { by, key_name: name } = adminCaller(keys, req);
  return name ?? by;
}

/** The facts of a change whose route has ended; `undefined` if it was refused, so that nothing changed. */
export function changeOf(
  caller: AdminCaller,
  req: IncomingMessage,
  res: ServerResponse,
): AdminChange | undefined {
  const { statusCode: status } = res;
  if (status >= 400 && status < 500) return undefined;
  const path = req.url!.split('?', 1)[0]!.slice(0, MAX_PATH);
  return { method: req.method!, path, status, ...caller, made: made.get(res) };
}
