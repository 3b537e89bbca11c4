// Authorization of the admin API.
// Invariant: as soon as one key of the admin API exists, each request needs such a key. A key of clients of the data
// server opens nothing here.
import type { IncomingMessage } from 'node:http';
import type { Failure } from '../../core/errors.ts';
import { UNIX_CLIENT } from '../../core/address.ts';
import { isLoopback } from '../../core/loopback.ts';
import type { ApiKey } from '../../core/keys/api-key.ts';
import type { KeyStore } from '../../core/keys/key-store.ts';
import { covers, type AdminScope } from '../../core/keys/scopes.ts';
import { peerOf } from '../../protocol/http/peer.ts';

/**
 * Key of `Authorization: Bearer …` or, from older clients, `Api-Key …` (docs/contracts/serving.md 1.5). Without that
 * header, of `x-portkey-api-key`, which the clients of Portkey send.
 */
function keyOf({ headers }: IncomingMessage): string {
  const { authorization } = headers;
  if (authorization === undefined) return String(headers['x-portkey-api-key'] ?? '').trim();
  return /^(?:Bearer|Api-Key) +(\S+)$/i.exec(authorization)?.[1] ?? '';
}

/** Value of a Host header → its host, without brackets and port; empty if it is malformed. */
function hostIn(header: string): string {
  const [, address, name] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(header) ?? [];
  return (address ?? name ?? '').toLowerCase();
}

/**
 * True for a connection from this machine, by loopback or a Unix socket, with a Host of this machine. The Host is checked
 * since a web page could point its own name at 127.0.0.1 (DNS rebinding), and since a proxy on this machine could pass on
 * requests of others.
 */
function isFromHere({ socket, headers: { host = '' } }: IncomingMessage): boolean {
  const { address } = peerOf(socket);
  return (address === UNIX_CLIENT || isLoopback(address)) && isLoopback(hostIn(host));
}

/** The key of an authorized request; `undefined`: it has none, since no key exists or its route needs none. */
export function callerKey(keys: KeyStore, req: IncomingMessage): ApiKey | undefined {
  const key = keys.find(keyOf(req), Date.now());
  return key === 'expired' ? undefined : key;
}

/** True if an authorized request may do everything: by its key, or as long as no key exists. */
export const isAdmin = (keys: KeyStore, req: IncomingMessage): boolean =>
  !keys.hasAdminKey || covers(callerKey(keys, req)?.scopes ?? [], 'admin');

/** False for a request from a web page of another origin, since browsers send simple POSTs without a preflight. */
export function isSameOrigin(req: IncomingMessage): boolean {
  const { origin, host = '' } = req.headers;
  return origin === undefined || URL.parse(origin)?.host === host;
}

/**
 * True if a browser says that a web page of another origin asks for an answer that it embeds or cannot read. Without a
 * key such a page could measure how long searches take. A link that opens the answer is allowed.
 */
function isForOtherPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'] ?? 'none';
  return site !== 'none' && site !== 'same-origin' && headers['sec-fetch-dest'] !== 'document';
}

/** Why a request is not authorized. */
export interface AuthRefusal {
  readonly failure: Failure;
  readonly detail: string;
}

export class Guard {
  readonly #keys: KeyStore;
  readonly #protectsMetrics: boolean;

  constructor(keys: KeyStore, protectsMetrics: boolean) {
    this.#keys = keys;
    this.#protectsMetrics = protectsMetrics;
  }

  /** Checks a request against the scope of its route. Returns `undefined` if it is authorized. */
  authorize(req: IncomingMessage, scope: AdminScope): AuthRefusal | undefined {
    if (scope === 'open') return undefined;
    if (scope === 'metrics' && (!this.#protectsMetrics || isFromHere(req))) return undefined;
    if (!this.#keys.hasAdminKey) {
      if (isForOtherPage(req))
        return { failure: 'forbidden', detail: 'the request is from a web page of another origin' };
      return isFromHere(req)
        ? undefined
        : {
            failure: 'unauthorized',
            detail: 'no key is set, so only requests from this machine are allowed; set admin.key',
          };
    }
    const key = this.#keys.find(keyOf(req), Date.now());
    if (key === undefined) return { failure: 'unauthorized', detail: '' };
    if (key === 'expired') return { failure: 'unauthorized', detail: 'the key has expired' };
    if (covers(key.scopes, scope)) return undefined;
    const needed = scope === 'any' ? 'any scope of the admin API' : `scope ${scope}`;
    return {
      failure: 'forbidden',
      detail: `this route needs ${needed}, the key has ${key.scopes.join(', ')}`,
    };
  }
}
