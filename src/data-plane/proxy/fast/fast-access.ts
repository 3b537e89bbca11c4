// What the fast lane asks before it forwards a request: may this client make it? Hot path.
import type { Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import type { FastDecision } from './fast-context.ts';

/** Why a request is refused. */
interface FastRefusal {
  readonly failure: Failure;
  readonly detail: string;
  /** Seconds of Retry-After. */
  readonly retryAfter?: number;
}

export interface FastAccess {
  /** Why a request is refused; `undefined` if it is served. `credentials`: the value of `Authorization`. */
  check(
    exchange: Exchange,
    credentials: string | undefined,
    to: FastDecision,
    memo: KeyMemo,
  ): FastRefusal | undefined;
}

/** The last credentials of a client connection that were valid, and what is known of them. */
export class KeyMemo {
  credentials: string | undefined;
  /** Version of the keys at that time. */
  version = -1;
  /** Date.now() at which the key expires. */
  expiresMs = 0;
  /** Belongs to who decides. */
  known: unknown;

  /** Asks for a request of this connection, and names its deployment for the record. Arguments as in `FastAccess`. */
  check(
    access: FastAccess,
    exchange: Exchange,
    { authorization }: RequestHead,
    to: FastDecision,
  ): FastRefusal | undefined {
    exchange.requestedDeployment = to.deployment;
    return access.check(exchange, authorization, to, this);
  }
}
