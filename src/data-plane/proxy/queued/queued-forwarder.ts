// Sends one task of the queue: a request that weir makes itself, without a client that waits.
// Invariant: the replica is released once, however the request ends; the response is read to its end, and no more of it
// is kept than was asked for.
// Not protocol/http/one-shot.ts, since the exchange is measured and captured while the response comes in, and the sweep of
// all deadlines limits it.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { steadyNow } from '../../../core/clock.ts';
import type { Expiring } from '../../../core/deadlines.ts';
import { describe, type Cause, type Failure } from '../../../core/errors.ts';
import type { Exchange, Exchanges } from '../../../core/exchange/exchange.ts';
import { ID_HEADER_LOWER, REQUEST_ID_HEADER_LOWER, TRACE_HEADER } from '../../../core/header-names.ts';
import { nodeHttps } from '../../../core/node-tls.ts';
import { hasNoBody } from '../../../protocol/http/body-framing.ts';
import { request as httpRequest } from '../../../protocol/http/node-http.ts';
import { LlmFollower } from '../../../protocol/llm/llm-follower.ts';
import type { Lease } from '../../replicas/pool.ts';
import { Attempt, type AttemptListener } from '../attempt.ts';
import { announcedLength, endsWithConnection, isRefusal } from '../connection-error.ts';
import type { ActiveRequest } from '../forwarder.ts';
import type { HttpContext } from '../http/http-forwarder.ts';
import { mayBeStale, onConnected, readResponse, type ResponseHeadEvents } from '../http/replica-socket.ts';

export interface QueuedRequest {
  readonly id: string;
  readonly body: Uint8Array;
  /** Milliseconds since 1970 when it was submitted; 0 if this is not its first run. */
  readonly queuedSinceMs: number;
  /** The `traceparent` of its submit; empty if there was none. */
  readonly traceparent: string;
  /** The client asked not to keep its bodies. */
  readonly isPrivate: boolean;
  /** Name of the key with which it was submitted; empty: none. */
  readonly client: string;
  /** How long it may take in all, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest response body in bytes; a larger one is a failure. 0: the body is dropped, whatever its size. */
  readonly maxResponseBytes: number;
}

/** The outcome: a status and a body, or why there is none. */
export interface QueuedResponse {
  readonly status: number;
  readonly failure: Failure | undefined;
  /** Path that it was sent to. */
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/**
 * Interim responses are dropped, since there is no client. A failed write needs no action, since a request is one
 * write.
 */
const EVENTS: ResponseHeadEvents = {
  mayUpgrade: false,
  interim: () => undefined,
  writeFailed: () => undefined,
};

export class QueuedForwarder implements Expiring, ActiveRequest, AttemptListener {
  watchSlot = -1;
  /** The whole body is at hand. */
  readonly canResend = true;
  readonly #context: HttpContext;
  readonly #exchanges: Exchanges;
  readonly #deployment: number;
  readonly #lease: Lease;
  readonly #attempt: Attempt;
  #exchange: Exchange | undefined;
  #request: QueuedRequest | undefined;
  /** undefined: the bodies are not followed. */
  #follower: LlmFollower | undefined;
  #toReplica: ClientRequest | undefined;
  #resolve: ((response: QueuedResponse) => void) | undefined;
  #chunks: Buffer[] = [];
  #contentType = '';
  #isConnected = false;

  /** `lease`: reserved before it is known whether there is a task. */
  constructor(context: HttpContext, exchanges: Exchanges, deployment: number, lease: Lease) {
    this.#context = context;
    this.#exchanges = exchanges;
    this.#deployment = deployment;
    this.#lease = lease;
    this.#attempt = new Attempt(context, this);
  }

  /** There is no task: releases the replica. */
  release(): void {
    this.#lease.release();
  }

  /** Sends the task to the deployment's predict path. Resolves when the response is whole, or with the failure. */
  run(request: QueuedRequest): Promise<QueuedResponse> {
    const exchange = this.#exchanges.openAs(request.id);
    this.#exchange = exchange;
    this.#request = request;
    const { predict_path } = this.#context.pool.deployments[this.#deployment]!.options;
    exchange.isAsync = true;
    exchange.key = request.client;
    exchange.method = 'POST';
    exchange.target = predict_path;
    exchange.accepted('queue');
    exchange.requestBytes = request.body.length;
    if (request.queuedSinceMs !== 0) exchange.queuedMs = Math.max(0, steadyNow() - request.queuedSinceMs);
    if (!request.isPrivate) exchange.captureBodies();
    const { buffer, byteOffset, length } = request.body;
    const body = Buffer.from(buffer, byteOffset, length);
    exchange.bodyCapture?.request.describe('application/json', '', length);
    exchange.bodyCapture?.request.push(body);
    if (exchange.wantsLlm) {
      exchange.llmSource = this.#follower = new LlmFollower();
      this.#follower.requestBegins('application/json', '', length)?.push(body, 0, length);
    }
    exchange.route(this.#deployment);
    exchange.trace(request.traceparent === '' ? undefined : request.traceparent);
    this.#context.deadlines.watch(this);
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#attempt.startAt(this.#lease, exchange, predict_path);
    });
  }

