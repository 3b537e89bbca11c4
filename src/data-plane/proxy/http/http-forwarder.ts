// The full lane: one HTTP request through Node's own server and http-proxy. Serves whatever is well formed.
// Invariant: however the request ends, the client gets exactly one response or a visible break, the replica is
// released, the request to the replica is over, and the exchange is closed once.
//
//   Attempt.start ─► send ─► response head ─► body ─► finish
//                      any failure ─► fail: an error response if none has begun, else a break
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Expiring } from '../../../core/deadlines.ts';
import { describe, WeirError, type Failure } from '../../../core/errors.ts';
import { ATTEMPTS_HEADER, TIMING_HEADER } from '../../../core/header-names.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { hasNoBody } from '../../../protocol/http/body-framing.ts';
import type { ResponseHead } from '../../../protocol/http/response-head-parser.ts';
import {
  allowedTrailers,
  headersToClient,
  type ForwardedRequest,
} from '../../../protocol/http/forwarded-headers.ts';
import { sendHead } from '../../../protocol/http/node-head.ts';
import { publicDetail, sendRefusal } from '../../../protocol/http/error-response.ts';
import { resetConnection } from '../../../protocol/http/reset.ts';
import { LlmFollower } from '../../../protocol/llm/llm-follower.ts';
import type { Lease } from '../../replicas/pool.ts';
import { Attempt, type AttemptListener } from '../attempt.ts';
import { announcedLength, endsWithConnection, failureOf, isRefusal } from '../connection-error.ts';
import type { ActiveRequest, ForwarderContext } from '../forwarder.ts';
import { LOAD_FORMAT_HEADER, LOAD_HEADER, reportOf } from '../load-report.ts';
import { interimText } from '../response-head.ts';
import { serverTiming } from '../server-timing.ts';
import type { Progress } from '../timeout-tracker.ts';
import type { HttpProxyAdapter, ReplicaRequest } from './http-proxy-adapter.ts';
import type { ReplicaAgents } from './replica-agents.ts';
import { mayBeStale, onConnected, readResponse, type ReplicaSocket } from './replica-socket.ts';
import { RequestBody } from './request-body.ts';

export interface HttpContext extends ForwarderContext {
  readonly adapter: HttpProxyAdapter;
  readonly agents: ReplicaAgents;
}

/** How long the rest of a response that is not passed on may take to come. */
const DISCARD_MS = 1000;

/**
 * Sends a response's head in this turn of the event loop, with whatever of the body comes in it: a stream's head must
 * not wait for its first event, and most responses fit into one piece. The socket is corked, not the response, whose
 * own cork would put chunks behind their end.
 */
function flushSoon({ socket }: ServerResponse, flush: () => void): void {
  socket?.cork();
  flush();
  setImmediate(() => socket?.uncork());
}

export class HttpForwarder implements Expiring, ActiveRequest, AttemptListener, Progress {
  watchSlot = -1;
  readonly #context: HttpContext;
  readonly #exchange: Exchange;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #request: ReplicaRequest;
  readonly #body: RequestBody;
  readonly #attempt: Attempt;
  /** undefined: the bodies are not followed. */
  readonly #follower: LlmFollower | undefined;
  /** The request to the replica of the current attempt, and the response that is passed on. */
  #toReplica: ClientRequest | undefined;
  #response: IncomingMessage | undefined;

  /** `path`: what the replica sees. */
  constructor(
    context: HttpContext,
    exchange: Exchange,
    req: IncomingMessage,
    res: ServerResponse,
    path: string,
    hop: ForwardedRequest,
  ) {
    this.#context = context;
    this.#exchange = exchange;
    this.#req = req;
    this.#res = res;
    const { removed } = context;
    this.#request = { path, hop, isChunked: req.headers['transfer-encoding'] !== undefined, removed };
    this.#attempt = new Attempt(context, this);
    const { max_body, retry } = context.options;
    if (exchange.wantsLlm) exchange.llmSource = this.#follower = new LlmFollower();
    this.#body = new RequestBody(
      req,
      exchange,
      { max_body, keptBytes: retry.max_body, removed },
      {
        tooLarge: () => this.fail('too_large', `the body has more than ${max_body} bytes (proxy.max_body)`),
        buffered: (bytes) => {
          if (this.#attempt.buffer(bytes)) this.#req.pause();
        },
      },
      this.#follower,
    );
  }

  /** Sends the request to a replica, or tells the client why not. */
  start(): void {
    this.#context.deadlines.watch(this);
    this.#res.on('close', this.#onClientGone);
    // A response that waits behind another one gets no event when its connection becomes a WebSocket, or ends.
    this.#req.socket.on('close', this.#onClientGone);
    this.#res.on('error', (error) => this.fail('client_gone', describe(error)));
    this.#attempt.start(this.#exchange, this.#request.path);
  }

