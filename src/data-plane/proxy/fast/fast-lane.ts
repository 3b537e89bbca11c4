// The fast lane of a data server: the set of its client connections.
// Invariant: a connection is in the set until it is closed or handed over to the full lane.
import type { Socket } from 'node:net';
import type { Failure } from '../../../core/errors.ts';
import { FastConnection } from './fast-connection.ts';
import type { ConnectionSet, FastContext } from './fast-context.ts';

export { KeyMemo } from './fast-access.ts';
export { lateBody } from './fast-submission.ts';
export type { FastDecision, FastLaneOptions } from './fast-context.ts';
export type {
  SubmissionHead,
  SubmissionOutcome,
  SubmissionRefusal,
  SubmissionTarget,
} from './fast-submission.ts';

export class FastLane implements ConnectionSet<FastConnection> {
  readonly #context: FastContext;
  readonly #connections = new Set<FastConnection>();
  isDraining = false;
  closesIdle = false;

  constructor(context: FastContext) {
    this.#context = context;
  }

  /** Serves a new connection. */
  accept(socket: Socket): void {
    this.#connections.add(new FastConnection(this.#context, this, socket));
  }

  remove(connection: FastConnection): void {
    this.#connections.delete(connection);
  }

  /**
   * From now on every response closes its connection. `closesIdle`: so is every connection on which no request runs.
   */
  drain(closesIdle = true): void {
    this.isDraining = true;
    this.closesIdle = closesIdle;
    if (closesIdle) for (const connection of this.#connections) connection.closeIfIdle();
  }

  abortAll(failure: Failure): void {
    for (const connection of this.#connections) connection.abort(failure);
  }
}
