// The time limits of an exchange, step by step.
// Invariant: an exchange that makes progress is only ended by the total limit. Progress is seen by comparing byte
// counts from one check to the next, so that moving bytes needs no clock.
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { ProxyOptions } from './options.ts';

/** What a forwarder knows about the progress of its exchange. */
export interface Progress {
  /** The client's body has arrived to its end. */
  readonly isUploaded: boolean;
  /** Bytes for the replica wait since it does not read. */
  readonly waitsForReplica: boolean;
  /** Bytes for the client wait since it does not read. */
  readonly waitsForClient: boolean;
  /** It is a gRPC stream, whose total time has a limit of its own. */
  readonly isStream?: boolean;
}

/** A time limit that has passed. */
export interface ExpiredTimeout {
  readonly failure: Failure;
  readonly detail: string;
}

export class TimeoutTracker {
  readonly #options: ProxyOptions;
  #exchange: Exchange | undefined;
  /** Body bytes of both directions at the last check, and performance.now() when they last changed. */
  #bytes = 0;
  #progressMs = 0;
  #responseBytes = 0;
  /** Bytes of the response have moved since the check before. */
  isMoving = false;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /**
   * The time limit of `exchange` that has passed at `nowMs` (performance.now()), or undefined. Call it at short
   * intervals. `hasReplica`: the request was sent to a replica, and does not wait for one.
   */
  check(
    nowMs: number,
    exchange: Exchange,
    hasReplica: boolean,
    progress: Progress,
  ): ExpiredTimeout | undefined {
    const { first_byte_timeout, idle_timeout, total_timeout, grpc_stream_timeout } = this.#options;
    const isStream = progress.isStream === true;
    const totalMs = isStream ? grpc_stream_timeout || Infinity : total_timeout;
    if (exchange !== this.#exchange) {
      this.#exchange = exchange;
      this.#bytes = this.#responseBytes = 0;
      this.#progressMs = exchange.startMs;
    }
    this.isMoving = exchange.responseBytes !== this.#responseBytes;
    this.#responseBytes = exchange.responseBytes;
    const bytes = exchange.requestBytes + exchange.responseBytes;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#progressMs = nowMs;
    }
    if (nowMs - exchange.startMs > totalMs)
      return {
        // Without an attempt all the time went into waiting for a replica.
        failure: exchange.attempts === 0 && !hasReplica ? 'queue_timeout' : 'total_timeout',
        detail: `not complete after ${totalMs} ms (${isStream ? 'proxy.grpc_stream_timeout' : 'proxy.total_timeout'})`,
      };
    const stillMs = nowMs - Math.max(this.#progressMs, exchange.leasedMs, exchange.headMs);
    if (!progress.isUploaded && exchange.headMs === 0) {
      if (stillMs <= idle_timeout) return undefined;
      return progress.waitsForReplica
        ? {
            failure: 'idle_timeout',
            detail: `the replica read nothing for ${idle_timeout} ms (proxy.idle_timeout)`,
          }
        : {
            failure: 'request_timeout',
            detail: `no more of the body came for ${idle_timeout} ms (proxy.idle_timeout)`,
          };
    }
    if (!hasReplica) return undefined;
    if (exchange.headMs === 0)
      return stillMs > first_byte_timeout
        ? {
            failure: 'first_byte_timeout',
            detail: `no response head within ${first_byte_timeout} ms (proxy.first_byte_timeout)`,
          }
        : undefined;
    if (stillMs <= idle_timeout) return undefined;
    return progress.waitsForClient
      ? {
          failure: 'client_stalled',
          detail: `the client read nothing for ${idle_timeout} ms (proxy.idle_timeout)`,
        }
      : {
          failure: 'idle_timeout',
          detail: `the replica sent nothing for ${idle_timeout} ms (proxy.idle_timeout)`,
        };
  }
}
