// The client's side of a gRPC call, as the forwarder sees it: HTTP/2 (http2-caller.ts) or gRPC-Web.
// Invariant: the client gets one status; after it, or after `onClientGone`, the listener is not called again.
import type { Failure } from '../../../core/errors.ts';
import type { HeaderBlock } from '../../../protocol/http2/hpack/header-block.ts';

/** Events of the client's side. They may come once `listen` was called, but not within it. */
export interface CallerListener {
  /**
   * Messages of the client, with their prefixes, cut anywhere: bytes[from, to). The buffer is only borrowed. `isEnd`: the
   * client sends no more; then there may be no bytes.
   */
  onMessages(bytes: Buffer, from: number, to: number, isEnd: boolean): void;
  /** Bytes of the response that waited have left. If `waiting` is 0, all have. */
  onResponseSent(): void;
  /** What the client sends cannot be read as messages, and no more of it comes. `detail`: what is wrong, for the client. */
  onMalformed(detail: string): void;
  /** The client has cancelled, or is not connected any more. `detail`: for the log; empty if there is nothing to say. */
  onClientGone(detail: string): void;
}

export interface Caller {
  /**
   * Initial metadata of the request as a gRPC client sends it over HTTP/2, with pseudo-headers: POST, the path, a scheme,
   * an authority, `content-type: application/grpc…` and `te: trailers`.
   */
  readonly block: HeaderBlock;
  /** The client sends no more messages. At `listen`: the call ended with its head. */
  readonly hasEnded: boolean;
  /** The head of the response was sent, or the client is gone. */
  readonly hasBegun: boolean;
  /** Bytes of the response that wait, since the client does not read. */
  readonly waiting: number;

  /** Begins: messages come to `listener` from now on. */
  listen(listener: CallerListener): void;
  /** So many bytes of `onMessages` are used up: the client may send as many more. */
  consumed(bytes: number): void;
  /**
   * Sends the initial metadata of a response. `isEnd`: it is the whole response and has the status (Trailers-Only). Sets
   * the request id and the number of attempts. Returns '' or why it cannot be sent; then nothing was sent.
   */
  sendHead(block: HeaderBlock, isEnd: boolean): string;
  /**
   * Sends bytes[from, to) of the messages of the response. They are copied if they wait. Returns '' or what is wrong with
   * the next message; then only those before it were sent.
   */
  send(bytes: Buffer, from: number, to: number): string;
  /**
   * Ends the response with the replica's trailers, which have the status. Call it when no bytes wait. Returns '' or why
   * they cannot be sent; then nothing was sent.
   */
  sendTrailers(block: HeaderBlock): string;
  /**
   * Ends the response with weir's own status, unless the client is gone: as a response of trailers only, or behind what
   * was sent, for which the client has one second more. `detail`: added to the message of the catalogue; `text`: message
   * instead of the catalogue's, unless empty.
   */
  refuse(failure: Failure, detail: string, status: number, text: string): void;
}
