// What a request must pass before it is served: overload, then the client's key. Hot path.
// Invariant: health probes are served during overload, since their failure would make it worse.
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { KeyMemo } from '../proxy/proxy.ts';
import type { AccessRefusal, ClientAccess, RoutedTo } from './client-access.ts';
import type { OpenPaths } from './open-paths.ts';

/** Seconds after which a refused client may try again. */
const RETRY_AFTER_S = 1;
const OVERLOADED: AccessRefusal = { failure: 'overloaded', detail: '', retryAfter: RETRY_AFTER_S };

export class Admission {
  readonly #overload: { readonly isOn: boolean };
  readonly #open: OpenPaths;
  readonly #access: ClientAccess | undefined;

  /** `access`: `undefined` if no keys are required. */
  constructor(overload: { readonly isOn: boolean }, open: OpenPaths, access: ClientAccess | undefined) {
    this.#overload = overload;
    this.#open = open;
    this.#access = access;
  }

  /** Why a request is refused; `undefined` if it is served. Arguments as in `ClientAccess`. */
  check(
    exchange: Exchange,
    credentials: string | undefined,
    to: RoutedTo,
    memo?: KeyMemo,
  ): AccessRefusal | undefined {
    if (this.#overload.isOn && !this.#open.has(exchange, to)) return OVERLOADED;
    return this.#access?.check(exchange, credentials, to, memo);
  }
}
