// Connections for plain requests to replicas that speak HTTP/2.
// Invariant: a replica has one source, so that its requests share connections.
import type { Http2HeldBytes } from '../../../protocol/http2/http2-held-bytes.ts';
import type { Http2Counters } from '../../../protocol/http2/http2-counters.ts';
import type { ConnectionSource, ConnectionTaker } from '../../../protocol/http2/http1/shared-connection.ts';
import type { Replica } from '../../replicas/pool.ts';
import { ReplicaSessions, sessionOptions } from './replica-sessions.ts';
import type { ProxyOptions } from '../options.ts';
import { MAX_RESPONSE_HEAD_BYTES } from '../response-head.ts';

/** The connections to one replica. */
class ReplicaSource implements ConnectionSource {
  readonly scheme: 'http' | 'https';
  readonly #sessions: ReplicaSessions;
  readonly #replica: Replica;

  constructor(sessions: ReplicaSessions, replica: Replica) {
    this.#sessions = sessions;
    this.#replica = replica;
    this.scheme = replica.tls === undefined ? 'http' : 'https';
  }

  take(taker: ConnectionTaker, isFresh: boolean): void {
    this.#sessions.take(this.#replica, taker, isFresh);
  }

  leave(taker: ConnectionTaker): void {
    this.#sessions.leave(this.#replica, taker);
  }
}

/** The connections to all replicas. */
export class Http2Replicas {
  readonly #sessions: ReplicaSessions;
  readonly #sources = new WeakMap<Replica, ReplicaSource>();

  constructor(options: ProxyOptions, heldBytes: Http2HeldBytes, counters: Http2Counters) {
    const { connectTimeoutMs, connection } = sessionOptions(options, heldBytes, counters);
    this.#sessions = new ReplicaSessions({
      connectTimeoutMs,
      connection: {
        ...connection,
        maxHeaderListBytes: MAX_RESPONSE_HEAD_BYTES,
        maxAgeMs: options.replica_connection_age,
      },
    });
  }

  /** Where the requests to a replica get their connections. */
  of(replica: Replica): ConnectionSource {
    let source = this.#sources.get(replica);
    if (source === undefined)
      this.#sources.set(replica, (source = new ReplicaSource(this.#sessions, replica)));
    return source;
  }

  /** Connections with requests, and without. */
  count(): { active: number; idle: number } {
    return this.#sessions.count();
  }

  close(): void {
    this.#sessions.close();
  }
}
