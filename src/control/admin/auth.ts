// Who may use the admin API. Must stay true: comparing a key takes the same time whatever is wrong with it, and as soon
// as there is any key, nobody gets in without one.
import type { IncomingMessage } from 'node:http';
import type { Failure } from '../../core/errors.ts';
import type { KeyStore } from './key-store.ts';
import { covers, type AdminScope } from './scopes.ts';

/** The key in `Authorization: Bearer …` or, as older clients send it, `Api-Key …` (contracts/baseten.md 1.5). */
const presented = (req: IncomingMessage): string =>
  /^(?:Bearer|Api-Key) +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? '';

const LOOPBACK_PEER = /^(?:127\.|::1$|::ffff:127\.)/;
const LOOPBACK_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i;

/**
 * True for connections from this machine, and only under a name of this machine, so that a web page cannot reach us
 * through a browser here by pointing its own name at 127.0.0.1.
 */
const isLoopback = (req: IncomingMessage): boolean =>
  LOOPBACK_PEER.test(req.socket.remoteAddress ?? '') && LOOPBACK_HOST.test(req.headers.host ?? '');

/**
 * False for a request that a web page of another origin has a browser send: it needs no key from here, and browsers
 * send simple POSTs without asking first.
 */
export function isOwnPage(req: IncomingMessage): boolean {
  const { origin, host = '' } = req.headers;
  return origin === undefined || URL.parse(origin)?.host === host;
}

/** Why somebody may not. */
export interface AuthRefusal {
  readonly failure: Failure;
  readonly detail: string;
}

export class Guard {
  readonly #keys: KeyStore;
  readonly #protectsMetrics: boolean;
  readonly #broke: (what: string, error: unknown) => void;

  /** `broke` is told of a route that failed in a way nobody planned for. */
  constructor(keys: KeyStore, protectsMetrics: boolean, broke: (what: string, error: unknown) => void) {
    this.#keys = keys;
    this.#protectsMetrics = protectsMetrics;
    this.#broke = broke;
  }

  /** Whether a request may use a route of this scope; `undefined`: it may. */
  ask(req: IncomingMessage, scope: AdminScope): AuthRefusal | undefined {
    if (scope === 'open') return undefined;
    if (scope === 'metrics' && (!this.#protectsMetrics || isLoopback(req))) return undefined;
    if (!this.#keys.areThere)
      return isLoopback(req)
        ? undefined
        : { failure: 'unauthorized', detail: 'without admin.key set, only from loopback' };
    const scopes = this.#keys.scopesOf(presented(req), Date.now());
    if (scopes === undefined) return { failure: 'unauthorized', detail: '' };
    if (scopes === 'expired') return { failure: 'unauthorized', detail: 'this one has expired' };
    if (covers(scopes, scope)) return undefined;
    return {
      failure: 'forbidden',
      detail: `this needs the scope ${scope}, the key has ${scopes.join(', ')}`,
    };
  }

  broke(method: string, path: string, error: unknown): void {
    this.#broke(`${method} ${path}`, error);
  }
}
