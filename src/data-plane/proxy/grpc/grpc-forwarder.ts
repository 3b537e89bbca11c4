// One gRPC call of any kind: two streams of HTTP/2, and what it ended with. Hot path.
// Must stay true: messages pass through as they are; however the call ends its client gets one grpc-status with the id, or
// a reset where it does not read; the lease is released, the replica's stream is over, and the exchange is closed once.
//
//   seek ─► (in line) ─► connection ─► sent ─► initial metadata ─► messages ─► trailers ─► ok (status: grpc-status)
//     ▲ └─ refused          │ not reached, or the stream refused before it was looked at: once more
//     └─────────────────────┘                        any failure ─► fail: trailers with our own status; then settle
import {
  constants,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Watched } from '../../../core/deadlines.ts';
import { describe, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import {
  isGrpc,
  STATUS_HEADER,
  TIMEOUT_HEADER,
  metadataToReplica,
  metadataValue,
  type CallHop,
} from '../../../protocol/grpc/metadata.ts';
import { statusOf } from '../../../protocol/grpc/refusal.ts';
import { readStatus } from '../../../protocol/grpc/status.ts';
import { formatTimeout, readTimeout } from '../../../protocol/grpc/timeout.ts';
import { publicDetail } from '../../../protocol/http/reply.ts';
import type { Lease } from '../../replicas/pool.ts';
import { connectionProblem } from '../connection-error.ts';
import type { HttpContext, ActiveRequest } from '../http/http-forwarder.ts';
import { GrpcResponseStream } from './grpc-response.ts';
import { endedWithoutStatus, lostBy, noGrpc, noStatus, resetBy, type CallFailure } from './grpc-failure.ts';
import { GrpcRequestStream, type HeldPieces } from './grpc-request.ts';
import { TimeoutTracker } from '../timeout-tracker.ts';
import type { ReplicaSession, ReplicaSessions, SessionUser } from './replica-sessions.ts';
import { GIVE_UP } from '../retry.ts';
import { ReplicaAcquirer, type AcquireListener } from '../replica-acquirer.ts';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM, NGHTTP2_FLAG_END_STREAM } = constants;

/** A client's clock for its deadline began this much before ours at most: on the way a call is no longer. */
const TRANSIT_MS = 25;

/** What calls share with the other lanes, and the connections of their own. */
export type GrpcContext = Pick<HttpContext, 'pool' | 'deadlines' | 'options' | 'retries' | 'open'> & {
  readonly sessions: ReplicaSessions;
  readonly heldPieces: HeldPieces;
};

/** A call as it came in. */
export interface IncomingCall {
  readonly stream: ServerHttp2Stream;
  /** Its headers as a raw list. */
  readonly raw: readonly string[];
  /** The head was all of it. */
  readonly isEmpty: boolean;
}

export class GrpcForwarder implements Watched, ActiveRequest, AcquireListener, SessionUser {
  watchSlot = -1;
  readonly #lane: GrpcContext;
  readonly #exchange: Exchange;
  readonly #call: IncomingCall;
  readonly #client: ServerHttp2Stream;
  readonly #hop: CallHop;
  readonly #patience: TimeoutTracker;
  readonly #upload: GrpcRequestStream;
  readonly #answer: GrpcResponseStream;
  /** performance.now() of the client's deadline. */
  readonly #deadlineMs: number;
  readonly #seeker: ReplicaAcquirer;
  #session: ReplicaSession | undefined;
  #to: ClientHttp2Stream | undefined;
  #isHeldUp = false;
  /** The error that broke its stream. */
  #broken: NodeJS.ErrnoException | undefined;
  /** The replica has ended its side. */
  #isAnswered = false;
  /** Trailers that the replica has sent. */
  #trailers: readonly string[] | undefined;

  constructor(lane: GrpcContext, exchange: Exchange, call: IncomingCall, hop: CallHop) {
    this.#lane = lane;
    this.#seeker = new ReplicaAcquirer(lane, this);
    this.#exchange = exchange;
    this.#call = call;
    this.#client = call.stream;
    this.#hop = hop;
    const { max_body, retry } = lane.options;
    const limits = { max_body, keptBytes: retry.max_body, held: lane.heldPieces };
    this.#upload = new GrpcRequestStream(call.stream, exchange, limits, call.isEmpty, this.#onTooLarge);
    this.#answer = new GrpcResponseStream(call.stream, exchange);
    this.#patience = new TimeoutTracker(lane.options);
    const timeout = readTimeout(metadataValue(call.raw, TIMEOUT_HEADER) ?? '');
    this.#deadlineMs = timeout === undefined ? Infinity : exchange.startMs + timeout;
  }

