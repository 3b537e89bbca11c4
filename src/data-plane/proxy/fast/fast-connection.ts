// One client connection of the fast lane: strict, ordinary HTTP/1.1 between its socket and a replica's. Hot path.
// Must stay true: what is not beyond doubt is handed to the full lane untouched, before anything of it was used; and
// whatever way an exchange ends, the client sees one whole answer or a break, never a break that looks whole.
// Per request: no header object, no closure, no promise, no timer. Bodies are followed to their end, not parsed.
//
//            head read                      answer's end, request whole
//   WAITING ───────────► ANSWERING ───────────────────────────────────────► WAITING (or CLOSING)
//      │ not ours            │  answer's end, request not whole: DISCARDING ──► WAITING
//      ▼                     │  failure: an error if no answer has begun, else a break
//   handed over              └──────────────────────────────────────────────► WAITING or CLOSING
//   ANSWERING is: seeking a replica (replica-acquirer.ts) ─► a connection (#upstream) ─► an answer (#hasAnswer), or seeking again
import type { Socket } from 'node:net';
import type { Deadlines, Watched } from '../../../core/deadlines.ts';
import { catalogue, describe, type Failure } from '../../../core/errors.ts';
import type { Exchange, Exchanges } from '../../../core/exchange/exchange.ts';
import { BodyFollower, BROKEN } from '../../../protocol/http/body-framing.ts';
import {
  BY_CLOSE,
  INCOMPLETE,
  READY,
  readRequestHead,
  readResponseHead,
  RequestHead,
  ResponseHead,
} from '../../../protocol/http/head-parser.ts';
import { DISCARD_MS, LINGER_MS } from '../../../protocol/http/linger.ts';
import { publicDetail, refusalBytes } from '../../../protocol/http/reply.ts';
import { breakOff } from '../../../protocol/http/reset.ts';
import type { Lease, Pool } from '../../replicas/pool.ts';
import { interimText, MAX_RESPONSE_HEAD_BYTES } from '../response-head.ts';
import { isRefusal } from '../connection-error.ts';
import type { ProxyOptions } from '../options.ts';
import { TimeoutTracker, type Progress } from '../timeout-tracker.ts';
import { HeadWriter } from './request-head.ts';
import { GIVE_UP, isRetryableStatus, type RetryBudget } from '../retry.ts';
import type { ConnectionUser, ReplicaConnection, ReplicaConnections } from './replica-connection.ts';
import { ReplicaAcquirer, type AcquireListener } from '../replica-acquirer.ts';
import { ATTEMPTS_HEADER, serverTiming } from '../server-timing.ts';

/** Where a request is to go. `picker` is told when it really goes there. */
export interface RouteDecision {
  readonly deployment: number;
  readonly path: string;
  readonly picker: { take(deployment: number): void };
}

/** What the lane works with. */
export interface FastDeps {
  readonly pool: Pool;
  readonly exchanges: Exchanges;
  readonly connections: ReplicaConnections;
  readonly deadlines: Deadlines;
  readonly options: ProxyOptions;
  readonly retries: RetryBudget;
  /** What clients speak HTTP over. */
  readonly proto: 'http' | 'https';
  readonly maxHeadBytes: number;
  /** How long a connection may be silent: before its first request, and between requests. */
  readonly headerTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Where a request goes, or `undefined` where the full lane is to say it. */
  readonly decide: (method: string, target: string) => RouteDecision | undefined;
  /**
   * Gives a connection, paused and with all its unread bytes in place, to the full lane for good. `first`: these bytes, where they
   * are the first of the connection.
   */
  readonly handOver: (socket: Socket, first: Buffer | undefined) => void;
}

/** What a connection asks of the lane that it belongs to. */
export interface FastContext {
  readonly isDraining: boolean;
  /** The connection is over, or is the full lane's now. */
  left(client: FastConnection): void;
}

const WAITING = 0;
const ANSWERING = 1;
const DISCARDING = 2;
const CLOSING = 3;

