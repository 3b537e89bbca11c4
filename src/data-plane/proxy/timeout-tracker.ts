// How long an exchange may take, step by step. Must stay true: what makes progress is cut by the total limit alone.
// Progress is seen by comparing byte counts from sweep to sweep, so that moving bytes costs no clock.
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { ProxyOptions } from './options.ts';

/** Where the exchange stands, as its lane sees it. */
export interface Progress {
  /** A replica has it; otherwise it waits for one. */
  readonly hasReplica: boolean;
  /** The client's body has arrived to its end. */
  readonly isUploaded: boolean;
  /** Bytes for the replica wait because it does not read. */
  readonly waitsForReplica: boolean;
  /** Bytes for the client wait because it does not read. */
  readonly waitsForClient: boolean;
}

export interface TimeoutKind {
  readonly failure: Failure;
  readonly detail: string;
}

export class TimeoutTracker {
  readonly #options: ProxyOptions;
  #exchange: Exchange | undefined;
  #bytes = 0;
  #progressMs = 0;
  /** Bytes of the answer have moved since the check before. */
  isMoving = false;
  #answered = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /** What of `exchange` is overdue at `nowMs` (performance.now()), or `undefined`. To be called on every sweep. */
  check(nowMs: number, exchange: Exchange, standing: Progress): TimeoutKind | undefined {
    const { first_byte_timeout, idle_timeout, total_timeout } = this.#options;
    if (exchange !== this.#exchange) {
      this.#exchange = exchange;
      this.#bytes = this.#answered = 0;
      this.#progressMs = exchange.startMs;
    }
    this.isMoving = exchange.responseBytes !== this.#answered;
    this.#answered = exchange.responseBytes;
    const bytes = exchange.requestBytes + exchange.responseBytes;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#progressMs = nowMs;
    }
    if (nowMs - exchange.startMs > total_timeout)
      return {
        // Who never had a replica has waited in line all the time.
        failure: exchange.attempts === 0 && !standing.hasReplica ? 'queue_timeout' : 'total_timeout',
        detail: `${total_timeout} ms in all`,
      };
    const stillMs = nowMs - Math.max(this.#progressMs, exchange.leasedMs, exchange.headMs);
    if (!standing.isUploaded && exchange.headMs === 0) {
      if (stillMs <= idle_timeout) return undefined;
      return standing.waitsForReplica
        ? { failure: 'idle_timeout', detail: `the replica read nothing for ${idle_timeout} ms` }
        : { failure: 'request_timeout', detail: `no more of the body came for ${idle_timeout} ms` };
    }
    if (!standing.hasReplica) return undefined;
    if (exchange.headMs === 0)
      return stillMs > first_byte_timeout
        ? { failure: 'first_byte_timeout', detail: `${first_byte_timeout} ms` }
        : undefined;
    if (stillMs <= idle_timeout) return undefined;
    return standing.waitsForClient
      ? { failure: 'client_stalled', detail: `the client read nothing for ${idle_timeout} ms` }
      : { failure: 'idle_timeout', detail: `the replica sent nothing for ${idle_timeout} ms` };
  }
}
