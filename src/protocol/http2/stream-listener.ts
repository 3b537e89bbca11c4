// What a stream of HTTP/2 tells its owner.
import type { HeaderBlock } from './hpack/header-block.ts';
import type { Http2Stream } from './stream.ts';

/** Events of one stream. They are called while the connection reads; each may write, reset or destroy. */
export interface StreamListener {
  /** A head, an interim head (status 1xx) or trailers. `isEnd`: the peer sends no more. */
  onHeaders(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void;
  /** Data is in bytes[from, to). The buffer is only borrowed: it is read into again after the call. */
  onData(stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void;
  /** So many bytes that waited have left. If `stream.waiting` is 0, all have. */
  onSent(stream: Http2Stream, bytes: number): void;
  /**
   * The stream has ended early: the peer reset it, the peer broke a rule, or the connection is lost (`isLost`). No event
   * comes after it. The code is REFUSED_STREAM if the peer has not processed the request (RFC 9113 8.7).
   */
  onReset(stream: Http2Stream, code: number, isLost: boolean): void;
}

/** The listener of a stream until its owner sets another one. */
export const NO_LISTENER: StreamListener = {
  onHeaders: () => undefined,
  onData: (stream, _bytes, from, to) => stream.consumed(to - from),
  onSent: () => undefined,
  onReset: () => undefined,
};
