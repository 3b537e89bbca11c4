// The client's side of a gRPC-Web call: an HTTP/1.1 request and its response, in binary or base64.
// Invariant: a response ends with one frame of trailers. A response that ends inside a message is broken off visibly,
// since there the client would read the trailers as a part of the message.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { metadataToClient } from '../../../protocol/grpc/metadata.ts';
import { refusalTrailers } from '../../../protocol/grpc/refusal.ts';
import { Base64Decoder } from '../../../protocol/grpc/web-base64.ts';
import { responseFormatOf, type WebFormat } from '../../../protocol/grpc/web-content-type.ts';
import {
  headersOfWebResponse,
  metadataOfWebRequest,
  trailersOfWebResponse,
} from '../../../protocol/grpc/web-metadata.ts';
import { statusResponse, webRefusal, type StatusResponse } from '../../../protocol/grpc/web-refusal.ts';
import { WebResponseBody } from '../../../protocol/grpc/web-response.ts';
import { HeaderBlock } from '../../../protocol/http2/hpack/header-block.ts';
import { sendError } from '../../../protocol/http/error-response.ts';
import { namesInConnection } from '../../../protocol/http/forwarded-headers.ts';
import { sendHead } from '../../../protocol/http/node-head.ts';
import { resetConnection } from '../../../protocol/http/reset.ts';
import type { Caller, CallerListener } from './caller.ts';

/** Bytes of messages that may come before some are used up. Above this the client is not read. */
const WINDOW_BYTES = 1024 ** 2;
/** How long a client may take to read the end of a response, and that of a failed call. */
const READING_MS = 60_000;
const CLOSING_MS = 1000;

const NO_BYTES = Buffer.alloc(0);

/** A gRPC-Web call as the server received it. */
export interface WebCall {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Of the request. */
  readonly format: WebFormat;
  /** The method that is called, as the replica sees it. */
  readonly path: string;
}

export class GrpcWebCaller implements Caller {
  readonly block: HeaderBlock;
  hasEnded: boolean;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #exchange: Exchange;
  readonly #format: WebFormat;
  readonly #body: WebResponseBody;
  /** `undefined`: the request is binary. */
  readonly #decoder: Base64Decoder | undefined;
  /** `undefined` before `listen`, and once nothing more is to be told. */
  #listener: CallerListener | undefined;
  /** Bytes of messages that are not used up. */
  #unread = 0;

  constructor({ req, res, format, path }: WebCall, exchange: Exchange) {
    const { headers, rawHeaders } = req;
    const method = { path, authority: headers.host ?? '' };
    const removed = namesInConnection(headers.connection);
    this.block = HeaderBlock.of(metadataOfWebRequest(rawHeaders, method, format, removed));
    this.#req = req;
    this.#res = res;
    this.#exchange = exchange;
    this.#format = responseFormatOf(format, headers.accept);
    this.#body = new WebResponseBody(this.#format.isText);
    this.#decoder = format.isText ? new Base64Decoder() : undefined;
    this.hasEnded =
      headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
  }

  get hasBegun(): boolean {
    return this.#res.headersSent || this.#res.destroyed;
  }

  get waiting(): number {
    return this.#res.writableNeedDrain ? Math.max(1, this.#res.writableLength) : 0;
  }

  listen(listener: CallerListener): void {
    this.#listener = listener;
    this.#res.on('close', this.#onClose);
    this.#res.on('error', (error) => this.#gone(describe(error)));
    this.#res.on('drain', () => this.#listener?.onResponseSent());
    if (this.hasEnded) return;
    this.#req.on('data', this.#onData);
    this.#req.on('end', this.#onEnd);
  }

  // ── From the client ──────────────────────────────────────────────────────────────────────────────────────────────

