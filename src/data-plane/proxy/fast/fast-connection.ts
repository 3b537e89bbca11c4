// One client connection of the fast lane: strict, ordinary HTTP/1.1 between its socket and a replica's. Hot path.
// Invariant: a request that is not strict and ordinary goes to the full lane with all its bytes, before any of them was
// used; and however an exchange ends, the client gets one whole response or a visible break.
// Per request there is no header object, closure, promise or timer.
//
//                  head read             response sent, request whole
//   READING_HEAD ───────────► SERVING ──────────────────────────────────► READING_HEAD (or CLOSING)
//      │ not ordinary            │  request not whole: DISCARDING ──► READING_HEAD
//      ▼                         │  failure: an error response if none has begun, else a break
//   handed over                  └──────────────────────────────────────► READING_HEAD or CLOSING
import type { Socket } from 'node:net';
import type { Expiring } from '../../../core/deadlines.ts';
import { describe, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { BROKEN } from '../../../protocol/http/body-framing.ts';
import { INCOMPLETE, READY } from '../../../protocol/http/head-result.ts';
import { readRequestHead, RequestHead } from '../../../protocol/http/request-head-parser.ts';
import { DISCARD_MS, LINGER_MS } from '../../../protocol/http/linger.ts';
import { publicDetail, refusalBytes } from '../../../protocol/http/error-response.ts';
import { peerOf } from '../../../protocol/http/peer.ts';
import { resetConnection } from '../../../protocol/http/reset.ts';
import type { Lease } from '../../replicas/pool.ts';
import { Attempt, type AttemptListener } from '../attempt.ts';
import { serverTiming } from '../server-timing.ts';
import type { Progress } from '../timeout-tracker.ts';
import { ClientReads } from './client-reads.ts';
import { KeyMemo } from './fast-access.ts';
import { LIMITS, type ConnectionSet, type FastContext } from './fast-context.ts';
import { FastRequest } from './fast-request.ts';
import { FastResponse, MALFORMED_CHUNKS, type ResponseOwner } from './fast-response.ts';
import { FastSubmission } from './fast-submission.ts';
import { HeadWriter } from './request-head.ts';

const READING_HEAD = 0;
const SERVING = 1;
const DISCARDING = 2;
const CLOSING = 3;

/** Shared by all connections, since each head is used before the next one is read. */
const requestHead = new RequestHead();

export class FastConnection implements Expiring, ResponseOwner, Progress, AttemptListener {
  watchSlot = -1;
  /** The connection stays open after the current request. */
  keepAlive = true;
  readonly #context: FastContext;
  readonly #lane: ConnectionSet<FastConnection>;
  readonly #socket: Socket;
  readonly #attempt: Attempt;
  readonly #request: FastRequest;
  readonly #response: FastResponse;
  readonly #submission: FastSubmission;
  readonly #reads: ClientReads;
  readonly #keyMemo = new KeyMemo();
  #heads: HeadWriter | undefined;
  #state = READING_HEAD;
  /** performance.now() of the last change of the state, roughly: only for limits of seconds. */
  #sinceMs = performance.now();
  /** Bytes of the next message: a partial head, or pipelined requests. */
  #held: Buffer | undefined;
  #headPieces = 0;
  #hasServed = false;

  constructor(context: FastContext, lane: ConnectionSet<FastConnection>, socket: Socket) {
    this.#context = context;
    this.#lane = lane;
    this.#socket = socket;
    this.#attempt = new Attempt(context, this);
    this.#request = new FastRequest(context.options.retry.max_body, context.removed);
    this.#response = new FastResponse(socket, this, this.#attempt, this.#request, context);
    this.#submission = new FastSubmission(context, this.#attempt, this.#request, this.#response, this);
    this.#reads = new ClientReads(socket, this.#onBytes, () => this.replicaDrained());
    socket.on('drain', this.#response.onClientDrain);
    socket.on('end', this.#onClientEnd);
    socket.on('error', this.#onClientError);
    socket.on('close', this.#onClientClose);
    context.deadlines.watch(this);
  }

  // ── READING_HEAD ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Bytes came: bytes[0, size), which are only borrowed. */
  readonly #onBytes = (bytes: Buffer, size: number): void => {
    if (this.#state === READING_HEAD && this.#held === undefined) this.#readNext(bytes, size);
    else if (this.#state === SERVING && !this.#request.isWhole) this.#forwardBody(bytes, size);
    else if (this.#state === DISCARDING) this.#discard(bytes, size);
    else if (this.#state !== CLOSING) {
      this.#hold(bytes, 0, size);
      this.#readHeld();
    }
  };

  /** Serves the request that bytes[0, size) begin with, if its head is whole. */
  #readNext(bytes: Buffer, size: number): void {
    const result = readRequestHead(bytes, 0, size, requestHead, this.#context.dropsKey);
    if (result === READY) this.#begin(bytes, size);
    else if (
      result === INCOMPLETE &&
      size < this.#context.maxHeadBytes &&
      ++this.#headPieces <= LIMITS.headPieces
    ) {
      if (this.#headPieces === 1) this.#sinceMs = performance.now();
      this.#hold(bytes, 0, size);
    } else this.#handOver(bytes, size);
  }

  /** Gives the connection to the full lane, for good. */
  #handOver(bytes: Buffer, size: number): void {
    const socket = this.#socket;
    const unread = Buffer.from(bytes.subarray(0, size));
    // A client that can get no response is not served.
    if (!socket.writable) return this.#break();
    this.#leave();
    this.#reads.handOver();
    socket.off('drain', this.#response.onClientDrain);
    socket.off('end', this.#onClientEnd);
    socket.off('error', this.#onClientError);
    socket.off('close', this.#onClientClose);
    // Paused, since otherwise the bytes that are put back would wait for the next ones that come.
    socket.pause();
    socket.unshift(unread);
    this.#context.handOver(socket, this.#hasServed ? undefined : unread);
  }

  /** Begins an exchange with the head that was just read, unless the full lane must serve it. */
  #begin(bytes: Buffer, size: number): void {
    const head = requestHead;
    const request = this.#request;
    const { options, maxHeadBytes, exchanges, access, decide } = this.#context;
    const decision = decide(head);
    if (decision === undefined || head.end > maxHeadBytes || head.length > options.max_body)
      return this.#handOver(bytes, size);
    const isCaptured = exchanges.wantsBodies(head.target);
    const isFollowed = exchanges.wantsLlm(head.method, head.target);
    const bodyEnd = request.readBody(head, bytes, size, isCaptured || isFollowed);
    if (bodyEnd === BROKEN || request.payloadBytes > options.max_body) return this.#handOver(bytes, size);
    const exchange = exchanges.open(head.inboundId === '' ? undefined : head.inboundId);
    const heads = (this.#heads ??= new HeadWriter(peerOf(this.#socket), this.#context));
    heads.name(exchange, head);
    exchange.requestBytes = request.payloadBytes;
    exchange.accepted('fast lane');
    this.#state = SERVING;
    this.#headPieces = 0;
    this.#hasServed = true;
    this.keepAlive = head.keepAlive;
    if (bodyEnd < size) this.#hold(bytes, bodyEnd, size);
    const denied = access && this.#keyMemo.check(access, exchange, head, decision);
    if (denied !== undefined) return this.#refuse(exchange, denied.failure, denied);
    if (decision.kind === 'async_predict')
      return this.#submission.begin(exchange, head, decision, bytes, bodyEnd);
    exchange.route(decision.deployment, exchange.startMs);
    decision.picker.take(decision.deployment);
    if (isCaptured || isFollowed) request.read(exchange, head, bytes, bodyEnd, isCaptured, isFollowed);
    request.begin(heads.write(head, decision.path, exchange), bytes, head.end, bodyEnd);
    this.#response.begin(head.method === 'HEAD');
    this.#attempt.start(exchange, decision.path);
  }

  // ── SERVING: the request to the replica ──────────────────────────────────────────────────────────────────────────

  get isDraining(): boolean {
    return this.#lane.isDraining;
  }

  get canResend(): boolean {
    return this.#request.canResend;
  }

  send({ replica }: Lease, isFresh: boolean): void {
    // The client may have been paused for the connection that was lost.
    if (isFresh) this.resume();
    const connection = this.#response.connect(replica, isFresh);
    this.#request.writeTo(connection);
    if (connection.socket.writableNeedDrain && connection.isWritable) this.#reads.pause();
    else this.replicaDrained();
  }

  queued(): void {
    // Read, so that it is noticed if the client leaves.
    this.resume();
  }

  retrying(): void {
    this.#response.forget();
    // The client may have been paused for the connection of the last attempt.
    this.resume();
  }

  /** More of the request's body, and perhaps the beginning of the next request. */
  #forwardBody(bytes: Buffer, size: number): void {
    const request = this.#request;
    const end = request.scan(bytes, size);
    if (end === BROKEN) return this.fail('bad_request', MALFORMED_CHUNKS);
    const { max_body } = this.#context.options;
    this.#attempt.exchange!.requestBytes = request.payloadBytes;
    if (request.payloadBytes > max_body)
      return this.fail('too_large', `the body has more than ${max_body} bytes (proxy.max_body)`);
    request.tell(bytes, end);
    if (end < size) this.#hold(bytes, end, size);
    if (this.#submission.isOpen) return this.#submission.onBody();
    const { connection } = this.#response;
    const copy = request.isKept || request.isEdited ? request.take(bytes, end) : undefined;
    if (this.#attempt.isWaiting) {
      if (this.#attempt.buffer(copy!.length)) this.#reads.pause();
      return;
    }
    request.forgetLarge(connection);
    // The response may be over, or the replica gone, while the rest of the body still comes.
    if (connection?.isWritable === true && !this.#reads.forward(bytes, end, connection, copy))
      this.#reads.pause();
    if (request.isWhole) this.#reads.endBulk();
  }

  /** Keeps bytes[from, to) of a later request until this one is served, or of a head that is not whole. */
  #hold(bytes: Buffer, from: number, to: number): void {
    const part = bytes.subarray(from, to);
    this.#held = this.#held === undefined ? Buffer.from(part) : Buffer.concat([this.#held, part]);
    if (this.#held.length <= LIMITS.heldBytes || this.#state !== SERVING) return;
    // While the request is queued the client is read on, so that it is noticed if the client leaves.
    if (this.#attempt.isQueued) this.#attempt.buffer(to - from);
    else this.#reads.pause();
  }

  /** Reads from the client again, if it was paused. */
  resume(): void {
    this.#reads.resume();
  }

  replicaDrained(): void {
    // Reads on also to notice if the client leaves.
    if (this.#held === undefined || this.#held.length <= LIMITS.heldBytes) this.resume();
  }

  // ── The end of an exchange ───────────────────────────────────────────────────────────────────────────────────────

  /** Ends the current exchange with a failure. */
  fail(failure: Failure, detail = '', retryAfter?: number): void {
    const { exchange } = this.#attempt;
    if (exchange === undefined) return;
    this.#response.abort();
    this.#attempt.leaveQueue();
    const isCut = failure === 'client_gone' || this.#response.hasBegun;
    // Where the request is not read to its end the next one cannot be found, so the connection ends.
    if (!(this.#request.isWhole || this.#submission.isShort) || this.isDraining) this.keepAlive = false;
    const reply = { detail: publicDetail(failure, detail), timing: serverTiming(exchange), retryAfter };
    const refusal = isCut ? '' : refusalBytes(failure, exchange, reply, this.keepAlive);
    this.#attempt.fail(failure, detail);
    if (isCut) return this.#break();
    this.#socket.write(refusal);
    this.next();
  }

  closed(exchange: Exchange): void {
    this.#request.forget();
    this.#response.forget();
    this.#submission.forget();
    this.#sinceMs = exchange.endMs;
  }

  /** After the end of an exchange: closes the connection, drops the rest of the request, or serves the next one. */
  next(): void {
    if (!this.keepAlive) return this.#close();
    if (!this.#request.isWhole) {
      this.#state = DISCARDING;
      this.resume();
      return;
    }
    this.#state = READING_HEAD;
    this.resume();
    // In a later tick, since many refused requests in one piece would nest as deep as they are many.
    if (this.#held !== undefined) process.nextTick(this.#readHeld);
    else if (this.#lane.closesIdle) this.closeIfIdle();
  }

  /** Closes the connection once everything is written. What the client still sends is read and dropped. */
  #close(): void {
    this.#state = CLOSING;
    this.#sinceMs = performance.now();
    this.#held = undefined;
    this.resume();
    this.#socket.end();
  }

  /** Closes the connection now, visibly: a response that ends with its connection must not look complete. */
  #break(): void {
    // Bytes that were read already are still emitted after the socket's end.
    this.#state = CLOSING;
    this.#held = undefined;
    if (this.#response.endsWithConnection && !this.#socket.destroyed) resetConnection(this.#socket);
    else this.#socket.destroy();
  }

  readonly #readHeld = (): void => {
    const held = this.#held;
    if (this.#state !== READING_HEAD || held === undefined) return;
    this.#held = undefined;
    this.#readNext(held, held.length);
  };

  /** DISCARDING: drops the rest of a body, and serves the next request behind it. */
  #discard(bytes: Buffer, size: number): void {
    const end = this.#request.scan(bytes, size);
    if (end === BROKEN) return this.#break();
    if (!this.#request.isWhole) return;
    this.#reads.endBulk();
    if (end < size) this.#hold(bytes, end, size);
    this.next();
  }

  // ── Time limits ──────────────────────────────────────────────────────────────────────────────────────────────────

  get isUploaded(): boolean {
    return this.#request.isWhole;
  }

  get waitsForReplica(): boolean {
    return this.#response.connection?.socket.writableNeedDrain === true;
  }

  get waitsForClient(): boolean {
    return !this.#response.isWritten;
  }

  expire(nowMs: number): void {
    if (this.#state === SERVING) return this.#sweepExchange(nowMs);
    const forMs = nowMs - this.#sinceMs;
    if (this.#state === READING_HEAD) {
      if (this.#held !== undefined) {
        if (forMs > LIMITS.partialHeadMs) this.#handOver(this.#held, this.#held.length);
      } else if (this.#hasServed) {
        if (forMs > this.#context.keepAliveTimeoutMs) this.#close();
      } else if (forMs > this.#context.headerTimeoutMs) this.#refuseSilence();
    } else if (forMs > (this.#request.isWhole ? LINGER_MS : DISCARD_MS)) this.#socket.destroy();
  }

  #sweepExchange(nowMs: number): void {
    if (this.#submission.isOpen) return this.#submission.expire(nowMs);
    const { connection } = this.#response;
    if (connection !== undefined && !connection.isConnected && this.#attempt.isConnectOverdue(nowMs)) {
      this.#response.abort();
      this.#attempt.connectTimedOut();
      return;
    }
    this.#request.forgetLarge(connection);
    this.#attempt.expire(nowMs, this);
  }

  /** No byte of a first request came in time. */
  #refuseSilence(): void {
    const detail = `no request within ${this.#context.headerTimeoutMs} ms (ingress.header_timeout)`;
    this.keepAlive = false;
    this.#refuse(this.#openWithoutRequest(), 'request_timeout', { detail });
  }

  /** Refuses a request for which no replica was reserved. */
  #refuse(exchange: Exchange, failure: Failure, reply: { detail: string; retryAfter?: number }): void {
    this.#response.begin(false);
    this.#attempt.startHere(exchange);
    this.fail(failure, reply.detail, reply.retryAfter);
  }

  #openWithoutRequest(): Exchange {
    const exchange = this.#context.exchanges.open(undefined);
    exchange.remoteAddress = peerOf(this.#socket).address;
    return exchange;
  }

  // ── From the lane, and the client's end ──────────────────────────────────────────────────────────────────────────

  closeIfIdle(): void {
    if (this.#state === READING_HEAD && this.#held === undefined) this.#close();
  }

  abort(failure: Failure): void {
    if (this.#state === SERVING) this.fail(failure);
    else this.#break();
  }

  /** The client has closed its side. As in Node's server, that means that it has left. */
  readonly #onClientEnd = (): void => {
    if (this.#state === SERVING) this.fail('client_gone');
    else if (this.#held !== undefined) {
      this.#held = undefined;
      this.#openWithoutRequest().fail('client_gone', 'in the middle of a request head');
    }
    if (this.#state !== CLOSING) this.#close();
  };

  readonly #onClientError = (error: Error): void => this.fail('client_gone', describe(error));

  readonly #onClientClose = (): void => {
    this.fail('client_gone');
    this.#leave();
  };

  #leave(): void {
    this.#context.deadlines.unwatch(this);
    this.#lane.remove(this);
  }
}
