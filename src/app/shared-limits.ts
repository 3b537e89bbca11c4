// Limits that hold for all threads together, but for those of replicas and of keys.
// Invariant: two threads that make these with the same settings share every array.
import type { Config } from '../config/config.ts';
import { privateArrays, SharedArrays } from '../core/shared-arrays.ts';
import { ConnectionsPerAddress } from '../protocol/http/connections-per-address.ts';
import { Http2HeldBytes } from '../protocol/http2/http2-held-bytes.ts';

export class SharedLimits {
  /** Bytes that HTTP/2 connections hold. */
  readonly heldBytes: Http2HeldBytes;
  /** Connections to the data server. */
  readonly perAddress: ConnectionsPerAddress;
  readonly #arrays: SharedArrays | undefined;

  /** `memory`: of the main thread, for another one. `thread`: number of this one; the main thread is 0. */
  constructor(
    { proxy, ingress }: Pick<Config, 'proxy' | 'ingress'>,
    threads = 1,
    thread = 0,
    memory?: readonly SharedArrayBuffer[],
  ) {
    this.#arrays = threads > 1 ? new SharedArrays(memory) : undefined;
    const shared = { threads, thread, arrays: this.#arrays ?? privateArrays };
    this.heldBytes = new Http2HeldBytes(proxy.http2.max_held, shared);
    this.perAddress = new ConnectionsPerAddress(ingress.max_connections_per_address, shared);
  }

  /** For the other threads, which make these limits over it. */
  get memory(): readonly SharedArrayBuffer[] {
    return this.#arrays?.buffers ?? [];
  }

  /** A thread is gone. Called in the main thread. */
  lost(thread: number): void {
    this.heldBytes.lost(thread);
    this.perAddress.lost(thread);
  }
}
