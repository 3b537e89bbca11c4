// The full lane: one HTTP exchange through Node's own server and http-proxy. Takes whatever is well formed.
// Must stay true: however it ends, the client gets exactly one answer or a visible break, the lease is released, the
// replica's request is over, and the exchange is closed once.
//
//   seek ─► (in line) ─► send ─► response head ─► body ─► finish ─► ok
//     ▲ └─ refused         │ connection failed, or 502, 503, 504: once more, if it may be
//     └────────────────────┘                 any failure ─► fail: answer if none was begun, else cut; then settle
import type { Agent as HttpAgent, ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { ProxyServer } from 'http-proxy';
import type { Deadlines, Watched } from '../../../core/deadlines.ts';
import { catalogue, describe, WeirError, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { endsWithHead } from '../../../protocol/http/body-framing.ts';
import type { ResponseHead } from '../../../protocol/http/head-parser.ts';
import { passableTrailers, headersToClient, type Hop } from '../../../protocol/http/forwarded-headers.ts';
import { sendHead } from '../../../protocol/http/node-head.ts';
import { publicDetail, sendRefusal } from '../../../protocol/http/reply.ts';
import { breakOff } from '../../../protocol/http/reset.ts';
import type { Lease, Pool } from '../../replicas/pool.ts';
import { address } from './address.ts';
import { interimText } from '../response-head.ts';
import { endsWithConnection, failureOf, isRefusal, connectionProblem } from '../connection-error.ts';
import type { ProxyOptions } from '../options.ts';
import { LOAD_FORMAT_HEADER, LOAD_HEADER, reportOf } from '../load-report.ts';
import { TimeoutTracker } from '../timeout-tracker.ts';
import { readAnswer, type ReplicaSocket } from './replica-socket.ts';
import { RequestBody } from './request-body.ts';
import { GIVE_UP, isRetryableStatus, type RetryBudget } from '../retry.ts';
import { ReplicaAcquirer, type AcquireListener } from '../replica-acquirer.ts';
import { ATTEMPTS_HEADER, serverTiming } from '../server-timing.ts';

/** An exchange under way that can be ended from outside. */
export interface ActiveRequest {
  abort(failure: Failure, detail?: string): void;
}

/** What every passage shares. */
export interface HttpContext {
  readonly pool: Pool;
  readonly deadlines: Deadlines;
  readonly options: ProxyOptions;
  readonly retries: RetryBudget;
  readonly server: ProxyServer;
  readonly agentFor: (protocol: string) => HttpAgent;
  /** Exchanges under way, so that they can be ended when the drain's time is over. */
  readonly open: Set<ActiveRequest>;
}

/** Methods for which the absence of a body is said with Content-Length: 0 (RFC 9110 8.6). */
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Sends an answer's head in this turn of the event loop, with whatever of the body comes in it: a stream's head must not
 * wait for its first event, and most answers fit into one piece. The socket is corked, not the response, whose own cork
 * would put chunks behind their end.
 */
function flushSoon({ socket }: ServerResponse, flush: () => void): void {
  socket?.cork();
  flush();
  setImmediate(() => socket?.uncork());
}

/** How long the rest of an answer that nobody wants may take to come. */
const DISCARD_MS = 1000;

export class HttpForwarder implements Watched, ActiveRequest, AcquireListener {
  watchSlot = -1;
  readonly #lane: HttpContext;
  readonly #exchange: Exchange;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #path: string;
  readonly #hop: Hop;
  readonly #isChunked: boolean;
  readonly #patience: TimeoutTracker;
  readonly #body: RequestBody;
  readonly #seeker: ReplicaAcquirer;
  #hasResent = false;
  #toReplica: ClientRequest | undefined;
  #from: IncomingMessage | undefined;
  /** An interim answer came: the replica has the request, which must not be sent again. */
  #hasHeard = false;
  /** One went on to the client. */
  #hasInterim = false;

  constructor(
    lane: HttpContext,
    exchange: Exchange,
    req: IncomingMessage,
    res: ServerResponse,
    path: string,
    hop: Hop,
  ) {
    this.#lane = lane;
    this.#exchange = exchange;
    this.#req = req;
    this.#res = res;
    this.#path = path;
    this.#hop = hop;
    this.#isChunked = req.headers['transfer-encoding'] !== undefined;
    // The door has answered it; http-proxy would send our request's head before its headers are ours.
    delete req.headers.expect;
    // http-proxy would read the target as a URL, which not every target is; ours is set in #began.
    req.url = '/';
    this.#patience = new TimeoutTracker(lane.options);
    this.#seeker = new ReplicaAcquirer(lane, this);
    const { max_body, retry } = lane.options;
    this.#body = new RequestBody(
      req,
      exchange,
      { max_body, keptBytes: retry.max_body },
      {
        began: (to) => this.#began(to),
        tooLarge: () => this.#fail('too_large', `more than ${max_body} bytes`),
        hold: (bytes) => this.#hold(bytes),
      },
    );
    // http-proxy listens anew for each attempt.
    req.setMaxListeners(0);
    res.setMaxListeners(0);
  }

  /** Finds a replica and sends the request there, or answers why not. */
  start(): void {
    this.#lane.open.add(this);
    this.#lane.deadlines.watch(this);
    this.#res.on('close', this.#onClientGone);
    // A response that waits behind another one hears nothing when its connection becomes a tunnel, or ends.
    this.#req.socket.on('close', this.#onClientGone);
    this.#res.on('error', (error) => this.#fail('client_gone', describe(error)));
    this.#seeker.begin(this.#exchange);
  }

  found(lease: Lease): void {
    this.#send(lease);
  }

  waits(): void {
    this.#body.readAhead();
  }

  refused(failure: Failure, detail = ''): void {
    this.#fail(failure, detail);
  }

  /** More of the body came while no replica has the request. */
  #hold(bytes: number): void {
    if (this.#seeker.isInLine) this.#seeker.hold(bytes);
    // Between two tries: what is kept is bounded, and that is not for long.
    else if (this.#exchange.requestBytes > this.#lane.options.retry.max_body) this.#req.pause();
  }

  /** Lets go of the replica that failed it, and seeks another one after a while. */
  #tryAgain(pauseMs: number): void {
    this.#hasHeard = false;
    this.#hasResent = false;
    this.#toReplica = undefined;
    this.#body.readAhead();
    this.#seeker.again(pauseMs);
  }

  /** Ends it from outside: the drain's time is over, or the client's body turned out to be malformed. */
  abort(failure: Failure, detail = ''): void {
    this.#fail(failure, detail);
  }

  sweep(nowMs: number): void {
    if (this.#seeker.sweep(nowMs)) return;
    const overdue = this.#patience.check(nowMs, this.#exchange, {
      hasReplica: this.#seeker.lease !== undefined,
      isUploaded: this.#req.complete,
      waitsForReplica: this.#body.isHeldBack,
      waitsForClient: this.#res.writableNeedDrain,
    });
    if (this.#patience.isMoving) this.#seeker.lease?.heard();
    if (overdue) this.#fail(overdue.failure, overdue.detail);
  }

  #send({ replica: { url, tls } }: Lease): void {
    const attempt = this.#seeker.sent();
    this.#lane.server.web(
      this.#req,
      this.#res,
      {
        target: {
          protocol: url.protocol,
          host: url.host,
          hostname: url.host,
          port: url.port,
        },
        agent: this.#lane.agentFor(url.protocol),
        // A copy: http-proxy makes its request's options of it.
        ...(tls && { ssl: { ...tls } }),
        buffer: this.#body,
      },
      (error) => this.#onReplicaError(error, attempt),
    );
  }

  /** The request to the replica exists and nothing of it is sent: its path and headers are ours to set. */
  #began(to: ClientRequest): void {
    this.#toReplica = to;
    address(to, this.#path, this.#req, this.#hop, this.#isChunked);
    if (this.#isChunked) to.setHeader('Transfer-Encoding', 'chunked');
    // Node would frame a POST of which it knows nothing as chunked.
    else if (!to.hasHeader('content-length') && METHODS_WITH_BODY.has(to.method))
      to.setHeader('Content-Length', '0');
    to.useChunkedEncodingByDefault = false;
    readAnswer(to, {
      mayUpgrade: false,
      interim: (head, replica) => this.#onInterim(head, replica),
      writeFailed: () => this.#body.refuse(to),
    });
    // The head must not wait for the first of the body: some replicas answer before they read.
    sendHead(to);
    to.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => (this.#exchange.connectedMs = performance.now()));
      else this.#exchange.connectedMs = 0;
    });
    // In a later tick: by then Node has reported if the rest of the same bytes is malformed, and an error can still be sent.
    to.on('response', (from) =>
      process.nextTick(() => {
        if (this.#exchange.isOpen && to === this.#toReplica) this.#onResponse(from);
      }),
    );
  }

  /** Interim answers pass to the client, except 100, which answers an Expect that weir never forwards (RFC 9110 15.2). */
  #onInterim(head: ResponseHead, replica: ReplicaSocket): void {
    this.#hasHeard = true;
    // HTTP/1.0 has no interim answers.
    if (head.status === 100 || this.#req.httpVersionMinor === 0) return;
    const client = this.#res.socket;
    if (client === null || this.#res.headersSent || !client.writable) return;
    this.#hasInterim = true;
    if (client.write(interimText(head), 'latin1') || replica.isPaused) return;
    replica.pause();
    client.once('drain', () => replica.resume());
  }

  #onResponse(from: IncomingMessage): void {
    const { id } = this.#exchange;
    const status = from.statusCode!;
    if (isRetryableStatus(status) && this.#isAskedAgain(from)) return;
    const coding = from.headers['transfer-encoding'];
    const isMalformed = status < 200 || (coding !== undefined && coding.toLowerCase() !== 'chunked');
    // Trailers can follow only where our own answer is chunked.
    const hasTrailers =
      coding !== undefined && this.#exchange.method !== 'HEAD' && this.#req.httpVersionMinor === 1;
    const headers = headersToClient(from.rawHeaders, from.headers.connection, id, hasTrailers);
    try {
      if (isMalformed)
        throw new WeirError('bad_response', `status ${status}, Transfer-Encoding ${coding ?? 'none'}`);
      this.#exchange.headMs = performance.now();
      const format = this.#req.headers[LOAD_FORMAT_HEADER];
      if (format !== undefined && from.headers[LOAD_HEADER] === undefined) {
        const report = reportOf(String(format), this.#lane.pool.deployments[this.#exchange.deployment]!);
        if (report !== undefined) headers.push(LOAD_HEADER, report);
      }
      headers.push(ATTEMPTS_HEADER, String(this.#exchange.attempts));
      headers.push('Server-Timing', serverTiming(this.#exchange));
      this.#res.writeHead(status, from.statusMessage, headers);
      flushSoon(this.#res, () => sendHead(this.#res));
    } catch (error) {
      // Node reads more than it writes: a control character in the reason, for one.
      this.#exchange.headMs = 0;
      this.#fail('bad_response', describe(error));
      return;
    }
    this.#from = from;
    this.#seeker.lease!.heard();
    if (endsWithHead(this.#exchange.method, status, from.headers['content-length']))
      this.#exchange.firstByteMs = this.#exchange.headMs;
    from.on('data', (chunk: Buffer) => {
      this.#exchange.bodyBegan();
      this.#exchange.responseBytes += chunk.length;
      if (!this.#res.write(chunk)) from.pause();
    });
    const { tap } = this.#exchange;
    if (tap) {
      tap.answers(from.headers['content-type'], from.headers['content-encoding']);
      from.on('data', tap.response.push);
    }
    this.#res.on('drain', () => from.resume());
    from.on('end', () => {
      if (!from.complete) return;
      this.#exchange.bodyBegan();
      this.#seeker.lease?.completed();
      const trailers = hasTrailers ? passableTrailers(from.rawTrailers) : [];
      if (trailers.length > 0) this.#res.addTrailers(trailers);
      // 'finish': the last byte is with the operating system.
      this.#res.end(() => this.#settle('ok', status));
    });
    from.on('close', () => {
      if (!from.complete) this.#onBroken('');
    });
  }

  /** True when this answer is not passed on because the request is to be sent again. */
  #isAskedAgain(from: IncomingMessage): boolean {
    if (this.#hasInterim) return false;
    const pauseMs = this.#seeker.pauseAfterAnswer(this.#body.canRepeat, this.#path);
    if (pauseMs === GIVE_UP) return false;
    this.#seeker.lease!.completed();
    const to = this.#toReplica!;
    from.on('error', () => to.destroy());
    // A short answer is read to its end, and its connection kept; of a long one nobody waits for the end, and half a
    // request is of no use to anybody.
    if (to.writableFinished) {
      from.resume();
      setTimeout(() => {
        if (!from.complete) to.destroy();
      }, DISCARD_MS).unref();
    } else to.destroy();
    this.#tryAgain(pauseMs);
    return true;
  }

  /** The replica broke its answer off. */
  #onBroken(detail: string): void {
    if (!this.#exchange.isOpen) return;
    if (
      this.#from === undefined ||
      !isRefusal(this.#from.statusCode!, endsWithConnection(this.#from.headers))
    )
      this.#seeker.lease?.broke();
    this.#fail('reset_midway', detail);
  }

  readonly #onClientGone = (): void => this.#fail('client_gone');

  #onReplicaError(error: NodeJS.ErrnoException, attempt: number): void {
    // An answer that was set aside, or an attempt that was given up, is heard no more.
    if (!this.#exchange.isOpen || attempt !== this.#exchange.attempts || this.#seeker.lease === undefined)
      return;
    if (this.#from !== undefined) {
      // Node takes the end of the connection for the end of a body without a length, also when it was a reset.
      if (this.#from.complete) return;
      if (failureOf(error) === 'bad_response') this.#fail('bad_response', describe(error));
      else this.#onBroken(describe(error));
      return;
    }
    const failure = failureOf(error);
    if (failure === 'connect_failed') this.#onUnreachable(error);
    else if (failure !== 'reset_midway') this.#fail(failure, describe(error));
    else if (
      this.#toReplica?.reusedSocket === true &&
      !this.#hasHeard &&
      !this.#hasResent &&
      this.#body.canRepeat
    ) {
      this.#hasResent = true;
      this.#send(this.#seeker.lease);
    } else this.#onBroken(describe(error));
  }

  #onUnreachable(error: NodeJS.ErrnoException): void {
    // Sent once already, and now the replica is gone: the request may be why, and must not take the next one with it.
    const pauseMs = this.#seeker.pauseAfterUnreachable(error, !this.#hasResent && this.#body.canRepeat);
    if (pauseMs === GIVE_UP) this.#fail('connect_failed', connectionProblem(error));
    else this.#tryAgain(pauseMs);
  }

  #fail(failure: Failure, detail = ''): void {
    if (!this.#exchange.isOpen) return;
    const row = catalogue[failure];
    // Whoever waited has waited until now.
    this.#seeker.leaveLine();
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
    this.#settle(failure, row.http, detail);
  }

  /** Ends the connection visibly: to HTTP/1.0 an answer that ends with its connection must not look complete. */
  #break(): void {
    if (this.#req.httpVersionMinor === 0) breakOff(this.#req.socket);
    else this.#res.destroy();
  }

  /** The one end of everything: nothing of this exchange is left anywhere. */
  #settle(cause: 'ok' | Failure, status: number, detail = ''): void {
    if (!this.#exchange.close(cause, status, detail)) return;
    this.#lane.deadlines.unwatch(this);
    this.#lane.open.delete(this);
    this.#req.socket.off('close', this.#onClientGone);
    this.#body.stop();
    // A replica that answered early may still be taking the upload: it ends here, with its connection.
    if (cause !== 'ok' || this.#toReplica?.writableFinished === false) this.#toReplica?.destroy();
    // The rest of the upload is dropped, so that a client that sends everything before it reads can finish and read.
    if (!this.#req.complete) this.#req.resume();
    this.#seeker.end();
  }
}
