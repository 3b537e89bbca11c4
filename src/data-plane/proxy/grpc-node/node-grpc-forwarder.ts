// One gRPC call of any kind on node:http2: two streams, and how it ended. Hot path.
// Invariant: messages pass unchanged; however the call ends, its client gets one grpc-status with the id, or a reset if
// it does not read; the replica is released, the stream to the replica is over, and the exchange is closed once.
//
//   Attempt.start ─► connection ─► stream ─► initial metadata ─► messages ─► trailers ─► finish (status: grpc-status)
//                      any failure ─► fail: trailers with weir's own status
import type { ClientHttp2Stream, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Expiring } from '../../../core/deadlines.ts';
import { describe, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import {
  isGrpc,
  STATUS_HEADER,
  TIMEOUT_HEADER,
  metadataToReplica,
  metadataValue,
  type ForwardedCall,
} from '../../../protocol/grpc/metadata.ts';
import { grpcStatusOf } from '../../../protocol/grpc/refusal.ts';
import { readStatus } from '../../../protocol/grpc/status.ts';
import { formatTimeout, readTimeout } from '../../../protocol/grpc/timeout.ts';
import { publicDetail } from '../../../protocol/http/error-response.ts';
import { ERROR_CODE } from '../../../protocol/http2/error-code.ts';
import { FLAG } from '../../../protocol/http2/frame-types.ts';
import type { Lease } from '../../replicas/pool.ts';
import { connectionProblem } from '../connection-error.ts';
import type { Progress } from '../timeout-tracker.ts';
import { Attempt, type AttemptListener } from '../attempt.ts';
import type { ActiveRequest, ForwarderContext } from '../forwarder.ts';
import { NodeGrpcResponseStream } from './node-grpc-response.ts';
import {
  endedWithoutStatus,
  lostBy,
  noGrpc,
  noStatus,
  resetBy,
  type CallFailure,
} from '../grpc/grpc-failure.ts';
import { NodeGrpcRequestStream, type NodeHeldPieces } from './node-grpc-request.ts';
import type { NodeReplicaSession, NodeReplicaSessions, NodeSessionUser } from './node-replica-sessions.ts';

/**
 * Longest time that a call is on its way from the client: the client's deadline passes this much before weir's at most.
 */
const TRANSIT_MS = 25;

export interface NodeGrpcContext extends ForwarderContext {
  readonly nodeSessions: NodeReplicaSessions;
  readonly heldPieces: NodeHeldPieces;
}

/** A call as the server received it. */
export interface NodeIncomingCall {
  readonly stream: ServerHttp2Stream;
  /** Its headers as a raw list. */
  readonly raw: readonly string[];
  /** The call ended with its head. */
  readonly isEmpty: boolean;
}

export class NodeGrpcForwarder
  implements Expiring, ActiveRequest, AttemptListener, NodeSessionUser, Progress
{
  watchSlot = -1;
  readonly #context: NodeGrpcContext;
  readonly #exchange: Exchange;
  readonly #call: NodeIncomingCall;
  readonly #client: ServerHttp2Stream;
  readonly #hop: ForwardedCall;
  readonly #upload: NodeGrpcRequestStream;
  readonly #response: NodeGrpcResponseStream;
  /** performance.now() of the client's deadline. */
  readonly #deadlineMs: number;
  readonly #attempt: Attempt;
  #session: NodeReplicaSession | undefined;
  #to: ClientHttp2Stream | undefined;
  /** The client does not read, so the stream to the replica is paused. */
  #isClientStalled = false;
  /** The error of the stream to the replica. */
  #streamError: NodeJS.ErrnoException | undefined;
  /** The replica has ended its side of the stream. */
  #hasReplicaEnded = false;
  /** Trailers that the replica has sent. */
  #trailers: readonly string[] | undefined;

  constructor(context: NodeGrpcContext, exchange: Exchange, call: NodeIncomingCall, hop: ForwardedCall) {
    this.#context = context;
    this.#attempt = new Attempt(context, this);
    this.#exchange = exchange;
    this.#call = call;
    this.#client = call.stream;
    this.#hop = hop;
    const { max_body, retry } = context.options;
    const limits = { max_body, keptBytes: retry.max_body, held: context.heldPieces };
    this.#upload = new NodeGrpcRequestStream(call.stream, exchange, limits, call.isEmpty, this.#onTooLarge);
    this.#response = new NodeGrpcResponseStream(call.stream, exchange);
    const timeout = readTimeout(metadataValue(call.raw, TIMEOUT_HEADER) ?? '');
    this.#deadlineMs = timeout === undefined ? Infinity : exchange.startMs + timeout;
  }

  /** Sends the call to a replica, or tells the client why not. */
  start(): void {
    this.#context.deadlines.watch(this);
    this.#client.on('aborted', this.#onClientGone);
    this.#client.on('close', this.#onClientGone);
    this.#client.on('error', this.#onClientGone);
    this.#client.on('wantTrailers', () => this.#sendTrailers());
    this.#client.on('drain', () => {
      this.#setStalled(false);
      this.#to?.resume();
    });
    // The path only decides whether an HTTP response is retried.
    this.#attempt.start(this.#exchange, '');
  }

  // ── The connection to a replica ──────────────────────────────────────────────────────────────────────────────────

  get canResend(): boolean {
    return this.#upload.canResend;
  }

  send(lease: Lease): void {
    this.#context.nodeSessions.take(lease.replica, this);
  }

  queued(): void {
    // What the client sends meanwhile waits in the window of its stream, which is bounded.
  }

  retrying(): void {
    this.#session = this.#to = undefined;
    this.#upload.pause();
  }

  unreachable(error: NodeJS.ErrnoException): void {
    if (this.#exchange.isOpen) this.#attempt.unreachable(connectionProblem(error), error);
  }

  /** There is a connection: sends the call. */
  connected(session: NodeReplicaSession): void {
    // The call may have ended while it waited for the connection.
    if (!this.#exchange.isOpen) return;
    const leftMs = this.#deadlineMs - performance.now();
    if (leftMs <= 0) return this.fail('deadline_exceeded');
    const timeout = leftMs === Infinity ? '' : formatTimeout(leftMs);
    let to: ClientHttp2Stream;
    try {
      to = session.request(
        metadataToReplica(this.#call.raw, this.#hop, session.scheme, timeout, this.#context.removed),
        this.#call.isEmpty,
      );
    } catch (error) {
      return this.fail('bad_request', describe(error));
    }
    this.#session = session;
    this.#to = to;
    to.on('response', (headers: IncomingHttpHeaders, flags: number, raw: string[]) =>
      this.#onResponse(headers, flags, raw),
    );
    to.on('data', (chunk: Buffer) => this.#onMessageBytes(chunk));
    to.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      this.#trailers = raw;
      this.#hasReplicaEnded = true;
    });
    to.on('end', () => {
      if (to === this.#to) this.#onEnd(to);
    });
    // The failure is known when the stream is closed: from its error code, or since the connection is lost.
    to.on('error', (error: NodeJS.ErrnoException) => {
      this.#streamError = error;
      this.#exchange.detail ||= describe(error);
    });
    to.on('close', () => {
      if (to === this.#to) this.#onClosed(to);
    });
    this.#upload.sendTo(to);
  }

  // ── From the client ──────────────────────────────────────────────────────────────────────────────────────────────

  readonly #onTooLarge = (bytes: number): void =>
    this.fail(
      'too_large',
      `a message of ${bytes} bytes; the limit is ${this.#context.options.max_body} (proxy.max_body)`,
    );

  readonly #onClientGone = (): void => {
    // A client cancels its call at its deadline: then the deadline is the cause.
    const isOverdue = performance.now() + TRANSIT_MS >= this.#deadlineMs;
    const failure = isOverdue ? 'deadline_exceeded' : 'client_gone';
    this.#attempt.fail(failure, '', grpcStatusOf(failure));
  };

  // ── From the replica ─────────────────────────────────────────────────────────────────────────────────────────────

  #onResponse(headers: IncomingHttpHeaders, flags: number, raw: string[]): void {
    if (!this.#exchange.isOpen) return;
    const http = Number(headers[':status']);
    const status = headers[STATUS_HEADER] as string | undefined;
    const isTrailersOnly = (flags & FLAG.endStream) !== 0;
    this.#upload.forget();
    const type = headers['content-type'];
    if (status === undefined && (http !== 200 || !isGrpc(type)))
      return this.#failWith(noGrpc(http, type, raw));
    this.#exchange.responded(http);
    this.#attempt.lease!.reportProgress();
    if (isTrailersOnly && status === undefined) return this.#failWith(noStatus(raw));
    if (isTrailersOnly) this.#exchange.bodyBegan();
    this.#hasReplicaEnded = isTrailersOnly;
    const problem = isTrailersOnly ? this.#response.trailersOnly(raw) : this.#response.begin(raw);
    if (problem !== '') return this.fail('bad_response', problem);
    if (isTrailersOnly) this.#finish(status!);
  }

  #onMessageBytes(chunk: Buffer): void {
    if (!this.#exchange.isOpen) return;
    this.#exchange.bodyBegan();
    if (this.#response.write(chunk)) return;
    this.#to!.pause();
    this.#setStalled(true);
  }

  /** While the client does not read, the response takes a part of what the replica may send on the connection. */
  #setStalled(isStalled: boolean): void {
    if (this.#isClientStalled === isStalled) return;
    this.#isClientStalled = isStalled;
    this.#session!.unread += isStalled ? 1 : -1;
  }

  /** All messages were written to the client's stream, which asks for the trailers once they are sent. */
  #endResponse(): void {
    if (!this.#exchange.isOpen || this.#trailers === undefined || this.#response.isEnding) return;
    if (metadataValue(this.#trailers, STATUS_HEADER) !== undefined) this.#response.end(this.#trailers);
  }

  /** The replica has ended its side. If the whole stream has ended, `#onClosed` finds the reason. */
  #onEnd(to: ClientHttp2Stream): void {
    this.#endResponse();
    if (!to.closed && !this.#response.isEnding) this.#failWith(endedWithoutStatus(this.#trailers));
  }

  /** The stream to the replica is over, and nothing more comes from it. */
  #onClosed({ rstCode, readableLength }: ClientHttp2Stream): void {
    if (!this.#exchange.isOpen) return;
    // A stream that breaks loses what was not read of it yet, and then trailers cannot complete the response.
    if (readableLength === 0) this.#endResponse();
    if (this.#response.isEnding) return;
    if (rstCode === ERROR_CODE.refusedStream && this.canResend) {
      if (this.#attempt.retriesUnread()) this.#attempt.retry();
      else this.#failWith(resetBy(rstCode));
      return;
    }
    if (this.#session!.isLost) {
      this.#attempt.lease!.reportBroken();
      return this.#failWith(lostBy(this.#streamError, this.#exchange.detail));
    }
    if (rstCode === ERROR_CODE.noError) return this.#failWith(endedWithoutStatus(this.#trailers));
    if (rstCode !== ERROR_CODE.cancel) this.#attempt.lease!.reportBroken();
    this.#failWith(resetBy(rstCode));
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #sendTrailers(): void {
    let status: string | undefined;
    try {
      status = this.#response.sendTrailers();
    } catch (error) {
      return this.#attempt.fail('bad_response', describe(error), grpcStatusOf('bad_response'));
    }
    if (status === undefined) return;
    if (this.#exchange.isOpen) this.#finish(status);
    else this.#upload.stop();
  }

  /** The client got the replica's status. */
  #finish(status: string): void {
    this.#attempt.lease?.reportCompleted();
    this.#exchange.bodyBegan();
    this.#attempt.finish(readStatus(status));
    this.#upload.stop();
  }

  /** Ends it from outside: the time for draining is over. */
  abort(failure: Failure): void {
    this.fail(failure);
  }

  expire(nowMs: number): void {
    if (nowMs >= this.#deadlineMs) return this.fail('deadline_exceeded');
    if (this.#upload.hasTooManyPieces())
      return this.fail('bad_request', 'too many unread pieces of a few bytes each');
    this.#attempt.expire(nowMs, this);
  }

  get isUploaded(): boolean {
    // Without a stream to a replica the client is not read.
    return this.#upload.hasEnded || this.#to === undefined;
  }

  get waitsForReplica(): boolean {
    return this.#to?.writableNeedDrain === true;
  }

  get waitsForClient(): boolean {
    return this.#client.writableLength > 0;
  }

  fail(failure: Failure, detail = ''): void {
    this.#failWith({ failure, detail, status: grpcStatusOf(failure), text: '' });
  }

  #failWith({ failure, detail, status, text }: CallFailure): void {
    if (!this.#exchange.isOpen) return;
    this.#attempt.leaveQueue();
    // A response that is only a status has no body.
    if (!this.#response.hasBegun) this.#exchange.wrote(0);
    this.#attempt.fail(failure, detail, status);
    const publicText = text === '' ? publicDetail(failure, detail) : '';
    if (this.#response.refuse(failure, publicText, status, text)) this.#upload.stop();
  }

  closed(): void {
    this.#context.deadlines.unwatch(this);
    this.#upload.end();
    this.#setStalled(false);
    if (this.#to !== undefined) this.#session!.end(this.#to, this.#hasReplicaEnded);
  }
}