  /** Ends it from outside: the time for draining is over, or the client's body turned out to be malformed. */
  abort(failure: Failure, detail = ''): void {
    this.fail(failure, detail);
  }

  expire(nowMs: number): void {
    this.#attempt.expire(nowMs, this);
  }

  get isUploaded(): boolean {
    return this.#req.complete;
  }

  get waitsForReplica(): boolean {
    return this.#body.waitsForReplica;
  }

  get waitsForClient(): boolean {
    // After `end` it waits for no one else, and `writableNeedDrain` is false.
    return this.#res.writableNeedDrain || this.#res.writableEnded;
  }

  // ── The request to the replica ───────────────────────────────────────────────────────────────────────────────────

  get canResend(): boolean {
    return this.#body.canResend;
  }

  queued(): void {
    this.#body.readAhead();
  }

  retrying(): void {
    this.#toReplica = undefined;
    this.#body.readAhead();
  }

  send({ replica }: Lease): void {
    const { adapter, agents } = this.#context;
    const { attempts } = this.#exchange;
    adapter.send(this.#req, this.#res, replica, agents.of(replica), this.#request, {
      created: (to) => this.#onCreated(to),
      failed: (error) => this.#onReplicaError(error, attempts),
    });
  }

  #onCreated(to: ClientRequest): void {
    this.#toReplica = to;
    readResponse(to, {
      mayUpgrade: false,
      interim: (head, replica) => this.#onInterim(head, replica),
      writeFailed: () => this.#body.refuse(to),
    });
    // The head must not wait for the first of the body: some replicas respond before they read.
    sendHead(to);
    onConnected(to, (isNew) => (this.#exchange.connectedMs = isNew ? performance.now() : 0));
    // In a later tick: by then Node has reported if the rest of the same bytes is malformed, and an error can still be
    // sent.
    to.on('response', (response) =>
      process.nextTick(() => {
        if (this.#exchange.isOpen && to === this.#toReplica) this.#onResponse(response);
      }),
    );
    this.#body.sendTo(to);
  }

  // ── The response to the client ───────────────────────────────────────────────────────────────────────────────────

  /**
   * Interim responses pass to the client, except 100, which answers an Expect that weir never forwards (RFC 9110 15.2).
   */
  #onInterim(head: ResponseHead, replica: ReplicaSocket): void {
    this.#attempt.hasResponseBytes = true;
    // HTTP/1.0 has no interim responses.
    if (head.status === 100 || this.#req.httpVersionMinor === 0) return;
    const client = this.#res.socket;
    if (client === null || this.#res.headersSent || !client.writable) return;
    this.#attempt.hasInterim = true;
    if (client.write(interimText(head), 'latin1') || replica.isPaused) return;
    replica.pause();
    client.once('drain', () => replica.resume());
  }

  #onResponse(response: IncomingMessage): void {
    const status = response.statusCode!;
    if (this.#attempt.retriesResponse(status)) {
      this.#discard(response);
      this.#attempt.retry();
      return;
    }
    const coding = response.headers['transfer-encoding'];
    // Trailers can follow only where the response to the client is chunked.
    const hasTrailers =
      coding !== undefined && this.#exchange.method !== 'HEAD' && this.#req.httpVersionMinor === 1;
    try {
      if (status < 200 || (coding !== undefined && coding.toLowerCase() !== 'chunked'))
        throw new WeirError('bad_response', `status ${status}, Transfer-Encoding ${coding ?? 'none'}`);
      this.#exchange.responded(status);
      this.#res.writeHead(status, response.statusMessage, this.#headersOf(response, hasTrailers));
      flushSoon(this.#res, () => sendHead(this.#res));
    } catch (error) {
      // Node reads more than it writes: a control character in the reason, for example.
      this.#exchange.headMs = 0;
      this.fail('bad_response', describe(error));
      return;
    }
    this.#response = response;
    this.#attempt.lease!.reportProgress();
    if (hasNoBody(this.#exchange.method, status, response.headers['content-length']))
      this.#exchange.firstByteMs = this.#exchange.headMs;
    this.#passBody(response, status, hasTrailers);
  }

  /** The replica's headers and weir's own, as a raw list. */
  #headersOf(response: IncomingMessage, hasTrailers: boolean): string[] {
    const { id, deployment, attempts } = this.#exchange;
    const headers = headersToClient(response.rawHeaders, response.headers.connection, id, hasTrailers);
    const format = this.#req.headers[LOAD_FORMAT_HEADER];
    if (format !== undefined && response.headers[LOAD_HEADER] === undefined) {
      const report = reportOf(String(format), this.#context.pool.deployments[deployment]!);
      if (report !== undefined) headers.push(LOAD_HEADER, report);
    }
    headers.push(ATTEMPTS_HEADER, String(attempts), TIMING_HEADER, serverTiming(this.#exchange));
    return headers;
  }

  #passBody(response: IncomingMessage, status: number, hasTrailers: boolean): void {
    const { bodyCapture } = this.#exchange;
    const { headers } = response;
    const type = headers['content-type'];
    const coding = headers['content-encoding'];
    bodyCapture?.responseBegins(type, coding, announcedLength(headers));
    const copy = bodyCapture?.response;
    const followed = this.#follower?.responseBegins(type, coding, announcedLength(headers), copy);
    response.on('data', (chunk: Buffer) => {
      this.#exchange.bodyBegan();
      this.#exchange.responseBytes += chunk.length;
      bodyCapture?.response.push(chunk);
      followed?.push(chunk, 0, chunk.length);
      if (!this.#res.write(chunk)) response.pause();
    });
    this.#res.on('drain', () => response.resume());
    response.on('end', () => {
      if (!response.complete) return;
      this.#exchange.bodyBegan();
      this.#attempt.lease?.reportCompleted();
      const trailers = hasTrailers ? allowedTrailers(response.rawTrailers) : [];
      if (trailers.length > 0) this.#res.addTrailers(trailers);
      // 'finish': the last byte is with the operating system.
      this.#res.end(() => this.#attempt.finish(status));
    });
    response.on('close', () => {
      if (!response.complete) this.#onResponseBroken('');
    });
  }

  /** Reads away a response that is not passed on. */
  #discard(response: IncomingMessage): void {
    const to = this.#toReplica!;
    response.on('error', () => to.destroy());
    // A short response is read to its end, and its connection kept. A long one, or half a request, is not worth waiting
    // for.
    if (to.writableFinished) {
      response.resume();
      setTimeout(() => {
        if (!response.complete) to.destroy();
      }, DISCARD_MS).unref();
    } else to.destroy();
  }

  /** `attempts`: those of the exchange when this one began. */
  #onReplicaError(error: NodeJS.ErrnoException, attempts: number): void {
    // Errors of an attempt that is over are of no interest.
    if (!this.#exchange.isOpen || attempts !== this.#exchange.attempts || this.#attempt.lease === undefined)
      return;
    if (this.#response === undefined) {
      this.#attempt.connectionFailed(error, this.#toReplica !== undefined && mayBeStale(this.#toReplica));
      return;
    }
    // Node takes the end of the connection for the end of a body without a length, also when it was a reset.
    if (this.#response.complete) return;
    if (failureOf(error) === 'bad_response') this.fail('bad_response', describe(error));
    else this.#onResponseBroken(describe(error));
  }

  /** The connection was lost before the response was complete. */
  #onResponseBroken(detail: string): void {
    if (!this.#exchange.isOpen) return;
    const { statusCode, headers } = this.#response!;
    this.#attempt.connectionLost(detail, false, isRefusal(statusCode!, endsWithConnection(headers)));
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly #onClientGone = (): void => {
    const { errored } = this.#req.socket;
    this.fail('client_gone', errored === null ? '' : describe(errored));
  };

  fail(failure: Failure, detail = ''): void {
    if (!this.#exchange.isOpen) return;
    this.#attempt.leaveQueue();
    if (failure !== 'client_gone') {
      if (this.#res.headersSent) this.#break();
      else {
        this.#body.stop();
        sendRefusal(this.#req, this.#res, failure, this.#exchange, {
          detail: publicDetail(failure, detail),
          timing: serverTiming(this.#exchange),
        });
      }
    }
    this.#attempt.fail(failure, detail);
  }

  /** Ends the connection visibly: to HTTP/1.0 a response that ends with its connection must not look complete. */
  #break(): void {
    if (this.#req.httpVersionMinor === 0) resetConnection(this.#req.socket);
    else this.#res.destroy();
  }

  closed({ cause }: Exchange): void {
    this.#context.deadlines.unwatch(this);
    this.#req.socket.off('close', this.#onClientGone);
    this.#body.stop();
    // A replica that responded early may still be reading the upload: it ends here, with its connection.
    if (cause !== 'ok' || this.#toReplica?.writableFinished === false) this.#toReplica?.destroy();
    // The rest of the upload is dropped, so that a client that sends everything before it reads can finish and read.
    if (!this.#req.complete) this.#req.resume();
  }
}
