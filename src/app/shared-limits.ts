// Limits and counts of connections that hold for all threads together, and the rates of asynchronous requests.
// Invariant: two threads that make these with the same settings share every array.
import type { Config } from '../config/config.ts';
import { RateLimiter } from '../core/rate-limiter.ts';
import { RefusedHandshakes } from '../core/server-certificate.ts';
import { privateArrays, SharedArrays } from '../core/shared-arrays.ts';
import { ConnectionsPerAddress } from '../protocol/http/connections-per-address.ts';
import type { AsyncRates } from '../data-plane/server/data-server.ts';
import { OpenConnections } from '../protocol/http/open-connections.ts';
import { Http2HeldBytes } from '../protocol/http2/http2-held-bytes.ts';

export class SharedLimits {
  /** Bytes that HTTP/2 connections hold. */
  readonly heldBytes: Http2HeldBytes;
  /** Connections to the data server. */
  readonly perAddress: ConnectionsPerAddress;
  readonly open: OpenConnections;
  readonly rates: AsyncRates;
  /** TLS connections to the data server that were closed before they were served. */
  readonly refusedHandshakes: RefusedHandshakes;
  readonly #arrays: SharedArrays | undefined;

  /** `memory`: of the main thread, for another one. `thread`: number of this one; the main thread is 0. */
  constructor(
    { proxy, ingress, async }: Pick<Config, 'proxy' | 'ingress' | 'async'>,
    threads = 1,
    thread = 0,
    memory?: readonly SharedArrayBuffer[],
  ) {
    this.#arrays = threads > 1 ? new SharedArrays(memory) : undefined;
    const shared = { threads, thread, arrays: this.#arrays ?? privateArrays };
    this.heldBytes = new Http2HeldBytes(proxy.http2.max_held, shared);
    this.perAddress = new ConnectionsPerAddress(ingress.max_connections_per_address, shared);
    this.open = new OpenConnections(ingress.max_connections, shared);
    this.refusedHandshakes = new RefusedHandshakes(shared);
    const { submit_rate, status_rate } = async;
    this.rates = {
      async_predict: new RateLimiter(submit_rate, shared),
      async_request: new RateLimiter(status_rate, shared),
      cancel: new RateLimiter(status_rate, shared),
      async_queue_status: new RateLimiter(status_rate, shared),
    };
  }

  /** For the other threads, which make these limits over it. */
  get memory(): readonly SharedArrayBuffer[] {
    return this.#arrays?.buffers ?? [];
  }

  /** A thread is gone. Called in the main thread. */
  lost(thread: number): void {
    this.heldBytes.lost(thread);
    this.perAddress.lost(thread);
    this.open.lost(thread);
  }
}
