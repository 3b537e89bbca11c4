// One stream of an HTTP/2 connection (RFC 9113 5). Hot path.
//
//        HEADERS sent or received
//                  │
//                  ▼   END_STREAM received
//                open ──────────────► half-closed (remote)
//                  │                           │
//  END_STREAM sent │                           │ END_STREAM sent
//                  ▼                           ▼
//       half-closed (local) ──────────────► closed
//                     END_STREAM received
//
// RST_STREAM, sent or received, closes it from any state. Idle streams have no object.
import type { Http2Connection } from './connection.ts';
import type { HeaderWriter } from './header-writer.ts';
import type { StreamListener } from './stream-listener.ts';

export class Http2Stream {
  readonly id: number;
  readonly connection: Http2Connection;
  listener: StreamListener;
  /** Neither closed nor reset. */
  isOpen = true;
  /** The peer has sent END_STREAM. */
  hasPeerEnded = false;
  /** END_STREAM was given to `write` or `send`. It may still wait behind data. */
  hasEnded = false;
  hasSentHead = false;
  /** Bytes of data that wait for windows or for the socket. */
  waiting = 0;

  constructor(connection: Http2Connection, id: number, listener: StreamListener) {
    this.connection = connection;
    this.id = id;
    this.listener = listener;
  }

  /** Begins a header section: a head, an interim head, or trailers. */
  head(): HeaderWriter {
    throw new Error('not written yet');
  }

  /**
   * Sends bytes[from, to) as DATA. Returns false if some of it waits for a window or for the socket: `onSent` tells when it
   * has left. What waits is a copy. `isEnd`: the stream ends with it.
   */
  write(_bytes: Buffer, _from: number, _to: number, _isEnd: boolean): boolean {
    throw new Error('not written yet');
  }

  /** Bytes of DATA are used up: the peer may send as many more. Must be called for all bytes of `onData`, or `reset`. */
  consumed(_bytes: number): void {}

  /** Ends the stream with RST_STREAM and drops what waits. No event comes after it. Does nothing if it is closed. */
  reset(_code: number): void {}

  /**
   * What the peer still sends is not wanted (RFC 9113 8.1): drops it, and sends RST_STREAM(NO_ERROR) as soon as all of this
   * side has been sent up to END_STREAM. No event but `onSent` comes after it.
   */
  stopPeer(): void {}
}
