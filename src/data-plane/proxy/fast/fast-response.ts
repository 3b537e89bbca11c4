// The response of a fast-lane exchange: read from the replica's connection, written to the client's. Hot path.
// Invariant: bodies are followed to their end, not parsed, and bytes of the shared read buffer are written or copied
// before the next read.
import type { Socket } from 'node:net';
import { describe, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { ATTEMPTS_HEADER, ID_HEADER, TIMING_HEADER } from '../../../core/header-names.ts';
import {
  BodyScanner,
  BROKEN,
  BY_CLOSE,
  BY_LENGTH,
  type PayloadSink,
} from '../../../protocol/http/body-framing.ts';
import { DirectWrites } from '../../../protocol/http/direct-writes.ts';
import { INCOMPLETE, READY } from '../../../protocol/http/head-result.ts';
import { readResponseHead, ResponseHead } from '../../../protocol/http/response-head-parser.ts';
import { Http1StreamSocket } from '../../../protocol/http2/http1/http1-stream-socket.ts';
import type { Replica } from '../../replicas/pool.ts';
import type { Attempt } from '../attempt.ts';
import { isOfStream, isRefusal } from '../connection-error.ts';
import { interimText, MAX_RESPONSE_HEAD_BYTES } from '../response-head.ts';
import { serverTiming } from '../server-timing.ts';
import { responseSink } from './fast-capture.ts';
import type { FastContext } from './fast-context.ts';
import { ONE_PIECE_BYTES, type FastRequest } from './fast-request.ts';
import type { ConnectionUser, ReplicaConnection, ReplicaConnections } from './replica-connection.ts';

export const MALFORMED_CHUNKS = 'the chunked body is malformed';

// Texts around values. Fewer parts make a head cheaper to join and to write.
const ID_BEGIN = `${ID_HEADER}: `;
const ATTEMPTS_BEGIN = `\r\n${ATTEMPTS_HEADER}: `;
const TIMING_BEGIN = `\r\n${TIMING_HEADER}: `;
const ONE_ATTEMPT = `${ATTEMPTS_BEGIN}1${TIMING_BEGIN}`;
const CLOSES_HERE = 'Connection: close\r\n\r\n';
const CLOSES = `\r\n${CLOSES_HERE}`;

/** Shared by all connections, since each head is used before the next one is read. */
const responseHead = new ResponseHead();

/** The client connection that a response is written to. */
export interface ResponseOwner {
  readonly isDraining: boolean;
  /** The client connection stays open after the response. */
  keepAlive: boolean;
  fail(failure: Failure, detail?: string): void;
  /** The replica reads again. */
  replicaDrained(): void;
  /** Reads from the client again, if it was paused. */
  resume(): void;
  /** The exchange is closed: goes on to the next request, or closes the connection. */
  next(): void;
}

/** Used again for each response on a client connection. */
export class FastResponse implements ConnectionUser {
  /** The connection to the replica, while the response is not complete. */
  connection: ReplicaConnection | undefined;
  /** The head was written to the client. */
  hasBegun = false;
  readonly #client: Socket;
  /** The client, if it is a stream of HTTP/2. */
  readonly #stream: Http1StreamSocket | undefined;
  readonly #owner: ResponseOwner;
  readonly #attempt: Attempt;
  readonly #request: FastRequest;
  readonly #connections: ReplicaConnections;
  /** Header lines of every response. */
  readonly #lines: string;
  readonly #body = new BodyScanner();
  readonly #writes: DirectWrites;
  #isToHead = false;
  /** The replica's connection may serve another request afterwards. */
  #isReusable = false;
  #partialHead: Buffer | undefined;
  /** What reads the body while it passes. */
  #sink: PayloadSink | undefined;

  constructor(
    client: Socket,
    owner: ResponseOwner,
    attempt: Attempt,
    request: FastRequest,
    { connections, responseLines }: Pick<FastContext, 'connections' | 'responseLines'>,
  ) {
    this.#client = client;
    this.#stream = Http1StreamSocket.is(client) ? client : undefined;
    this.#owner = owner;
    this.#attempt = attempt;
    this.#request = request;
    this.#connections = connections;
    this.#lines = responseLines;
    this.#writes = new DirectWrites(client, {
      written: this.onClientDrain,
      failed: (error) => client.destroy(error),
    });
  }

  /** A request begins. `isToHead`: its method is HEAD, so that the response has no body. */
  begin(isToHead: boolean): void {
    this.#isToHead = isToHead;
    this.hasBegun = false;
    this.#sink = undefined;
  }

  /** Takes a connection to a replica, for the request to be written to. `isFresh`: a new one. */
  connect(replica: Replica, isFresh: boolean): ReplicaConnection {
    const connection = this.#connections.take(replica, isFresh);
    connection.user = this;
    this.connection = connection;
    return connection;
  }

  /** Drops what has come of a response that is not passed on. */
  forget(): void {
    this.#partialHead = undefined;
  }

  /** Ends the replica's connection. */
  abort(): void {
    this.connection?.destroy();
    this.connection = undefined;
  }

  /** True if a response that is cut off here looks complete, since its body ends with the connection. */
  get endsWithConnection(): boolean {
    return this.hasBegun && this.#body.endsWithConnection();
  }

  /** The operating system has all bytes that were written to the client. */
  get isWritten(): boolean {
    return this.#client.writableLength === 0 && !this.#writes.isPending;
  }

  /** Writes text of Latin-1 characters to the client. */
  #write(text: string): void {
    if (!this.#writes.write(text)) this.#client.write(text, 'latin1');
  }

  /** The client has taken all bytes. */
  readonly onClientDrain = (): void => this.connection?.resume();

  // ── From the replica ─────────────────────────────────────────────────────────────────────────────────────────────

  onBytes(bytes: Buffer, size: number): boolean {
    this.#attempt.hasResponseBytes = true;
    if (this.hasBegun) this.#forwardBody(bytes, 0, size);
    else if (this.#partialHead === undefined) this.#readHead(bytes, size);
    else {
      const joined = Buffer.concat([this.#partialHead, bytes.subarray(0, size)]);
      this.#partialHead = undefined;
      this.#readHead(joined, joined.length);
    }
    // After the response is complete this client does not hold the connection back any more.
    if (this.connection === undefined) return true;
    return !this.#client.writableNeedDrain && !this.#writes.isPending && !this.connection.buffer.isPending;
  }

  onDrain(): void {
    this.#owner.replicaDrained();
  }

  /** The rest of the request is read and dropped, so that the client can finish it and read the response. */
  onWriteFailed(): void {
    this.#owner.resume();
  }

  onEnd(): void {
    if (!this.endsWithConnection) return;
    this.#attempt.exchange!.bodyBegan();
    this.#finish();
  }

  onLost(error: NodeJS.ErrnoException | undefined): void {
    const connection = this.connection!;
    this.connection = undefined;
    const detail = describe(error ?? 'closed');
    if (!connection.isConnected) return this.#attempt.unreachable(detail, error);
    if (error !== undefined && isOfStream(error)) return this.#attempt.connectionFailed(error, false);
    const { status } = this.#attempt.exchange!;
    const isRefused = this.hasBegun && isRefusal(status, this.#body.endsWithConnection());
    this.#attempt.connectionLost(detail, connection.mayBeStale, isRefused);
  }

  // ── The head ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads the head, after any interim ones (1xx), and begins to respond. */
  #readHead(bytes: Buffer, size: number): void {
    let at = 0;
    for (;;) {
      const result = readResponseHead(bytes, at, size, this.#isToHead, responseHead);
      if (result === INCOMPLETE && size - at < MAX_RESPONSE_HEAD_BYTES) {
        // A copy: the next read overwrites the buffer.
        if (size > at) this.#partialHead = Buffer.from(bytes.subarray(at, size));
        return;
      }
      const isTooLong = responseHead.end - at > MAX_RESPONSE_HEAD_BYTES;
      if (result !== READY || isTooLong || responseHead.status === 101) {
        this.#owner.fail('bad_response');
        return;
      }
      at = responseHead.end;
      if (responseHead.status >= 200) break;
      // 100 answers an Expect that is never forwarded; other interim responses are for the client.
      if (responseHead.status !== 100) {
        this.#attempt.hasInterim = true;
        this.#client.write(interimText(responseHead), 'latin1');
      }
    }
    if (this.#attempt.retriesResponse(responseHead.status)) {
      this.#discard(bytes, at, size);
      this.#attempt.retry();
      return;
    }
    this.#begin(bytes, at, size);
  }

  #begin(bytes: Buffer, from: number, size: number): void {
    const exchange = this.#attempt.exchange!;
    const isRead = exchange.bodyCapture !== undefined || this.#request.follower !== undefined;
    exchange.responded(responseHead.status);
    this.#body.begin(responseHead.framing, responseHead.length, true, isRead);
    const end = this.#scanBody(bytes, from, size, exchange.headMs);
    // Nothing of the response is written yet, so an error response is still possible.
    if (end === BROKEN) {
      exchange.headMs = exchange.firstByteMs = exchange.responseBytes = 0;
      this.#owner.fail('bad_response', MALFORMED_CHUNKS);
      return;
    }
    // A kept connection was made for an earlier request.
    exchange.connectedMs = this.connection!.isReused ? 0 : this.connection!.connectedMs;
    this.#attempt.lease!.reportProgress();
    this.#request.forget();
    this.hasBegun = true;
    if (isRead) this.#read(exchange, bytes, from, end);
    this.#writeHead(responseHead, bytes, from, end);
    this.#finishIfWhole(end, size);
  }

  /**
   * Writes the head with the part of the body that came with it: bytes[from, end). Call it right after `#scanBody`.
   */
  #writeHead(head: ResponseHead, bytes: Buffer, from: number, end: number): void {
    const exchange = this.#attempt.exchange!;
    const owner = this.#owner;
    exchange.status = head.status;
    this.#isReusable = head.keepAlive && head.framing !== BY_CLOSE;
    if (head.framing === BY_CLOSE || owner.isDraining) owner.keepAlive = false;
    const { id, attempts } = exchange;
    if (this.#stream?.isClear === true) return this.#writeToStream(this.#stream, head, bytes, from, end);
    const text =
      `HTTP/1.1 ${head.status} ${head.reason}\r\n` +
      head.kept +
      this.#lines +
      ID_BEGIN +
      id +
      (attempts === 1 ? ONE_ATTEMPT : ATTEMPTS_BEGIN + attempts + TIMING_BEGIN) +
      serverTiming(exchange) +
      (owner.keepAlive ? '\r\n\r\n' : CLOSES);
    if (this.#body.isEdited) this.#write(text + this.#body.edited(bytes, from, end).latin1Slice());
    else if (end === from) this.#write(text);
    else if (end - from <= ONE_PIECE_BYTES) this.#write(text + bytes.latin1Slice(from, end));
    else {
      this.#client.cork();
      this.#client.write(text, 'latin1');
      this.#client.write(Buffer.from(bytes.subarray(from, end)));
      this.#client.uncork();
    }
  }

  /** Writes the same to a stream of HTTP/2, which needs no text. */
  #writeToStream(
    stream: Http1StreamSocket,
    head: ResponseHead,
    bytes: Buffer,
    from: number,
    end: number,
  ): void {
    const exchange = this.#attempt.exchange!;
    const lines = this.#lines === '' ? head.kept : head.kept + this.#lines;
    stream.respond(
      head,
      lines,
      !this.#owner.keepAlive,
      exchange.id,
      exchange.attempts,
      serverTiming(exchange),
    );
    if (this.#body.isEdited) stream.write(this.#body.edited(bytes, from, end));
    else if (end - from > ONE_PIECE_BYTES) stream.write(Buffer.from(bytes.subarray(from, end)));
    else if (end > from) stream.pass(bytes, from, end);
  }

  /** The response is not passed on: its connection is kept if it is whole, else closed. */
  #discard(bytes: Buffer, from: number, size: number): void {
    const { framing, length, keepAlive } = responseHead;
    const connection = this.connection!;
    this.connection = undefined;
    this.#body.begin(framing, length, true);
    const isClean = this.#body.scan(bytes, from, size) === size && this.#body.isWhole;
    this.#giveBack(connection, isClean && keepAlive && framing !== BY_CLOSE);
  }

  // ── The body ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #forwardBody(bytes: Buffer, from: number, size: number): void {
    const end = this.#scanBody(bytes, from, size, 0);
    if (end === BROKEN) {
      this.#owner.fail('bad_response', MALFORMED_CHUNKS);
      return;
    }
    if (this.#sink !== undefined) this.#body.copyPayload(bytes, from, end, this.#sink);
    // Short pieces are written as text, which copies them.
    if (this.#body.isEdited) this.#client.write(this.#body.edited(bytes, from, end));
    else if (end - from <= ONE_PIECE_BYTES) {
      if (this.#stream?.isClear === true) this.#stream.pass(bytes, from, end);
      else this.#write(bytes.latin1Slice(from, end));
    } else this.connection!.buffer.forward(bytes, from, end, this.#client);
    this.#finishIfWhole(end, size);
  }

  /** Captures or follows the body, of which bytes[from, end) came with the head. Call it right after `#scanBody`. */
  #read(exchange: Exchange, bytes: Buffer, from: number, end: number): void {
    const body = this.#body;
    const length =
      body.framing === BY_LENGTH ? responseHead.length : body.isWhole ? body.payloadBytes : undefined;
    this.#sink = responseSink(exchange, responseHead, length, this.#request.follower);
    if (this.#sink !== undefined) body.copyPayload(bytes, from, end, this.#sink);
  }

  /** Counts bytes[from, size) and returns the index behind the body's last byte, or BROKEN. `nowMs`: 0 if not known. */
  #scanBody(bytes: Buffer, from: number, size: number, nowMs: number): number {
    const body = this.#body;
    const end = body.scan(bytes, from, size);
    const exchange = this.#attempt.exchange!;
    exchange.responseBytes = body.payloadBytes;
    if (exchange.firstByteMs === 0 && (body.payloadBytes > 0 || body.isWhole))
      exchange.firstByteMs = nowMs || performance.now();
    return end;
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #finishIfWhole(end: number, size: number): void {
    if (!this.#body.isWhole) return;
    // More came than the response, so the connection cannot be used for another one.
    if (end < size) this.#isReusable = false;
    this.#finish();
  }

  /** The response is complete. The exchange ends when all of it is written out. */
  #finish(): void {
    const connection = this.connection!;
    this.connection = undefined;
    this.#attempt.lease!.reportCompleted();
    connection.buffer.endBulk();
    this.#giveBack(connection, this.#isReusable);
    this.#finishWhenWritten();
  }

  /** Writes a whole response that weir makes itself. `head`: status line and header lines, each with its line end. */
  answer(status: number, head: string, body: string): void {
    const owner = this.#owner;
    if (owner.isDraining) owner.keepAlive = false;
    this.hasBegun = true;
    this.#attempt.exchange!.status = status;
    this.#write(head + (owner.keepAlive ? '\r\n' : CLOSES_HERE) + body);
    this.#finishWhenWritten();
  }

  #finishWhenWritten(): void {
    if (this.isWritten) this.#onWritten();
    else this.#client.write('', this.#onWritten);
  }

  /**
   * Keeps the replica's connection for another request, if both sides of this exchange are complete, else closes it.
   */
  #giveBack(connection: ReplicaConnection, isReusable: boolean): void {
    if (isReusable && this.#request.isWhole && connection.isFlushed)
      this.#connections.keep(this.#attempt.lease!.replica.url, connection);
    else connection.destroy();
  }

  /** The last byte of the response is with the operating system. */
  readonly #onWritten = (error?: Error | null): void => {
    const { exchange } = this.#attempt;
    if (exchange === undefined || error) return;
    this.#attempt.finish(exchange.status);
    this.#owner.next();
  };
}
