// Serves the streams of one HTTP/2 connection as requests of HTTP/1.1. Hot path.
// Invariant: a socket serves one stream at a time, and all sockets are closed when the connection is.
import type { Duplex } from 'node:stream';
import type { HeaderBlock } from '../hpack/header-block.ts';
import type { Http2Stream } from '../stream.ts';
import { Http1StreamSocket, type SocketOwner } from './http1-stream-socket.ts';

/** Sockets that are kept for further streams. */
const MAX_IDLE = 100;

export class Http1Streams implements SocketOwner {
  readonly #client: Duplex;
  readonly #accept: (socket: Http1StreamSocket) => void;
  readonly #idle: Http1StreamSocket[] = [];

  /** `client`: the socket of the connection. `accept` serves a new socket like that of an HTTP/1.1 client. */
  constructor(client: Duplex, accept: (socket: Http1StreamSocket) => void) {
    this.#client = client;
    this.#accept = accept;
  }

  /** Serves a request. Returns why it is malformed, and nothing is done then; empty if it is served. */
  serve(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): string {
    let socket = this.#idle.pop();
    // A lane may have ended it meanwhile.
    while (socket !== undefined && !socket.writable) socket = this.#idle.pop();
    const isNew = socket === undefined;
    socket ??= new Http1StreamSocket(this.#client, this);
    if (socket.begin(stream, block, isEnd)) {
      if (isNew) this.#accept(socket);
      return '';
    }
    if (!isNew) this.#idle.push(socket);
    return socket.problem;
  }

  /** The connection has ended. */
  close(): void {
    for (const socket of this.#idle.splice(0)) socket.destroy();
  }

  idle(socket: Http1StreamSocket): void {
    if (this.#idle.length < MAX_IDLE) this.#idle.push(socket);
    else setImmediate(() => socket.destroy());
  }

  gone(socket: Http1StreamSocket): void {
    const at = this.#idle.indexOf(socket);
    if (at !== -1) this.#idle.splice(at, 1);
  }
}
