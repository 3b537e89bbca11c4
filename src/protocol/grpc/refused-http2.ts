// Answers the requests of an HTTP/2 client whose connection is refused, each in its own protocol, and ends the connection.
// No exchange is opened for them, as for the same client over HTTP/1.1.
// Invariant: no request goes any further, and the connection ends ANSWER_MS after it came at the latest.
import type { Socket } from 'node:net';
import { catalogue, type Failure } from '../../core/errors.ts';
import { Http2Connection, type ConnectionListener } from '../http2/connection.ts';
import type { Http2Options } from '../http2/connection-options.ts';
import { ERROR_CODE } from '../http2/error-code.ts';
import { DEFAULT_WINDOW } from '../http2/frame-types.ts';
import type { HeaderBlock } from '../http2/hpack/header-block.ts';
import { Http2Counters } from '../http2/http2-counters.ts';
import { Http2HeldBytes } from '../http2/http2-held-bytes.ts';
import type { Http2Stream } from '../http2/stream.ts';
import { isGrpc, MESSAGE_HEADER, STATUS_HEADER } from './metadata.ts';
import { grpcStatusOf } from './refusal.ts';
import { encodeMessage } from './status.ts';

/** Time in which a client can send requests and read their answers. */
const ANSWER_MS = 5000;

/** Small limits, since nothing of a request but its head is read. */
const OPTIONS: Http2Options = {
  role: 'server',
  maxStreams: 100,
  maxHeaderListBytes: 16 * 1024,
  streamWindow: DEFAULT_WINDOW,
  maxStreamWindow: DEFAULT_WINDOW,
  connectionWindow: DEFAULT_WINDOW,
  heldBytes: new Http2HeldBytes(1024 ** 2),
  counters: new Http2Counters(),
  maxUnreadBytes: 64 * 1024,
  resetBurst: 100,
  resetsPerSecond: 1,
  controlBurst: 100,
  controlPerSecond: 1,
  allowsExtendedConnect: false,
  // ANSWER_MS ends all connections.
  settingsTimeoutMs: 0,
  idleMs: 0,
  pingIntervalMs: 0,
  pingTimeoutMs: 0,
  maxAgeMs: 0,
};

/** `failure`: what requests and calls get; `problem`: why, for the client. Nothing may have been read from the socket. */
export function answerRefused(socket: Socket, failure: Failure, problem: string): void {
  const client = new RefusedClient(failure, problem);
  const connection = new Http2Connection(socket, OPTIONS, client);
  const timer = setTimeout(() => connection.destroy(ERROR_CODE.inadequateSecurity), ANSWER_MS).unref();
  socket.once('close', () => clearTimeout(timer));
}

class RefusedClient implements ConnectionListener {
  readonly #failure: Failure;
  readonly #problem: string;

  constructor(failure: Failure, problem: string) {
    this.#failure = failure;
    this.#problem = problem;
  }

  onStream(stream: Http2Stream, block: HeaderBlock): void {
    if (isGrpc(block.value('content-type'))) this.#refuseCall(stream);
    else this.#refuseRequest(stream, block.method === 'HEAD');
    stream.stopPeer();
    // Requests that are on the way are still answered.
    stream.connection.goAway();
  }

  onReady(): void {
    // Nothing waits for the client's SETTINGS.
  }

  onLeaving(): void {
    // Requests on the way are answered.
  }

  onGone(): void {
    // Nothing belongs to the connection.
  }

  #refuseCall(stream: Http2Stream): void {
    stream
      .head()
      .add(':status', '200')
      .add('content-type', 'application/grpc')
      .add(STATUS_HEADER, String(grpcStatusOf(this.#failure)))
      .add(MESSAGE_HEADER, encodeMessage(this.#problem))
      .send(true);
  }

  #refuseRequest(stream: Http2Stream, isHead: boolean): void {
    const { http, errorCode } = catalogue[this.#failure];
    const body = Buffer.from(JSON.stringify({ error: this.#problem, error_code: errorCode }));
    stream
      .head()
      .add(':status', String(http))
      .add('content-type', 'application/json')
      .add('content-length', String(body.length))
      .send(isHead);
    if (!isHead) stream.write(body, 0, body.length, true);
  }
}