  consumed(bytes: number): void {
    this.#unread -= bytes;
    if (this.#unread < WINDOW_BYTES && this.#req.isPaused()) this.#req.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#decoder === undefined ? chunk : this.#decoder.decode(chunk);
    if (bytes === undefined) return this.#malformed();
    if (bytes.length === 0) return;
    this.#unread += bytes.length;
    if (this.#unread >= WINDOW_BYTES) this.#req.pause();
    this.#listener!.onMessages(bytes, 0, bytes.length, false);
  };

  readonly #onEnd = (): void => {
    if (this.#decoder?.isWhole === false) return this.#malformed();
    this.hasEnded = true;
    this.#listener!.onMessages(NO_BYTES, 0, 0, true);
  };

  #malformed(): void {
    this.#listener!.onMalformed('the body is not base64');
  }

  readonly #onClose = (): void => this.#gone('');

  #gone(detail: string): void {
    this.#stopListening()?.onClientGone(detail);
  }

  /** Nothing more is told to the listener, which is returned. What the client still sends is read and dropped. */
  #stopListening(): CallerListener | undefined {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#req.off('data', this.#onData);
    this.#req.off('end', this.#onEnd);
    this.#req.resume();
    return listener;
  }

  // ── To the client ────────────────────────────────────────────────────────────────────────────────────────────────

  sendHead(block: HeaderBlock, isEnd: boolean): string {
    // The forwarder is about to get the client's end.
    if (this.#res.destroyed) return '';
    const raw = block.raw();
    if (isEnd) {
      const trailers = this.#withIds(trailersOfWebResponse(raw));
      this.#sendWhole(statusResponse(this.#format, trailers), READING_MS);
      return '';
    }
    try {
      this.#res.writeHead(200, headersOfWebResponse(this.#withIds(raw), this.#format.isText));
    } catch (error) {
      // Node writes fewer characters than HTTP/2 allows.
      return `the initial metadata of the response cannot be sent: ${describe(error)}`;
    }
    // Sent with whatever of the body comes in this turn of the event loop: most responses fit into one piece.
    const { socket } = this.#res;
    socket?.cork();
    sendHead(this.#res);
    setImmediate(() => socket?.uncork());
    return '';
  }

  send(bytes: Buffer, from: number, to: number): string {
    const sent = this.#body.messages(bytes.subarray(from, to));
    if (sent.length > 0 && !this.#res.destroyed) {
      // A copy, since Node may write later, when the buffer has other bytes.
      if (typeof sent === 'string') this.#res.write(sent, 'latin1');
      else this.#res.write(Buffer.from(sent));
    }
    return this.#body.problem;
  }

  sendTrailers(block: HeaderBlock): string {
    if (this.#res.destroyed) return '';
    if (!this.#body.counter.isWhole) return 'the response ended inside a message';
    this.#end(this.#withIds(trailersOfWebResponse(block.raw())), READING_MS);
    return '';
  }

  refuse(failure: Failure, detail: string, status: number, text: string): void {
    if (this.#res.destroyed || this.#res.writableEnded) return;
    const { id } = this.#exchange;
    if (!this.#res.headersSent)
      this.#sendWhole(webRefusal(this.#format, failure, id, detail, status, text), CLOSING_MS);
    else if (this.#body.counter.isWhole)
      this.#end(refusalTrailers(failure, id, detail, status, text), CLOSING_MS);
    else this.#break();
  }

  #withIds(raw: readonly string[]): string[] {
    return metadataToClient(raw, this.#exchange.id, this.#exchange.attempts);
  }

  #sendWhole(response: StatusResponse, readingMs: number): void {
    this.#stopListening();
    sendError(this.#req, this.#res, response);
    this.#destroyAfter(readingMs);
  }

  /** Ends a response whose head was sent. */
  #end(trailers: readonly string[], readingMs: number): void {
    this.#stopListening();
    const { socket, complete } = this.#req;
    // The rest of the request would have to be read before the next one.
    if (!complete) this.#res.once('finish', () => socket.destroySoon());
    this.#res.end(this.#body.trailers(trailers), 'latin1');
    this.#destroyAfter(readingMs);
  }

  /** Ends the connection visibly: to HTTP/1.0 a response that ends with its connection must not look complete. */
  #break(): void {
    this.#stopListening();
    if (this.#req.httpVersionMinor === 0) resetConnection(this.#req.socket);
    else this.#res.destroy();
  }

  /** Ends the connection if the client has not read the whole response after so many milliseconds. */
  #destroyAfter(ms: number): void {
    const timer = setTimeout(() => this.#res.destroy(), ms).unref();
    this.#res.once('close', () => clearTimeout(timer));
  }
}