  /** Finds a replica and sends the call there, or says why not. */
  start(): void {
    this.#lane.open.add(this);
    this.#lane.deadlines.watch(this);
    this.#client.on('aborted', this.#onClientGone);
    this.#client.on('close', this.#onClientGone);
    this.#client.on('error', this.#onClientGone);
    this.#client.on('wantTrailers', () => this.#sendTrailers());
    this.#client.on('drain', () => {
      this.#holdUp(false);
      this.#to?.resume();
    });
    this.#seeker.begin(this.#exchange);
  }

  found(lease: Lease): void {
    this.#seeker.sent();
    this.#lane.sessions.take(lease.replica, this);
  }

  waits(): void {
    // What the client sends meanwhile waits in the window of its stream, which is bounded.
  }

  refused(failure: Failure, detail = ''): void {
    this.#fail(failure, detail);
  }

  unreachable(error: NodeJS.ErrnoException): void {
    if (!this.#exchange.isOpen) return;
    const pauseMs = this.#seeker.pauseAfterUnreachable(error, this.#upload.canRepeat);
    const failure = 'connect_failed';
    this.#tryAgain(pauseMs, {
      failure,
      detail: connectionProblem(error),
      status: statusOf(failure),
      text: '',
    });
  }

  /** Seeks a replica once more, unless it has been tried enough. */
  #tryAgain(pauseMs: number, failed: CallFailure): void {
    if (pauseMs === GIVE_UP) return this.#failWith(failed);
    this.#session = this.#to = undefined;
    this.#upload.hold();
    this.#seeker.again(pauseMs);
  }

  /** There is a connection: the call is sent. */
  connected(session: ReplicaSession): void {
    // It ended while it waited for that.
    if (!this.#exchange.isOpen) return;
    const leftMs = this.#deadlineMs - performance.now();
    if (leftMs <= 0) return this.#fail('deadline_exceeded');
    const timeout = leftMs === Infinity ? '' : formatTimeout(leftMs);
    let to: ClientHttp2Stream;
    try {
      to = session.request(
        metadataToReplica(this.#call.raw, this.#hop, session.scheme, timeout),
        this.#call.isEmpty,
      );
    } catch (error) {
      return this.#fail('bad_request', describe(error));
    }
    this.#session = session;
    this.#to = to;
    to.on('response', (headers: IncomingHttpHeaders, flags: number, raw: string[]) =>
      this.#onResponse(headers, flags, raw),
    );
    to.on('data', (chunk: Buffer) => this.#onMessageBytes(chunk));
    to.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      this.#trailers = raw;
      this.#isAnswered = true;
    });
    to.on('end', () => {
      if (to === this.#to) this.#onEnd(to);
    });
    // What it says is known when the stream is closed: from its code, or because the connection is lost.
    to.on('error', (error: NodeJS.ErrnoException) => {
      this.#broken = error;
      this.#exchange.detail ||= describe(error);
    });
    to.on('close', () => {
      if (to === this.#to) this.#onClosed(to);
    });
    this.#upload.sendTo(to);
  }

  // ── From the client ──────────────────────────────────────────────────────────────────────────────────────────────

  readonly #onTooLarge = (bytes: number): void =>
    this.#fail('too_large', `a message of ${bytes} bytes, the limit is ${this.#lane.options.max_body}`);

  readonly #onClientGone = (): void => {
    // A client gives its call up at its deadline: that is how it ended, not that somebody changed his mind.
    const isOverdue = performance.now() + TRANSIT_MS >= this.#deadlineMs;
    this.#settleGone(isOverdue ? 'deadline_exceeded' : 'client_gone');
  };

  #settleGone(failure: Failure): void {
    this.#seeker.leaveLine();
    this.#settle(failure, statusOf(failure));
  }

  // ── From the replica ─────────────────────────────────────────────────────────────────────────────────────────────

  #onResponse(headers: IncomingHttpHeaders, flags: number, raw: string[]): void {
    if (!this.#exchange.isOpen) return;
    const http = Number(headers[':status']);
    const status = headers[STATUS_HEADER] as string | undefined;
    const isOnly = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#upload.forget();
    const type = headers['content-type'];
    if (status === undefined && (http !== 200 || !isGrpc(type)))
      return this.#failWith(noGrpc(http, type, raw));
    this.#exchange.headMs = performance.now();
    this.#seeker.lease!.heard();
    if (isOnly && status === undefined) return this.#failWith(noStatus(raw));
    if (isOnly) this.#exchange.bodyBegan();
    this.#isAnswered = isOnly;
    const problem = isOnly ? this.#answer.only(raw) : this.#answer.begin(raw);
    if (problem !== '') return this.#fail('bad_response', problem);
    if (isOnly) this.#finish(status!);
  }

  #onMessageBytes(chunk: Buffer): void {
    if (!this.#exchange.isOpen) return;
    this.#exchange.bodyBegan();
    if (this.#answer.write(chunk)) return;
    this.#to!.pause();
    this.#holdUp(true);
  }

  /** The client does not read, or does again: for so long the answer fills room that the replica has for the connection. */
  #holdUp(isHeldUp: boolean): void {
    if (this.#isHeldUp === isHeldUp) return;
    this.#isHeldUp = isHeldUp;
    this.#session!.unread += isHeldUp ? 1 : -1;
  }

  /** All messages are with the client's stream, which asks for the trailers once they are sent. */
  #onAnswered(): void {
    if (!this.#exchange.isOpen || this.#trailers === undefined || this.#answer.isEnding) return;
    if (metadataValue(this.#trailers, STATUS_HEADER) !== undefined) this.#answer.end(this.#trailers);
  }

  /** The replica has ended its side. If the whole stream has ended, `#onClosed` finds the reason. */
  #onEnd(to: ClientHttp2Stream): void {
    this.#onAnswered();
    if (!to.closed && !this.#answer.isEnding) this.#failWith(endedWithoutStatus(this.#trailers));
  }

  /** The replica's stream is over. What it has not said by now it will not say. */
  #onClosed({ rstCode, readableLength }: ClientHttp2Stream): void {
    if (!this.#exchange.isOpen) return;
    // A stream that breaks loses what was not read of it yet, and then no trailers make the answer whole.
    if (readableLength === 0) this.#onAnswered();
    if (this.#answer.isEnding) return;
    if (rstCode === NGHTTP2_REFUSED_STREAM && this.#upload.canRepeat)
      return this.#tryAgain(this.#lane.retries.afterConnectFailure(this.#exchange, true), resetBy(rstCode));
    if (this.#session!.isLost) {
      this.#seeker.lease!.broke();
      return this.#failWith(lostBy(this.#broken, this.#exchange.detail));
    }
    if (rstCode === NGHTTP2_NO_ERROR) return this.#failWith(endedWithoutStatus(this.#trailers));
    if (rstCode !== NGHTTP2_CANCEL) this.#seeker.lease!.broke();
    this.#failWith(resetBy(rstCode));
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #sendTrailers(): void {
    let status: string | undefined;
    try {
      status = this.#answer.sendTrailers();
    } catch (error) {
      return this.#settle('bad_response', statusOf('bad_response'), describe(error));
    }
    if (status === undefined) return;
    if (this.#exchange.isOpen) this.#finish(status);
    else this.#upload.stop();
  }

  /** The client has the replica's status. */
  #finish(status: string): void {
    this.#seeker.lease?.completed();
    this.#exchange.bodyBegan();
    this.#settle('ok', readStatus(status));
    this.#upload.stop();
  }

  /** Ends it from outside: the drain's time is over. */
  abort(failure: Failure): void {
    this.#fail(failure);
  }

  sweep(nowMs: number): void {
    if (nowMs >= this.#deadlineMs) return this.#fail('deadline_exceeded');
    if (this.#upload.isTooMuch()) return this.#fail('bad_request', 'messages come in pieces of a few bytes');
    if (this.#seeker.sweep(nowMs)) return;
    const overdue = this.#patience.check(nowMs, this.#exchange, {
      hasReplica: this.#seeker.lease !== undefined,
      // What a client sends while there is nobody to send it to is not read.
      isUploaded: this.#upload.hasEnded || this.#to === undefined,
      waitsForReplica: this.#to?.writableNeedDrain === true,
      waitsForClient: this.#client.writableLength > 0,
    });
    if (this.#patience.isMoving) this.#seeker.lease?.heard();
    if (overdue) this.#fail(overdue.failure, overdue.detail);
  }

  #fail(failure: Failure, detail = ''): void {
    this.#failWith({ failure, detail, status: statusOf(failure), text: '' });
  }

  #failWith({ failure, detail, status, text }: CallFailure): void {
    if (!this.#exchange.isOpen) return;
    this.#seeker.leaveLine();
    // An answer with only a status has no body.
    if (!this.#answer.hasBegun) this.#exchange.wrote(0);
    this.#settle(failure, status, detail);
    const said = text === '' ? publicDetail(failure, detail) : '';
    if (this.#answer.refuse(failure, said, status, text)) this.#upload.stop();
  }

  /** The one end of everything: nothing of this call is left anywhere. */
  #settle(cause: 'ok' | Failure, status: number, detail = ''): void {
    if (!this.#exchange.close(cause, status, detail)) return;
    this.#lane.deadlines.unwatch(this);
    this.#lane.open.delete(this);
    this.#upload.end();
    this.#holdUp(false);
    if (this.#to !== undefined) this.#session!.end(this.#to, this.#isAnswered);
    this.#seeker.end();
  }
}
