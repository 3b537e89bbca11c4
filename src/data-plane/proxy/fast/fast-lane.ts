// The fast lane of a data door: the connections that it serves, and what they have in common.
// Must stay true: a connection is either here or has been handed over for good. What happens on one of them is in
// fast-connection.ts.
import type { Socket } from 'node:net';
import type { Failure } from '../../../core/errors.ts';
import { FastConnection, type FastDeps, type FastContext } from './fast-connection.ts';

export type { RouteDecision, FastDeps } from './fast-connection.ts';

/** The fast lane of one data door. */
export class FastLane implements FastContext {
  readonly #deps: FastDeps;
  readonly #clients = new Set<FastConnection>();
  /** Answers say that the connection ends, and idle connections do. */
  isDraining = false;

  constructor(deps: FastDeps) {
    this.#deps = deps;
  }

  /** Serves a new connection. */
  accept(socket: Socket): void {
    this.#clients.add(new FastConnection(this.#deps, this, socket));
  }

  left(client: FastConnection): void {
    this.#clients.delete(client);
  }

  /** From now on connections end when nothing runs on them. */
  drain(): void {
    this.isDraining = true;
    for (const client of this.#clients) client.closeIfIdle();
  }

  abortAll(failure: Failure): void {
    for (const client of this.#clients) client.abort(failure);
  }
}
