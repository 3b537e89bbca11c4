// The client's side of a gRPC call over HTTP/2. Hot path.
// Invariant: a response that has ended is followed by RST_STREAM with NO_ERROR if the client has not ended its side
// (RFC 9113 8.1), and the trailers always come before it.
import type { Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { refusalHeaders, refusalTrailers } from '../../../protocol/grpc/refusal.ts';
import { ERROR_CODE, errorCodeName } from '../../../protocol/http2/error-code.ts';
import type { HeaderWriter } from '../../../protocol/http2/header-writer.ts';
import type { HeaderBlock } from '../../../protocol/http2/hpack/header-block.ts';
import type { Http2Stream } from '../../../protocol/http2/stream.ts';
import type { StreamListener } from '../../../protocol/http2/stream-listener.ts';
import type { Caller, CallerListener } from './caller.ts';
import { ADDED_TO_RESPONSE, writeResponse } from './grpc-headers.ts';

/** How long a client may take to read the trailers of a failed call. */
const CLOSING_MS = 1000;

const NO_BYTES = Buffer.alloc(0);

export class Http2Caller implements Caller, StreamListener {
  readonly block: HeaderBlock;
  readonly #stream: Http2Stream;
  readonly #exchange: Exchange;
  #listener: CallerListener | undefined;

  constructor(stream: Http2Stream, block: HeaderBlock, exchange: Exchange) {
    this.block = block;
    this.#stream = stream;
    this.#exchange = exchange;
    stream.listener = this;
  }

  get hasEnded(): boolean {
    return this.#stream.hasPeerEnded;
  }

  get hasBegun(): boolean {
    return this.#stream.hasSentHead || !this.#stream.isOpen;
  }

  get waiting(): number {
    return this.#stream.waiting;
  }

  listen(listener: CallerListener): void {
    this.#listener = listener;
  }

  consumed(bytes: number): void {
    this.#stream.consumed(bytes);
  }

  sendHead(block: HeaderBlock, isEnd: boolean): string {
    return this.#respond(block, isEnd, 'initial metadata');
  }

  send(bytes: Buffer, from: number, to: number): string {
    this.#stream.write(bytes, from, to, false);
    return '';
  }

  sendTrailers(block: HeaderBlock): string {
    return this.#respond(block, true, 'trailers');
  }

  refuse(failure: Failure, detail: string, status: number, text: string): void {
    const stream = this.#stream;
    if (!stream.isOpen) return;
    const { id } = this.#exchange;
    const fields = stream.hasSentHead
      ? refusalTrailers(failure, id, detail, status, text)
      : refusalHeaders(failure, id, detail, status, text);
    const writer = stream.head();
    for (let i = 0; i < fields.length; i += 2) writer.add(fields[i]!, fields[i + 1]!);
    this.#end(writer);
    if (stream.waiting > 0) setTimeout(() => stream.reset(ERROR_CODE.cancel), CLOSING_MS).unref();
  }

  // ── From the client ──────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(_stream: Http2Stream, _block: HeaderBlock, isEnd: boolean): void {
    // Trailers of a request have no meaning in gRPC: only their END_STREAM counts.
    if (isEnd) this.#listener?.onMessages(NO_BYTES, 0, 0, true);
  }

  onData(_stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (this.#listener === undefined) this.consumed(to - from);
    else this.#listener.onMessages(bytes, from, to, isEnd);
  }

  onSent(): void {
    this.#listener?.onResponseSent();
  }

  onReset({ problem }: Http2Stream, code: number, isLost: boolean): void {
    const isPlain = isLost || code === ERROR_CODE.cancel || code === ERROR_CODE.noError;
    const text = problem === '' ? `the client reset the stream (${errorCodeName(code)})` : problem;
    this.#listener?.onClientGone(isPlain ? '' : text);
  }

  // ── To the client ────────────────────────────────────────────────────────────────────────────────────────────────

  #respond(block: HeaderBlock, isEnd: boolean, what: string): string {
    const stream = this.#stream;
    // The forwarder is about to get the stream's end.
    if (!stream.isOpen) return '';
    const limit = stream.connection.peer.maxHeaderListBytes;
    if (block.size + ADDED_TO_RESPONSE > limit)
      return `the ${what} of the response cannot be sent: ${block.size} bytes, and the client accepts ${limit}`;
    const writer = stream.head();
    writeResponse(writer, block, this.#exchange);
    if (isEnd) this.#end(writer);
    else writer.send(false);
    return '';
  }

  #end(writer: HeaderWriter): void {
    writer.send(true);
    this.#stream.stopPeer();
  }
}