/** A head may come in this many pieces; more, and the full lane watches over it. */
const MAX_HEAD_PIECES = 8;
/** The rest of a head that has not come within this time is waited for by the full lane, with its deadlines. */
const PARTIAL_HEAD_MS = 50;
/** Bytes of later requests that are held while one is answered; more, and the client is not read. */
const MAX_HELD_BYTES = 64 * 1024;
/** Head and body up to this size go out as one piece of text: one copy, one system call. */
const ONE_PIECE_BYTES = 8 * 1024;

const MALFORMED_CHUNKS = 'the chunked body is malformed';

/** Shared by all connections: what was read last is used before anything else is read. */
const requestHead = new RequestHead();
const responseHead = new ResponseHead();

/** One client connection and the exchange that is under way on it. */
export class FastConnection implements Watched, ConnectionUser, Progress, AcquireListener {
  watchSlot = -1;
  readonly #deps: FastDeps;
  readonly #lane: FastContext;
  readonly #socket: Socket;
  readonly #patience: TimeoutTracker;
  readonly #seeker: ReplicaAcquirer;
  #state = WAITING;
  /** Since when the state is what it is, roughly: only for limits of seconds. */
  #sinceMs = performance.now();
  /** Bytes that belong to the next message: a partial head, or pipelined requests. */
  #held: Buffer | undefined;
  #headPieces = 0;
  #isPaused = false;
  #hasServed = false;
  #heads: HeadWriter | undefined;

  // The exchange under way.
  #exchange: Exchange | undefined;
  /** performance.now() when it was last sent. */
  #sentMs = 0;
  /** It was sent once more because a kept connection turned out to be dead. */
  #hasResent = false;
  #upstream: ReplicaConnection | undefined;
  #isToHead = false;
  #keepAlive = true;
  // Its request.
  readonly #request = new BodyFollower();
  /** What the replica sees. */
  #path = '';
  #sentHead = '';
  /** What came of the body so far, while it may have to be sent; `undefined` where there is none, or it is not kept. */
  #sentBody: Buffer[] | undefined;
  // Its answer.
  #hasAnswer = false;
  /** Any byte of an answer came, if only of an interim one: the replica has the request. */
  #hasHeard = false;
  /** An interim answer went on to the client. */
  #hasInterim = false;
  readonly #body = new BodyFollower();
  #isReusable = false;
  #partialHead: Buffer | undefined;
  /** A piece of the answer in the replica's own buffer is not out yet. */
  #isBulkPending = false;

