// HTTP/2 connections to a replica as its requests see them, and the errors that requests end with.
import type { StreamListener } from '../stream-listener.ts';
import type { Http2Stream } from '../stream.ts';

/** Codes of the errors that a socket is destroyed with. Errors of connecting keep their own. */
export const REPLICA_ERROR = {
  /** The replica has not processed the request (RFC 9113 8.7), so that it may be sent again. */
  unread: 'ERR_REQUEST_UNREAD',
  /** The replica does not offer WebSockets over HTTP/2 (RFC 8441). */
  noWebSocket: 'ERR_NO_WEBSOCKET',
  /** The response cannot be written as HTTP/1.1. Begins like the codes of Node's parser. */
  malformed: 'HPE_INVALID_HTTP2_RESPONSE',
  /** The replica reset the stream. */
  reset: 'ERR_STREAM_RESET',
  lost: 'ECONNRESET',
} as const;

/** A connection as its users see it. */
export interface SharedConnection {
  /** It has served requests and serves none now, so the replica may just have closed it. */
  readonly isKept: boolean;
  /** Requests whose client does not read the response. */
  unread: number;
  /** The replica offers WebSockets. */
  readonly allowsExtendedConnect: boolean;
  /** Opens a stream. The next call must be its `head()`. */
  open(listener: StreamListener): Http2Stream;
  /** A request is over. A stream that either side has not ended is reset. */
  end(stream: Http2Stream): void;
}

/** Waits for a connection. Exactly one method is called, once, unless it leaves. */
export interface ConnectionTaker {
  /** It must open its stream inside the call. */
  connected(connection: SharedConnection): void;
  unreachable(error: NodeJS.ErrnoException): void;
}

/** Where the connections to one replica come from. */
export interface ConnectionSource {
  readonly scheme: 'http' | 'https';
  /** Gives `taker` a connection, inside the call or later. `isFresh`: a new one. */
  take(taker: ConnectionTaker, isFresh: boolean): void;
  /** `taker` no longer waits. */
  leave(taker: ConnectionTaker): void;
}
