// One side's end of the connection of two pools, whose messages go among all others between the main thread and a data
// thread. So all have one order: a change of the deployments is applied before a later call.
import type { PoolPort } from '../../data-plane/replicas/pool.ts';

type Listener = Parameters<PoolPort['on']>[1];

export class PoolChannel implements PoolPort {
  readonly #send: (message: unknown) => void;
  #listener: Listener | undefined;

  /** Messages of this side's pool go to `send`. */
  constructor(send: (message: unknown) => void) {
    this.#send = send;
  }

  /** A message of the other side's pool. */
  received(message: unknown): void {
    this.#listener?.(message as never);
  }

  // ── PoolPort ─────────────────────────────────────────────────────────────────────────────────────────────────────

  postMessage(message: unknown): void {
    this.#send(message);
  }

  on(_event: 'message', listener: Listener): void {
    this.#listener = listener;
  }

  unref(): void {
    // The connection of the threads decides.
  }

  close(): void {
    this.#listener = undefined;
  }
}
