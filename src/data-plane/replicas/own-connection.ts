// Connections for weir's own requests to replicas that speak HTTP/2: probes, and pages of metrics.
// Invariant: each request has a connection of its own, like one of HTTP/1.1, which is closed after the response.
import type { Agent as AgentType } from 'node:http';
import type { Socket } from 'node:net';
import { Http2Connection, type ConnectionListener } from '../../protocol/http2/connection.ts';
import type { Http2Options } from '../../protocol/http2/connection-options.ts';
import { ERROR_CODE, type Http2ConnectionError } from '../../protocol/http2/error-code.ts';
import { Http2HeldBytes } from '../../protocol/http2/http2-held-bytes.ts';
import { Http2Counters } from '../../protocol/http2/http2-counters.ts';
import { Http2ReplicaSocket } from '../../protocol/http2/http1/http2-replica-socket.ts';
import type {
  ConnectionSource,
  ConnectionTaker,
  SharedConnection,
} from '../../protocol/http2/http1/shared-connection.ts';
import type { StreamListener } from '../../protocol/http2/stream-listener.ts';
import type { Http2Stream } from '../../protocol/http2/stream.ts';
import { Agent } from '../../protocol/http/node-http.ts';
import type { ProbeTarget } from './probe.ts';
import { connectHttp2, noHttp2 } from './replica-h2.ts';
import { speaksHttp2 } from './replica-url.ts';

const KIB = 1024;

/** Options of a connection that one probe or one request has for itself. It is not in the metrics of connections. */
export const OWN_CONNECTION: Http2Options = {
  role: 'client',
  maxStreams: 0,
  maxHeaderListBytes: 64 * KIB,
  streamWindow: 64 * KIB,
  maxStreamWindow: KIB ** 2,
  connectionWindow: KIB ** 2,
  heldBytes: new Http2HeldBytes(16 * KIB ** 2),
  counters: new Http2Counters(),
  maxUnreadBytes: 64 * KIB,
  resetBurst: 1,
  resetsPerSecond: 0,
  controlBurst: 1000,
  controlPerSecond: 100,
  allowsExtendedConnect: false,
  // Probes and requests have time limits of their own.
  settingsTimeoutMs: 0,
  idleMs: 0,
  pingIntervalMs: 0,
  pingTimeoutMs: 0,
  maxAgeMs: 0,
};

/** A connection for one request. */
export class OwnConnection implements ConnectionSource, SharedConnection, ConnectionListener {
  readonly scheme: 'http' | 'https';
  readonly isKept = false;
  unread = 0;
  readonly #target: ProbeTarget;
  #socket: Socket | undefined;
  #connection: Http2Connection | undefined;
  #error: NodeJS.ErrnoException | undefined;
  #taker: ConnectionTaker | undefined;

  constructor(target: ProbeTarget) {
    this.#target = target;
    this.scheme = target.tls === undefined ? 'http' : 'https';
  }

  get allowsExtendedConnect(): boolean {
    return this.#connection!.peer.allowsExtendedConnect;
  }

  take(taker: ConnectionTaker): void {
    this.#taker = taker;
    const socket = connectHttp2(this.#target, () => {
      this.#connection = new Http2Connection(socket, OWN_CONNECTION, this);
    });
    this.#socket = socket;
    socket.on('error', (error) => (this.#error = error));
    socket.on('close', () => this.#refuse(undefined));
  }

  leave(): void {
    this.#taker = undefined;
    this.close();
  }

  open(listener: StreamListener): Http2Stream {
    return this.#connection!.openStream(listener);
  }

  end(stream: Http2Stream): void {
    stream.reset(ERROR_CODE.cancel);
  }

  close(): void {
    if (this.#connection === undefined) this.#socket?.destroy();
    else this.#connection.destroy();
  }

  onReady(): void {
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.connected(this);
  }

  onStream(stream: Http2Stream): void {
    // Only clients open streams.
    stream.reset(ERROR_CODE.refusedStream);
  }

  onLeaving(): void {
    // The request that runs is the last one anyway.
  }

  onGone(_connection: Http2Connection, error: Http2ConnectionError | undefined): void {
    this.#refuse(error);
  }

  #refuse(error: Http2ConnectionError | undefined): void {
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.unreachable(this.#error ?? noHttp2(error));
  }
}

class OwnAgent extends Agent {
  readonly #target: ProbeTarget;

  constructor(target: ProbeTarget) {
    super({ keepAlive: false });
    this.#target = target;
  }

  override createConnection(): Http2ReplicaSocket {
    const connection = new OwnConnection(this.#target);
    return new Http2ReplicaSocket(connection).once('close', () => connection.close());
  }
}

/** The agent for weir's own requests to a replica; `undefined`: it speaks HTTP/1.1. */
export const agentFor = (target: ProbeTarget): AgentType | undefined =>
  speaksHttp2(target.url) ? new OwnAgent(target) : undefined;
