// One HTTP/2 connection over a TCP, Unix or TLS socket, as server or client (RFC 9113). Hot path.
import type { Socket } from 'node:net';
import type { Http2Options } from './connection-options.ts';
import type { Http2ConnectionError } from './error-code.ts';
import type { HeaderBlock } from './hpack/header-block.ts';
import { Http2Stream } from './stream.ts';
import type { StreamListener } from './stream-listener.ts';

/** Events of a connection. */
export interface ConnectionListener {
  /** Server: a request. Sets `stream.listener`. `block` is well formed, but it may be too large (`isTooLarge`). */
  onStream(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void;
  /** The peer's SETTINGS came. */
  onReady(connection: Http2Connection): void;
  /** The peer sent GOAWAY, or this side does: no new streams. Streams that are open go on. */
  onLeaving(connection: Http2Connection): void;
  /** The connection has ended, after `onReset` of all its streams. `error`: why, if not as planned. */
  onGone(connection: Http2Connection, error: Http2ConnectionError | undefined): void;
}

export class Http2Connection {
  readonly socket: Socket;
  readonly options: Http2Options;
  /** The peer's SETTINGS came. */
  isReady = false;
  /** GOAWAY was sent or received. */
  isLeaving = false;
  isGone = false;
  openStreams = 0;
  /** SETTINGS_MAX_CONCURRENT_STREAMS of the peer. */
  peerMaxStreams = Infinity;
  /** SETTINGS_MAX_HEADER_LIST_SIZE of the peer. */
  peerMaxHeaderListBytes = Infinity;
  /** SETTINGS_ENABLE_CONNECT_PROTOCOL of the peer (RFC 8441). */
  peerAllowsExtendedConnect = false;

  /** `socket`: connected or connecting, and nothing has been read from it but what was put back. */
  constructor(socket: Socket, options: Http2Options, _listener: ConnectionListener) {
    this.socket = socket;
    this.options = options;
  }

  /** A stream may be opened now. */
  get hasRoom(): boolean {
    return !this.isGone && !this.isLeaving && this.openStreams < this.peerMaxStreams;
  }

  /** Client: opens a stream. `hasRoom` must be true. The next call must be `head()` of the stream. */
  openStream(listener: StreamListener): Http2Stream {
    return new Http2Stream(this, 1, listener);
  }

  /** Ends gracefully: no new streams, and the connection closes when none is open. */
  goAway(): void {}

  /** Ends at once, with GOAWAY. */
  destroy(): void {}

  /** Checks the time limits. Must be called about every 100 ms with performance.now(). */
  sweep(_nowMs: number): void {}
}