  constructor(deps: FastDeps, lane: FastContext, socket: Socket) {
    this.#deps = deps;
    this.#lane = lane;
    this.#socket = socket;
    this.#patience = new TimeoutTracker(deps.options);
    this.#seeker = new ReplicaAcquirer(deps, this);
    socket.on('data', this.#onData);
    socket.on('drain', this.#onClientDrain);
    socket.on('end', this.#onClientEnd);
    socket.on('error', this.#onClientError);
    socket.on('close', this.#onClientClose);
    deps.deadlines.watch(this);
  }

  // ── WAITING: a head ──────────────────────────────────────────────────────────────────────────────────────────────

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state === WAITING)
      this.#readNext(this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]));
    else if (this.#state === ANSWERING && !this.#request.isWhole) this.#forwardBody(chunk);
    else if (this.#state === ANSWERING) this.#hold(chunk);
    else if (this.#state === DISCARDING) this.#discard(chunk);
  };

  /** Serves the messages that `bytes` begin with, one after the other, as far as they can be served now. */
  #readNext(bytes: Buffer): void {
    this.#held = undefined;
    const verdict = readRequestHead(bytes, 0, requestHead);
    if (verdict === READY) this.#begin(bytes);
    else if (
      verdict === INCOMPLETE &&
      bytes.length < this.#deps.maxHeadBytes &&
      ++this.#headPieces <= MAX_HEAD_PIECES
    ) {
      if (this.#headPieces === 1) this.#sinceMs = performance.now();
      this.#held = bytes;
    } else this.#handOver(bytes);
  }

  #handOver(bytes: Buffer): void {
    const socket = this.#socket;
    // Whoever cannot be answered any more is not to be served.
    if (!socket.writable) return this.#break();
    this.#leave();
    socket.off('data', this.#onData);
    socket.off('drain', this.#onClientDrain);
    socket.off('end', this.#onClientEnd);
    socket.off('error', this.#onClientError);
    socket.off('close', this.#onClientClose);
    // Paused, or the bytes that are put back would wait for the next ones that come.
    socket.pause();
    socket.unshift(bytes);
    this.#deps.handOver(socket, this.#hasServed ? undefined : bytes);
  }

  /** The head that was just read begins an exchange, unless the full lane is to have it. */
  #begin(bytes: Buffer): void {
    const head = requestHead;
    const decision = this.#deps.decide(head.method, head.target);
    if (
      decision === undefined ||
      head.end > this.#deps.maxHeadBytes ||
      head.length > this.#deps.options.max_body
    ) {
      this.#handOver(bytes);
      return;
    }
    const request = this.#request;
    request.begin(head.framing, head.length);
    const bodyEnd = request.follow(bytes, head.end, bytes.length);
    if (bodyEnd === BROKEN || request.payloadBytes > this.#deps.options.max_body) {
      this.#handOver(bytes);
      return;
    }

    const exchange = this.#deps.exchanges.open(head.inboundId === '' ? undefined : head.inboundId);
    exchange.method = head.method;
    exchange.target = head.target;
    const heads = (this.#heads ??= new HeadWriter(this.#remoteAddress(), this.#deps.proto));
    exchange.remoteAddress = heads.remoteAddress;
    exchange.requestBytes = request.payloadBytes;
    exchange.route(decision.deployment);
    decision.picker.take(decision.deployment);
    this.#path = decision.path;
    this.#exchange = exchange;
    this.#state = ANSWERING;
    this.#headPieces = 0;
    this.#hasServed = true;
    this.#isToHead = head.method === 'HEAD';
    this.#keepAlive = head.keepAlive;
    this.#hasAnswer = false;
    this.#hasHeard = false;
    if (bodyEnd < bytes.length) this.#held = bytes.subarray(bodyEnd);

    this.#hasInterim = false;
    this.#hasResent = false;
    this.#sentHead = heads.write(head, decision.path, exchange);
    // Clients often send head and body apart: an empty list keeps what is still to come.
    if (bodyEnd > head.end) this.#sentBody = [this.#passing(bytes, head.end, bodyEnd)];
    else this.#sentBody = request.isWhole ? undefined : [];
    this.#seeker.begin(exchange);
  }

  /** The part of bytes[from, end) of the request's body that passes to the replica. Call it right after `follow`. */
  #passing(bytes: Buffer, from: number, end: number): Buffer {
    if (this.#request.isEdited) return this.#request.edited(bytes, from, end);
    return from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end);
  }

  #remoteAddress(): string {
    const address = this.#socket.remoteAddress ?? '';
    return address.startsWith('::ffff:') ? address.slice(7) : address;
  }

  // ── ANSWERING: a replica for it ──────────────────────────────────────────────────────────────────────────────────

  found(lease: Lease): void {
    this.#send(lease, false);
  }

  /** It must be heard when it leaves the line. */
  waits(): void {
    this.#resume();
  }

  refused(failure: Failure, detail = ''): void {
    this.#fail(failure, detail);
  }

  /** Lets go of the replica that failed it, and seeks another one after a while. */
  #tryAgain(pauseMs: number): void {
    this.#hasHeard = false;
    this.#hasResent = false;
    this.#partialHead = undefined;
    // It may have been paused for the connection that is gone.
    this.#resume();
    this.#seeker.again(pauseMs);
  }

  #onUnreachable(detail: string, error?: NodeJS.ErrnoException): void {
    // Sent once already, and now the replica is gone: the request may be why, and must not take the next one with it.
    const canMove = !this.#hasResent && this.#isWholeAtHand();
    const pauseMs = this.#seeker.pauseAfterUnreachable(error, canMove);
    if (pauseMs === GIVE_UP) this.#fail('connect_failed', detail);
    else this.#tryAgain(pauseMs);
  }

  /** True when all that came of the request is at hand. */
  #isWholeAtHand(): boolean {
    return this.#exchange!.requestBytes === 0 || this.#sentBody !== undefined;
  }

  // ── ANSWERING: the request to the replica ────────────────────────────────────────────────────────────────────────

  #send(lease: Lease, fresh: boolean): void {
    const exchange = this.#exchange!;
    this.#seeker.sent();
    this.#sentMs = fresh ? performance.now() : exchange.leasedMs;
    const upstream = this.#deps.connections.take(lease.replica.url, fresh);
    upstream.user = this;
    this.#upstream = upstream;
    const { socket } = upstream;
    const body = this.#sentBody;
    if (body === undefined || body.length === 0) socket.write(this.#sentHead, 'latin1');
    else if (body.length === 1 && body[0]!.length <= ONE_PIECE_BYTES)
      socket.write(this.#sentHead + body[0]!.latin1Slice(), 'latin1');
    else {
      socket.cork();
      socket.write(this.#sentHead, 'latin1');
      for (const piece of body) socket.write(piece);
      socket.uncork();
    }
    if (socket.writableNeedDrain && upstream.isWritable) this.#pause();
    else this.onDrain();
  }

  /** More of the body: on to the replica, as far as it is this request's. */
  #forwardBody(chunk: Buffer): void {
    const exchange = this.#exchange!;
    const end = this.#request.follow(chunk, 0, chunk.length);
    if (end === BROKEN) {
      this.#fail('bad_request', MALFORMED_CHUNKS);
      return;
    }
    const { max_body } = this.#deps.options;
    exchange.requestBytes = this.#request.payloadBytes;
    if (exchange.requestBytes > max_body) {
      this.#fail('too_large', `more than ${max_body} bytes`);
      return;
    }
    const mine = this.#passing(chunk, 0, end);
    if (end < chunk.length) this.#hold(chunk.subarray(end));
    if (this.#sentBody !== undefined) {
      this.#sentBody.push(mine);
      if (this.#seeker.isSeeking) return this.#keepBody(mine.length);
      this.#forgetLargeBody();
    }
    // The answer may be over, or the replica gone, while the rest of the body still comes.
    const upstream = this.#upstream;
    if (upstream?.isWritable === true && !upstream.socket.write(mine) && upstream.isWritable) this.#pause();
  }

  /** More of the body came while no replica has the request. */
  #keepBody(bytes: number): void {
    if (this.#seeker.isInLine) this.#seeker.hold(bytes);
    // Between two tries: what is kept is bounded, and that is not for long.
    else if (this.#exchange!.requestBytes > this.#deps.options.retry.max_body) this.#pause();
  }

  /** What is too large to be kept is kept only until it is on its way. */
  #forgetLargeBody(): void {
    if (this.#upstream?.isConnected !== true) return;
    if (this.#exchange!.requestBytes > this.#deps.options.retry.max_body) this.#sentBody = undefined;
  }

  /** Bytes of a later request wait until this one is answered. */
  #hold(chunk: Buffer): void {
    this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    if (this.#held.length <= MAX_HELD_BYTES) return;
    // Who waits in line must be heard when he leaves, and so is read on.
    if (this.#seeker.isInLine) this.#seeker.hold(chunk.length);
    else this.#pause();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** The replica has taken what was written: the client is read again, also to hear that it leaves. */
  onDrain(): void {
    if (this.#held === undefined || this.#held.length <= MAX_HELD_BYTES) this.#resume();
  }

  // ── ANSWERING: the answer to the client ──────────────────────────────────────────────────────────────────────────

  onBytes(bytes: Buffer, size: number): boolean {
    this.#hasHeard = true;
    if (this.#hasAnswer) this.#forwardAnswer(bytes, 0, size);
    else if (this.#partialHead === undefined) this.#readAnswerHead(bytes, size);
    else {
      const joined = Buffer.concat([this.#partialHead, bytes.subarray(0, size)]);
      this.#partialHead = undefined;
      this.#readAnswerHead(joined, joined.length);
    }
    // With the answer complete the connection is no longer this client's to hold back.
    if (this.#upstream === undefined) return true;
    return !this.#socket.writableNeedDrain && !this.#isBulkPending;
  }

  /** Reads the head of the answer, past any interim ones (1xx), and begins to answer. */
  #readAnswerHead(bytes: Buffer, size: number): void {
    const exchange = this.#exchange!;
    let at = 0;
    for (;;) {
      const verdict = readResponseHead(bytes, at, size, this.#isToHead, responseHead);
      if (verdict === INCOMPLETE && size - at < MAX_RESPONSE_HEAD_BYTES) {
        // A copy: the bytes lie in the buffer that the next read overwrites.
        if (size > at) this.#partialHead = Buffer.from(bytes.subarray(at, size));
        return;
      }
      const isTooLong = responseHead.end - at > MAX_RESPONSE_HEAD_BYTES;
      if (verdict !== READY || isTooLong || responseHead.status === 101) {
        this.#fail('bad_response');
        return;
      }
      at = responseHead.end;
      if (responseHead.status >= 200) break;
      // 100 answers an Expect that is never sent on; other interim answers are for the client.
      if (responseHead.status !== 100) {
        this.#hasInterim = true;
        this.#socket.write(interimText(responseHead), 'latin1');
      }
    }
    if (isRetryableStatus(responseHead.status) && this.#isAskedAgain(bytes, at, size)) return;
    exchange.headMs = performance.now();
    this.#body.begin(responseHead.framing, responseHead.length, true);
    const end = this.#followAnswer(bytes, at, size, exchange.headMs);
    // Nothing of the answer is sent yet, so an error can be sent instead.
    if (end === BROKEN) {
      exchange.headMs = exchange.firstByteMs = exchange.responseBytes = 0;
      this.#fail('bad_response', MALFORMED_CHUNKS);
      return;
    }
    // A connection that was there already was made for an earlier request.
    exchange.connectedMs = this.#upstream!.isReused ? 0 : this.#upstream!.connectedMs;
    this.#seeker.lease!.heard();
    this.#sentHead = '';
    this.#sentBody = undefined;
    this.#hasAnswer = true;
    this.#answer(responseHead, bytes, at, end, size);
  }

  /** True when this answer is not passed on because the request is to be sent again. */
  #isAskedAgain(bytes: Buffer, from: number, size: number): boolean {
    if (this.#hasInterim) return false;
    const pauseMs = this.#seeker.pauseAfterAnswer(this.#isWholeAtHand(), this.#path);
    if (pauseMs === GIVE_UP) return false;
    const { framing, length, keepAlive } = responseHead;
    const upstream = this.#upstream!;
    this.#upstream = undefined;
    this.#body.begin(framing, length, true);
    const isClean = this.#body.follow(bytes, from, size) === size && this.#body.isWhole;
    if (isClean && keepAlive && framing !== BY_CLOSE && this.#request.isWhole && upstream.isFlushed)
      this.#deps.connections.keep(this.#seeker.lease!.replica.url, upstream);
    else upstream.destroy();
    this.#seeker.lease!.completed();
    this.#tryAgain(pauseMs);
    return true;
  }

  /** Sends the answer's head with the part of its body that has arrived: bytes[from, end). Call it right after `follow`. */
  #answer(head: ResponseHead, bytes: Buffer, from: number, end: number, size: number): void {
    const exchange = this.#exchange!;
    exchange.status = head.status;
    this.#isReusable = head.keepAlive && head.framing !== BY_CLOSE;
    if (head.framing === BY_CLOSE || this.#lane.isDraining) this.#keepAlive = false;
    const text =
      `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.kept}X-Baseten-Request-Id: ${exchange.id}\r\n` +
      `${ATTEMPTS_HEADER}: ${exchange.attempts}\r\n` +
      `Server-Timing: ${serverTiming(exchange)}\r\n${this.#keepAlive ? '\r\n' : 'Connection: close\r\n\r\n'}`;
    if (this.#body.isEdited) {
      const piece = this.#body.edited(bytes, from, end);
      this.#socket.write(text + piece.latin1Slice(), 'latin1');
    } else if (end === from) this.#socket.write(text, 'latin1');
    else if (end - from <= ONE_PIECE_BYTES) this.#socket.write(text + bytes.latin1Slice(from, end), 'latin1');
    else {
      this.#socket.cork();
      this.#socket.write(text, 'latin1');
      this.#socket.write(Buffer.from(bytes.subarray(from, end)));
      this.#socket.uncork();
    }
    this.#afterPiece(end, size);
  }

  /** More of the answer's body. */
  #forwardAnswer(bytes: Buffer, from: number, size: number): void {
    const end = this.#followAnswer(bytes, from, size);
    if (end === BROKEN) {
      this.#fail('bad_response', MALFORMED_CHUNKS);
      return;
    }
    // Short pieces go out as text, which is copied on the way; longer ones must leave the shared buffer.
    const upstream = this.#upstream!;
    if (this.#body.isEdited) this.#socket.write(this.#body.edited(bytes, from, end));
    else if (end - from <= ONE_PIECE_BYTES) this.#socket.write(bytes.latin1Slice(from, end), 'latin1');
    else if (upstream.owns(bytes)) {
      this.#socket.write(bytes.subarray(from, end), this.#onBulkWritten);
      this.#isBulkPending = this.#socket.writableLength > 0;
    } else {
      this.#socket.write(Buffer.from(bytes.subarray(from, end)));
      if (size === bytes.length) upstream.beginBulk();
    }
    this.#afterPiece(end, size);
  }

  /** `nowMs`: performance.now() if it is known, else 0. */
  #followAnswer(bytes: Buffer, from: number, size: number, nowMs = 0): number {
    const body = this.#body;
    const end = body.follow(bytes, from, size);
    const exchange = this.#exchange!;
    exchange.responseBytes = body.payloadBytes;
    if (exchange.firstByteMs === 0 && (body.payloadBytes > 0 || body.isWhole))
      exchange.firstByteMs = nowMs || performance.now();
    return end;
  }

  #afterPiece(end: number, size: number): void {
    if (!this.#body.isWhole) return;
    // More than the answer: the replica is out of step, and its connection with it.
    if (end < size) this.#isReusable = false;
    this.#finish();
  }

  /** The replica reads no more of the request. The rest is read and dropped, so that the client can finish it and read the answer. */
  onWriteFailed(): void {
    this.#resume();
  }

  onEnd(): void {
    if (!this.#hasAnswer || !this.#body.endsWithConnection()) return;
    this.#exchange!.bodyBegan();
    this.#finish();
  }

  onLost(error: NodeJS.ErrnoException | undefined): void {
    const upstream = this.#upstream!;
    this.#upstream = undefined;
    const detail = describe(error ?? 'closed');
    if (!upstream.isConnected) this.#onUnreachable(detail, error);
    else if (upstream.isReused && !this.#hasHeard && !this.#hasResent && this.#isWholeAtHand()) {
      this.#hasResent = true;
      // It may have been paused for the connection that is gone.
      this.#resume();
      this.#send(this.#seeker.lease!, true);
    } else {
      const isRefused = this.#hasAnswer && isRefusal(this.#exchange!.status, this.#body.endsWithConnection());
      if (!isRefused) this.#seeker.lease!.broke();
      this.#fail('reset_midway', detail);
    }
  }

  /** The answer is complete: the replica's connection is kept or closed, and the exchange ends when all is sent. */
  #finish(): void {
    const upstream = this.#upstream!;
    this.#upstream = undefined;
    this.#seeker.lease!.completed();
    upstream.endBulk(!this.#isBulkPending);
    this.#isBulkPending = false;
    if (this.#isReusable && this.#request.isWhole && upstream.isFlushed)
      this.#deps.connections.keep(this.#seeker.lease!.replica.url, upstream);
    else upstream.destroy();
    if (this.#socket.writableLength === 0) this.#answered();
    else this.#socket.write('', this.#answered);
  }

  /** The last byte of the answer is with the operating system. */
  readonly #answered = (error?: Error | null): void => {
    const exchange = this.#exchange;
    if (exchange === undefined || error) return;
    this.#settle('ok', exchange.status, '');
    this.#next();
  };

  /** What was written from the replica's own buffer is out: it may be read into again. */
  readonly #onBulkWritten = (): void => {
    if (!this.#isBulkPending) return;
    this.#isBulkPending = false;
    this.#upstream?.resume();
  };

  readonly #onClientDrain = (): void => {
    this.#isBulkPending = false;
    this.#upstream?.resume();
  };

  // ── The end of an exchange ───────────────────────────────────────────────────────────────────────────────────────

  /** Ends the exchange under way for a reason that is not its answer's end. */
  #fail(failure: Failure, detail = ''): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    const hasAnswer = this.#hasAnswer;
    this.#upstream?.destroy();
    this.#upstream = undefined;
    this.#isBulkPending = false;
    // Whoever waited has waited until now.
    this.#seeker.leaveLine();
    const isCut = failure === 'client_gone' || hasAnswer;
    // Where the request was not read to its end the next one could not be found: the connection ends.
    if (!this.#request.isWhole || this.#lane.isDraining) this.#keepAlive = false;
    const saying = { detail: publicDetail(failure, detail), timing: serverTiming(exchange) };
    const refusal = isCut ? '' : refusalBytes(failure, exchange, saying, this.#keepAlive);
    this.#settle(failure, catalogue[failure].http, detail);
    if (isCut) return this.#break();
    this.#socket.write(refusal);
    this.#next();
  }

  /** The one end of every exchange: nothing of it is left anywhere. */
  #settle(cause: 'ok' | Failure, status: number, detail: string): void {
    const exchange = this.#exchange!;
    this.#exchange = undefined;
    this.#sentHead = '';
    this.#sentBody = undefined;
    this.#partialHead = undefined;
    this.#seeker.end();
    exchange.close(cause, status, detail);
    this.#sinceMs = exchange.endMs;
  }

  /** What comes after an exchange: the end, the rest of an upload that nobody wants, or the next request. */
  #next(): void {
    if (!this.#keepAlive) return this.#close();
    if (!this.#request.isWhole) {
      this.#state = DISCARDING;
      this.#resume();
      return;
    }
    this.#state = WAITING;
    this.#resume();
    // Not at once: many refused requests in one piece would nest as deep as they are many.
    if (this.#held !== undefined) process.nextTick(this.#readHeld);
    else if (this.#lane.isDraining) this.closeIfIdle();
  }

  /** Ends the connection once what was written is out. What the client still says is read away and forgotten. */
  #close(): void {
    this.#state = CLOSING;
    this.#sinceMs = performance.now();
    this.#held = undefined;
    this.#resume();
    this.#socket.end();
  }

  /** Ends the connection now, visibly: an answer that ends with its connection must not look complete. */
  #break(): void {
    const wouldLookWhole = this.#hasAnswer && this.#body.endsWithConnection() && !this.#socket.destroyed;
    // Bytes that were read already are still handed out after the socket's end.
    this.#state = CLOSING;
    this.#held = undefined;
    if (wouldLookWhole) breakOff(this.#socket);
    else this.#socket.destroy();
  }

  readonly #readHeld = (): void => {
    if (this.#state === WAITING && this.#held !== undefined) this.#readNext(this.#held);
  };

  /** DISCARDING: reads the rest of a body away, and goes on where it ends. */
  #discard(chunk: Buffer): void {
    const end = this.#request.follow(chunk, 0, chunk.length);
    if (end === BROKEN) return this.#break();
    if (!this.#request.isWhole) return;
    if (end < chunk.length) this.#held = chunk.subarray(end);
    this.#next();
  }

  // ── Deadlines, and the client's end ──────────────────────────────────────────────────────────────────────────────

  get hasReplica(): boolean {
    return !this.#seeker.isSeeking;
  }

  get isUploaded(): boolean {
    return this.#request.isWhole;
  }

  get waitsForReplica(): boolean {
    return this.#upstream?.socket.writableNeedDrain === true;
  }

  get waitsForClient(): boolean {
    return this.#socket.writableLength > 0;
  }

  sweep(nowMs: number): void {
    if (this.#state === ANSWERING) {
      this.#sweepExchange(nowMs);
      return;
    }
    const forMs = nowMs - this.#sinceMs;
    if (this.#state === WAITING) {
      if (this.#held !== undefined) {
        if (forMs > PARTIAL_HEAD_MS) this.#handOver(this.#held);
      } else if (this.#hasServed) {
        if (forMs > this.#deps.keepAliveTimeoutMs) this.#close();
      } else if (forMs > this.#deps.headerTimeoutMs) this.#refuseSilence();
    } else if (forMs > (this.#request.isWhole ? LINGER_MS : DISCARD_MS)) this.#socket.destroy();
  }

  #sweepExchange(nowMs: number): void {
    const exchange = this.#exchange!;
    const upstream = this.#upstream;
    const { connect_timeout } = this.#deps.options;
    if (upstream !== undefined && !upstream.isConnected && nowMs - this.#sentMs > connect_timeout) {
      upstream.destroy();
      this.#upstream = undefined;
      this.#onUnreachable(`no connection within ${connect_timeout} ms`);
      return;
    }
    this.#forgetLargeBody();
    if (this.#seeker.sweep(nowMs)) return;
    const overdue = this.#patience.check(nowMs, exchange, this);
    if (this.#patience.isMoving) this.#seeker.lease?.heard();
    if (overdue) this.#fail(overdue.failure, overdue.detail);
  }

  /** A connection that never said anything. */
  #refuseSilence(): void {
    const exchange = this.#deps.exchanges.open(undefined);
    exchange.remoteAddress = this.#remoteAddress();
    const refusal = refusalBytes('request_timeout', exchange);
    exchange.fail('request_timeout', 'the connection was silent');
    this.#socket.write(refusal);
    this.#keepAlive = false;
    this.#sinceMs = exchange.endMs;
    this.#next();
  }

  closeIfIdle(): void {
    if (this.#state === WAITING && this.#held === undefined) this.#close();
  }

  abort(failure: Failure): void {
    if (this.#state === ANSWERING) this.#fail(failure);
    else this.#break();
  }

  /** The client has closed its side: as with Node's server, that means that it has left. */
  readonly #onClientEnd = (): void => {
    if (this.#state === ANSWERING) this.#fail('client_gone');
    else if (this.#held !== undefined) this.#leftInHead();
    if (this.#state !== CLOSING) this.#close();
  };

  /** It left in the middle of a head: an exchange all the same, if a short one. */
  #leftInHead(): void {
    this.#held = undefined;
    const exchange = this.#deps.exchanges.open(undefined);
    exchange.remoteAddress = this.#remoteAddress();
    exchange.fail('client_gone', 'in the middle of a head');
  }

  readonly #onClientError = (error: Error): void => {
    this.#fail('client_gone', describe(error));
  };

  readonly #onClientClose = (): void => {
    this.#fail('client_gone');
    this.#leave();
  };

  #leave(): void {
    this.#deps.deadlines.unwatch(this);
    this.#lane.left(this);
  }
}