  abort(failure: Failure): void {
    this.fail(failure, '');
  }

  expire(nowMs: number): void {
    const { timeoutMs } = this.#request!;
    if (nowMs - this.#exchange!.startMs > timeoutMs)
      this.fail('total_timeout', `not complete after ${timeoutMs} ms (async.run_timeout)`);
    else if (!this.#isConnected && this.#attempt.isConnectOverdue(nowMs)) this.#attempt.connectTimedOut();
    else if (this.#exchange!.headMs !== 0) this.#lease.reportProgress();
  }

  // ── The request ──────────────────────────────────────────────────────────────────────────────────────────────────

  send({ replica }: Lease): void {
    const { url, tls } = replica;
    const { id, body } = this.#request!;
    const exchange = this.#exchange!;
    this.#isConnected = false;
    const to = (url.protocol === 'https:' ? nodeHttps().request : httpRequest)({
      host: url.host,
      port: url.port,
      ...(url.path !== undefined && { socketPath: url.path }),
      path: exchange.target,
      method: 'POST',
      agent: this.#context.agents.of(replica),
      headers: {
        host: url.authority,
        'content-type': 'application/json',
        'content-length': body.length,
        // The body goes on as JSON, or is stored; a compressed one would be of no use.
        'accept-encoding': 'identity',
        [ID_HEADER_LOWER]: id,
        [REQUEST_ID_HEADER_LOWER]: id,
        ...(exchange.traceparent !== '' && { [TRACE_HEADER]: exchange.traceparent }),
      },
      ...tls,
    });
    this.#toReplica = to;
    readResponse(to, EVENTS);
    onConnected(to, (isNew) => {
      this.#isConnected = true;
      if (isNew) exchange.connectedMs = performance.now();
    });
    to.on('response', (response) => this.#onResponse(response));
    to.on('error', (error) => {
      if (to !== this.#toReplica || !exchange.isOpen || exchange.headMs !== 0) return;
      this.#attempt.connectionFailed(error, mayBeStale(to));
    });
    to.end(body);
  }

  queued(): void {
    // A replica is reserved from the start.
  }

  retrying(): void {
    // The queue makes the retries.
  }

  // ── The response ─────────────────────────────────────────────────────────────────────────────────────────────────

  #onResponse(response: IncomingMessage): void {
    const exchange = this.#exchange!;
    const { maxResponseBytes } = this.#request!;
    exchange.responded(response.statusCode!);
    if (hasNoBody('POST', response.statusCode!, response.headers['content-length']))
      exchange.firstByteMs = exchange.headMs;
    this.#lease.reportProgress();
    const coding = response.headers['content-encoding'] ?? 'identity';
    if (coding !== 'identity' && maxResponseBytes > 0) {
      this.fail(
        'bad_response',
        `the response has Content-Encoding ${coding}, the request had Accept-Encoding identity`,
      );
      return;
    }
    this.#contentType = response.headers['content-type'] ?? '';
    const { bodyCapture } = exchange;
    const length = announcedLength(response.headers);
    const type = response.headers['content-type'];
    bodyCapture?.responseBegins(type, coding, length);
    const followed = this.#follower?.responseBegins(type, coding, length, bodyCapture?.response);
    response.on('data', (chunk: Buffer) => {
      exchange.bodyBegan();
      exchange.responseBytes += chunk.length;
      if (maxResponseBytes > 0 && exchange.responseBytes > maxResponseBytes)
        return this.fail('too_large', `the response is larger than ${maxResponseBytes} bytes`);
      bodyCapture?.response.push(chunk);
      followed?.push(chunk, 0, chunk.length);
      if (maxResponseBytes > 0) this.#chunks.push(chunk);
    });
    response.on('close', () => {
      if (response.complete) {
        exchange.bodyBegan();
        if (exchange.isOpen) this.#lease.reportCompleted();
        this.#attempt.finish(response.statusCode!);
      } else this.#onResponseBroken(response, 'the connection was closed before the response was complete');
    });
    response.on('error', (error) => this.#onResponseBroken(response, describe(error)));
  }

  #onResponseBroken({ statusCode, headers }: IncomingMessage, detail: string): void {
    if (!this.#exchange!.isOpen) return;
    this.#attempt.connectionLost(detail, false, isRefusal(statusCode!, endsWithConnection(headers)));
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  fail(failure: Failure, detail: string): void {
    this.#attempt.fail(failure, detail);
  }

  closed(exchange: Exchange): void {
    this.#context.deadlines.unwatch(this);
    const cause: Cause = exchange.cause!;
    // A replica that responded early may not have read the whole request, so its connection is not used again.
    if (cause !== 'ok' || this.#toReplica?.writableFinished === false) this.#toReplica?.destroy();
    this.#resolve!({
      status: exchange.status,
      failure: cause === 'ok' ? undefined : cause,
      path: exchange.target,
      contentType: cause === 'ok' ? this.#contentType : '',
      body: cause === 'ok' ? Buffer.concat(this.#chunks) : Buffer.alloc(0),
    });
    this.#chunks = [];
  }
}
