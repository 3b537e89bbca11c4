// One run of a task of the queue: a request that weir makes itself, without a client that waits.
// Must stay true: the place at the replica is given back once, whatever comes of it; the answer is read to its end, and
// no more of it is kept than was asked for.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { steadyNow } from '../../../core/clock.ts';
import type { Watched } from '../../../core/deadlines.ts';
import { catalogue, describe, type Failure } from '../../../core/errors.ts';
import type { Exchange, Exchanges } from '../../../core/exchange/exchange.ts';
import { ID_HEADER_LOWER, REQUEST_ID_HEADER, TRACE_HEADER } from '../../../core/exchange/identity.ts';
import { endsWithHead } from '../../../protocol/http/body-framing.ts';
import { request as httpRequest } from '../../../protocol/http/node-http.ts';
import type { Lease } from '../../replicas/pool.ts';
import {
  reportConnectFailure,
  endsWithConnection,
  failureOf,
  isRefusal,
  connectionProblem,
} from '../connection-error.ts';
import type { HttpContext, ActiveRequest } from '../http/http-forwarder.ts';
import { readAnswer, type ResponseHeadEvents } from '../http/replica-socket.ts';

/** What is sent. */
export interface QueuedRequest {
  readonly id: string;
  readonly body: Uint8Array;
  /** Milliseconds since 1970 when it was submitted; 0 where it has run before. */
  readonly queuedSinceMs: number;
  /** The `traceparent` of its submit; empty: none is known. */
  readonly traceparent: string;
  /** Who submitted it does not want its bodies kept. */
  readonly isPrivate: boolean;
  /** How long it may take in all, milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of the answer's body that are wanted; a larger one is a failure. 0: none, and any size is well. */
  readonly maxAnswerBytes: number;
}

/** What came of it: a status and a body, or why there is none. */
export interface QueuedResponse {
  readonly status: number;
  readonly failure: Failure | undefined;
  /** Path that it was sent to. */
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Interim answers are dropped, since there is no client. A failed write needs no action, since a request is one write. */
const EVENTS: ResponseHeadEvents = {
  mayUpgrade: false,
  interim: () => undefined,
  writeFailed: () => undefined,
};

export class QueuedForwarder implements Watched, ActiveRequest {
  watchSlot = -1;
  readonly #lane: HttpContext;
  readonly #exchanges: Exchanges;
  readonly #deployment: number;
  readonly #lease: Lease;
  #exchange: Exchange | undefined;
  #request: QueuedRequest | undefined;
  #toReplica: ClientRequest | undefined;
  #answered: ((answer: QueuedResponse) => void) | undefined;
  #chunks: Buffer[] = [];
  #sentMs = 0;
  #isConnected = false;

  constructor(lane: HttpContext, exchanges: Exchanges, deployment: number, lease: Lease) {
    this.#lane = lane;
    this.#exchanges = exchanges;
    this.#deployment = deployment;
    this.#lease = lease;
  }

  /** The place is not needed. */
  leave(): void {
    this.#lease.release();
  }

  /** Sends the request to the deployment's predict path; resolves when the answer is whole, or there will be none. */
  send(request: QueuedRequest): Promise<QueuedResponse> {
    const exchange = this.#exchanges.openAs(request.id);
    this.#exchange = exchange;
    this.#request = request;
    const { predict_path } = this.#lane.pool.deployments[this.#deployment]!.options;
    exchange.isAsync = true;
    exchange.method = 'POST';
    exchange.target = predict_path;
    exchange.requestBytes = request.body.length;
    exchange.replica = this.#lease.replica.id;
    exchange.leasedMs = performance.now();
    if (request.queuedSinceMs !== 0) exchange.queuedMs = Math.max(0, steadyNow() - request.queuedSinceMs);
    if (!request.isPrivate) exchange.capture();
    exchange.tap?.request.describe('application/json', '');
    exchange.tap?.request.push(request.body);
    exchange.route(this.#deployment);
    this.#lane.open.add(this);
    this.#lane.deadlines.watch(this);
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#begin(predict_path);
    });
  }

  abort(failure: Failure): void {
    this.#fail(failure, '');
  }

