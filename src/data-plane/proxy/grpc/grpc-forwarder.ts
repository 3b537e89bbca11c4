// One gRPC call of any kind: a client, a stream to a replica, and how it ended. Hot path.
// Invariant: messages pass unchanged; however the call ends, its client gets one grpc-status with the id, or a reset if
// it does not read; the replica is released, the stream to the replica is over, and the exchange is closed once.
//
//   Attempt.start ─► connection ─► stream ─► initial metadata ─► messages ─► trailers ─► finish (status: grpc-status)
//                      any failure ─► fail: trailers with weir's own status
import type { Expiring } from '../../../core/deadlines.ts';
import type { Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { isGrpc, STATUS_HEADER, TIMEOUT_HEADER } from '../../../protocol/grpc/metadata.ts';
import { MessageCounter } from '../../../protocol/grpc/message-counter.ts';
import { grpcStatusOf } from '../../../protocol/grpc/refusal.ts';
import { readStatus } from '../../../protocol/grpc/status.ts';
import { formatTimeout, readTimeout } from '../../../protocol/grpc/timeout.ts';
import { publicDetail } from '../../../protocol/http/error-response.ts';
import { ERROR_CODE } from '../../../protocol/http2/error-code.ts';
import type { HeaderBlock } from '../../../protocol/http2/hpack/header-block.ts';
import type { Http2Stream } from '../../../protocol/http2/stream.ts';
import type { StreamListener } from '../../../protocol/http2/stream-listener.ts';
import type { Lease } from '../../replicas/pool.ts';
import { Attempt, type AttemptListener } from '../attempt.ts';
import { connectionProblem } from '../connection-error.ts';
import type { ActiveRequest, ForwarderContext } from '../forwarder.ts';
import type { Progress } from '../timeout-tracker.ts';
import type { Caller, CallerListener } from './caller.ts';
import {
  endedWithoutStatus,
  lostWith,
  malformed,
  noGrpc,
  noStatus,
  resetBy,
  tooLargeHead,
  type CallFailure,
} from './grpc-failure.ts';
import type { RequestHeaders } from './grpc-headers.ts';
import type { ReplicaSession, ReplicaSessions, SessionUser } from '../http2/replica-sessions.ts';
import { RequestMessages } from './request-messages.ts';

/**
 * Longest time that a call is on its way from the client: the client's deadline passes this much before weir's at most.
 */
const TRANSIT_MS = 25;
/** Most characters of a client's grpc-timeout that an error repeats. */
const MAX_TIMEOUT_CHARS = 20;

export interface GrpcContext extends ForwarderContext {
  readonly sessions: ReplicaSessions;
}

export class GrpcForwarder
  implements Expiring, ActiveRequest, AttemptListener, SessionUser, Progress, CallerListener, StreamListener
{
  watchSlot = -1;
  readonly #context: GrpcContext;
  readonly #exchange: Exchange;
  readonly #caller: Caller;
  readonly #headers: RequestHeaders;
  readonly #request: RequestMessages;
  readonly #response = new MessageCounter();
  readonly #attempt: Attempt;
  /** performance.now() of the client's deadline. */
  #deadlineMs = Infinity;
  #session: ReplicaSession | undefined;
  /** The stream to the replica. */
  #to: Http2Stream | undefined;
  #hasHead = false;
  /** Bytes of the response that came, and of these what the replica may send again as many of. */
  #received = 0;
  #consumed = 0;
  /** The client does not read, so the replica's window is not opened. */
  #isClientStalled = false;
  /** Trailers of the replica with a status, which are sent once all messages are. */
  #trailers: HeaderBlock | undefined;

  constructor(context: GrpcContext, exchange: Exchange, caller: Caller, headers: RequestHeaders) {
    this.#context = context;
    this.#exchange = exchange;
    this.#caller = caller;
    this.#headers = headers;
    this.#attempt = new Attempt(context, this);
    this.#request = new RequestMessages(caller, context.options.retry.max_body);
  }

  /** Sends the call to a replica, or tells the client why not. */
  start(): void {
    const given = this.#caller.block.value(TIMEOUT_HEADER);
    if (given !== undefined) {
      const timeout = readTimeout(given);
      if (timeout === undefined) return this.#refuseTimeout(given);
      this.#deadlineMs = this.#exchange.startMs + timeout;
    }
    this.#context.deadlines.watch(this);
    this.#caller.listen(this);
    // The path only decides whether an HTTP response is retried.
    this.#attempt.start(this.#exchange, '');
  }

  /** Refuses a call whose deadline cannot be read, since the client relies on it. */
  #refuseTimeout(given: string): void {
    const shown = JSON.stringify(given.slice(0, MAX_TIMEOUT_CHARS));
    const detail = `grpc-timeout is ${shown}, must be up to 8 digits and one of H M S m u n`;
    const status = grpcStatusOf('bad_request');
    this.#exchange.wrote(0);
    this.#exchange.fail('bad_request', detail, status);
    this.#caller.refuse('bad_request', detail, status, '');
  }

  // ── The connection to a replica ──────────────────────────────────────────────────────────────────────────────────

  get canResend(): boolean {
    return this.#request.canResend;
  }

  send(lease: Lease): void {
    this.#context.sessions.take(lease.replica, this);
  }

  queued(): void {
    // What the client sends meanwhile waits in the window of its stream, which is bounded.
  }

  retrying(): void {
    this.#session = this.#to = undefined;
    this.#request.pause();
  }

  unreachable(error: NodeJS.ErrnoException): void {
    if (this.#exchange.isOpen) this.#attempt.unreachable(connectionProblem(error), error);
  }

  /** There is a connection: sends the call. */
  connected(session: ReplicaSession): void {
    // The call may have ended while it waited for the connection.
    if (!this.#exchange.isOpen) return;
    const leftMs = this.#deadlineMs - performance.now();
    if (leftMs <= 0) return this.fail('deadline_exceeded');
    const { block } = this.#caller;
    const problem = session.tooLarge(block);
    if (problem !== '') return this.fail('headers_too_large', problem);
    const to = session.open(this);
    this.#session = session;
    this.#to = to;
    const writer = to.head();
    const timeout = leftMs === Infinity ? '' : formatTimeout(leftMs);
    this.#headers.write(writer, block, this.#exchange, session.scheme, timeout);
    writer.send(this.#request.isEmpty);
    this.#request.sendTo(to);
  }

  // ── From the client ──────────────────────────────────────────────────────────────────────────────────────────────

  onMessages(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (!this.#exchange.isOpen) return;
    this.#request.receive(bytes, from, to, isEnd);
    const { payloadBytes, largestBytes } = this.#request.counter;
    this.#exchange.requestBytes = payloadBytes;
    const { max_body } = this.#context.options;
    if (largestBytes > max_body)
      return this.fail(
        'too_large',
        `a message of ${largestBytes} bytes; the limit is ${max_body} (proxy.max_body)`,
      );
    if (this.#attempt.isQueued) this.#attempt.buffer(to - from);
  }

  onMalformed(detail: string): void {
    this.fail('bad_request', detail);
  }

  onClientGone(detail: string): void {
    // A client cancels its call at its deadline: then the deadline is the cause.
    const isOverdue = performance.now() + TRANSIT_MS >= this.#deadlineMs;
    const failure = isOverdue ? 'deadline_exceeded' : 'client_gone';
    this.#attempt.fail(failure, detail, grpcStatusOf(failure));
  }

  // ── From the replica ─────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(to: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    if (to !== this.#to || !this.#exchange.isOpen) return;
    if (block.isTooLarge)
      return this.#failWith(tooLargeHead(this.#hasHead ? 'trailers' : 'initial metadata'));
    if (this.#hasHead) return this.#onTrailers(block);
    // An interim response (1xx) has no meaning in gRPC.
    if (block.status.charCodeAt(0) === 49) return;
    this.#hasHead = true;
    this.#request.forget();
    const http = Number(block.status);
    const status = block.value(STATUS_HEADER);
    const type = block.value('content-type');
    if (status === undefined && (http !== 200 || !isGrpc(type)))
      return this.#failWith(noGrpc(http, type, block.raw()));
    this.#exchange.responded(http);
    this.#attempt.lease!.reportProgress();
    if (isEnd && status === undefined) return this.#failWith(noStatus(block.raw()));
    if (isEnd) this.#exchange.bodyBegan();
    const problem = this.#caller.sendHead(block, isEnd);
    if (problem !== '') return this.fail('bad_response', problem);
    if (isEnd) this.#finish(status!);
  }

  onData(to: Http2Stream, bytes: Buffer, from: number, end: number, isEnd: boolean): void {
    if (to !== this.#to || !this.#exchange.isOpen) return;
    this.#exchange.bodyBegan();
    if (end > from) {
      this.#response.count(bytes, from, end);
      this.#exchange.responseBytes = this.#response.payloadBytes;
      this.#received += end - from;
      const problem = this.#caller.send(bytes, from, end);
      if (problem !== '') return this.#failWith(malformed(problem));
      this.#onProgress();
    }
    if (isEnd) this.#failWith(endedWithoutStatus(undefined));
  }

  #onTrailers(block: HeaderBlock): void {
    if (block.value(STATUS_HEADER) === undefined) return this.#failWith(endedWithoutStatus(block.raw()));
    this.#trailers = block;
    if (this.#caller.waiting === 0) this.#sendTrailers(block);
  }

  onSent(to: Http2Stream): void {
    if (to === this.#to && this.#exchange.isOpen) this.#request.onSent();
  }

  onResponseSent(): void {
    if (!this.#exchange.isOpen) return;
    this.#onProgress();
    if (this.#trailers !== undefined && this.#caller.waiting === 0) this.#sendTrailers(this.#trailers);
  }

  onReset(to: Http2Stream, code: number, isLost: boolean): void {
    // With the trailers the response is complete, and only waits for the client.
    if (to !== this.#to || !this.#exchange.isOpen || this.#trailers !== undefined) return;
    const lease = this.#attempt.lease!;
    if (code === ERROR_CODE.refusedStream && this.canResend) {
      if (this.#attempt.retriesUnread()) this.#attempt.retry();
      else this.#failWith(resetBy(code));
      return;
    }
    if (isLost) {
      lease.reportBroken();
      return this.#failWith(lostWith(this.#session!.error));
    }
    if (to.problem !== '') {
      lease.reportBroken();
      return this.#failWith(malformed(to.problem));
    }
    if (code === ERROR_CODE.noError) return this.#failWith(endedWithoutStatus(undefined));
    if (code !== ERROR_CODE.cancel) lease.reportBroken();
    this.#failWith(resetBy(code));
  }

  /** Bytes have left for the client: the replica may send as many more. */
  #onProgress(): void {
    const { waiting } = this.#caller;
    const left = this.#received - waiting;
    if (left > this.#consumed) {
      this.#to!.consumed(left - this.#consumed);
      this.#consumed = left;
    }
    this.#setStalled(waiting > 0);
  }

  /** While the client does not read, the response takes a part of what the replica may send on the connection. */
  #setStalled(isStalled: boolean): void {
    if (this.#isClientStalled === isStalled) return;
    this.#isClientStalled = isStalled;
    this.#session!.unread += isStalled ? 1 : -1;
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #sendTrailers(block: HeaderBlock): void {
    const problem = this.#caller.sendTrailers(block);
    if (problem !== '') return this.fail('bad_response', problem);
    this.#finish(block.value(STATUS_HEADER)!);
  }

  /** The client got the replica's status. */
  #finish(status: string): void {
    this.#attempt.lease?.reportCompleted();
    this.#exchange.bodyBegan();
    this.#attempt.finish(readStatus(status));
  }

  /** Ends it from outside: the time for draining is over, or the body of a gRPC-Web call turned out to be malformed. */
  abort(failure: Failure, detail = ''): void {
    this.fail(failure, detail);
  }

  expire(nowMs: number): void {
    if (nowMs >= this.#deadlineMs) return this.fail('deadline_exceeded');
    this.#attempt.expire(nowMs, this);
  }

  get isUploaded(): boolean {
    // Without a stream to a replica, what the client sends waits.
    return this.#request.hasEnded || this.#to === undefined;
  }

  get waitsForReplica(): boolean {
    return this.#request.waitsForReplica;
  }

  get waitsForClient(): boolean {
    return this.#caller.waiting > 0;
  }

  /** A call is a stream once a second message has passed in either direction. */
  get isStream(): boolean {
    return this.#request.counter.messages > 1 || this.#response.messages > 1;
  }

  fail(failure: Failure, detail = ''): void {
    this.#failWith({ failure, detail, status: grpcStatusOf(failure), text: '' });
  }

  #failWith({ failure, detail, status, text }: CallFailure): void {
    if (!this.#exchange.isOpen) return;
    this.#attempt.leaveQueue();
    // A response that is only a status has no body.
    if (!this.#caller.hasBegun) this.#exchange.wrote(0);
    this.#attempt.fail(failure, detail, status);
    this.#caller.refuse(failure, text === '' ? publicDetail(failure, detail) : '', status, text);
  }

  closed(): void {
    this.#context.deadlines.unwatch(this);
    this.#request.forget();
    this.#setStalled(false);
    if (this.#to !== undefined) this.#session!.end(this.#to);
  }
}