  sweep(nowMs: number): void {
    const { connect_timeout } = this.#lane.options;
    const { timeoutMs } = this.#request!;
    if (nowMs - this.#exchange!.startMs > timeoutMs) this.#fail('total_timeout', `${timeoutMs} ms in all`);
    else if (!this.#isConnected && nowMs - this.#sentMs > connect_timeout) {
      reportConnectFailure(this.#lease, undefined);
      this.#fail('connect_failed', `no connection within ${connect_timeout} ms`);
    } else if (this.#exchange!.headMs !== 0) this.#lease.heard();
  }

  #begin(path: string): void {
    const { id, body, traceparent } = this.#request!;
    const { url, tls } = this.#lease.replica;
    const sent = this.#exchange!.trace(traceparent === '' ? undefined : traceparent);
    this.#exchange!.attempts++;
    this.#sentMs = performance.now();
    const to = (tls === undefined ? httpRequest : httpsRequest)({
      host: url.host,
      port: url.port,
      path,
      method: 'POST',
      agent: this.#lane.agentFor(url.protocol),
      headers: {
        host: url.authority,
        'content-type': 'application/json',
        'content-length': body.length,
        // The body goes on as JSON, or is kept: packed it would be of no use.
        'accept-encoding': 'identity',
        [ID_HEADER_LOWER]: id,
        [REQUEST_ID_HEADER]: id,
        ...(sent !== '' && { [TRACE_HEADER]: sent }),
      },
      ...tls,
    });
    this.#toReplica = to;
    readAnswer(to, EVENTS);
    to.on('socket', (socket) => {
      if (!socket.connecting) this.#isConnected = true;
      else
        socket.once('connect', () => {
          this.#isConnected = true;
          this.#exchange!.connectedMs = performance.now();
        });
    });
    to.on('response', (answer) => this.#onAnswer(answer));
    to.on('error', (error) => {
      if (to === this.#toReplica) this.#onError(error, path);
    });
    to.end(body);
  }

  #onAnswer(answer: IncomingMessage): void {
    const exchange = this.#exchange!;
    const { maxAnswerBytes } = this.#request!;
    exchange.headMs = performance.now();
    if (endsWithHead('POST', answer.statusCode!, answer.headers['content-length']))
      exchange.firstByteMs = exchange.headMs;
    this.#lease.heard();
    const coding = answer.headers['content-encoding'] ?? 'identity';
    if (coding !== 'identity' && maxAnswerBytes > 0) {
      this.#fail('bad_response', `the answer is packed (${coding}), which was not asked for`);
      return;
    }
    answer.on('data', (chunk: Buffer) => {
      exchange.bodyBegan();
      exchange.responseBytes += chunk.length;
      if (maxAnswerBytes === 0) return;
      if (exchange.responseBytes > maxAnswerBytes)
        this.#fail('too_large', `the answer is larger than ${maxAnswerBytes} bytes`);
      else this.#chunks.push(chunk);
    });
    const { tap } = exchange;
    if (tap) {
      tap.answers(answer.headers['content-type'], coding);
      answer.on('data', tap.response.push);
    }
    answer.on('close', () => {
      if (answer.complete) exchange.bodyBegan();
      if (answer.complete) this.#settle('ok', answer.statusCode!, '', answer.headers['content-type'] ?? '');
      else this.#broke(answer, 'the answer was broken off');
    });
    answer.on('error', (error) => this.#broke(answer, describe(error)));
  }

  #onError(error: NodeJS.ErrnoException, path: string): void {
    if (!this.#exchange!.isOpen || this.#exchange!.headMs !== 0) return;
    const failure = failureOf(error);
    // A kept connection that the replica had closed: as for everybody, once more on a fresh one.
    if (failure === 'reset_midway' && this.#toReplica!.reusedSocket && this.#exchange!.attempts === 1) {
      this.#isConnected = false;
      this.#begin(path);
      return;
    }
    if (failure === 'connect_failed') reportConnectFailure(this.#lease, error);
    else if (failure === 'reset_midway') this.#lease.broke();
    this.#fail(failure, connectionProblem(error));
  }

  #broke({ statusCode, headers }: IncomingMessage, detail: string): void {
    if (!this.#exchange!.isOpen) return;
    if (!isRefusal(statusCode!, endsWithConnection(headers))) this.#lease.broke();
    this.#fail('reset_midway', detail);
  }

  #fail(failure: Failure, detail: string): void {
    this.#settle(failure, catalogue[failure].http, detail, '');
  }

  #settle(cause: 'ok' | Failure, status: number, detail: string, contentType: string): void {
    if (!this.#exchange!.close(cause, status, detail)) return;
    this.#lane.open.delete(this);
    this.#lane.deadlines.unwatch(this);
    if (cause === 'ok') this.#lease.completed();
    // A replica that answered early may not have read the whole request, so its connection is not used again.
    if (cause !== 'ok' || this.#toReplica?.writableFinished === false) this.#toReplica?.destroy();
    this.#answered!({
      status,
      failure: cause === 'ok' ? undefined : cause,
      path: this.#exchange!.target,
      contentType,
      body: cause === 'ok' ? Buffer.concat(this.#chunks) : Buffer.alloc(0),
    });
    this.#chunks = [];
    this.#lease.release();
  }
}
