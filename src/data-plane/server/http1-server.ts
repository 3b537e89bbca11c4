// HTTP/1.1 of the data server, by Node's HTTP server: opens an exchange for every request, routes it and forwards or
// refuses it.
// Invariant: every request opens and closes one exchange and gets its id in the response; responses on a connection
// never overlap.
//
//   request ─► exchange.open ─► strict? ─► route ─► proxy.http | proxy.upgrade | grpc-web-calls.ts
//    │ malformed, slow           └► refuse     ├► wake: 202
//    └► clientError: 400, 408, 431             └► refuse: 404, 405, 415
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SubjectHeader } from '../../core/client-subject.ts';
import type { Failure } from '../../core/errors.ts';
import { NO_DEPLOYMENT, type Exchange, type Exchanges } from '../../core/exchange/exchange.ts';
import { isPrivate } from '../../core/exchange/body-capture.ts';
import { readNotes } from '../../core/exchange/request-notes.ts';
import { DEBUG_HEADER, ID_HEADER, ID_HEADER_LOWER, TRACE_HEADER } from '../../core/header-names.ts';
import { ClientStream } from '../../protocol/http/client-stream.ts';
import { singleValueOf, type ForwardedRequest } from '../../protocol/http/forwarded-headers.ts';
import { sendJson } from '../../protocol/http/json-response.ts';
import { leaveSocket } from '../../protocol/http/listen.ts';
import { createServer } from '../../protocol/http/node-http.ts';
import { peerOf } from '../../protocol/http/peer.ts';
import { takeConnections } from '../../protocol/http/server-front.ts';
import { refusalBytes, sendRefusal } from '../../protocol/http/error-response.ts';
import { parseAbsoluteForm, requestProblem, upgradeProblem } from '../../protocol/http/strict-request.ts';
import type { Proxy, ActiveRequest } from '../proxy/proxy.ts';
import type { AsyncRoutes } from './async-routes.ts';
import type { Admission } from './admission.ts';
import type { AccessRefusal, RoutedTo } from './client-access.ts';
import { Cors } from './cors.ts';
import { GrpcWebCalls } from './grpc-web-calls.ts';
import type { ProtocolRouter } from '../routing/protocol-router.ts';
import type { DataServerOptions } from './options.ts';
import { parserProblem } from './parser-errors.ts';
import type { Route } from '../routing/route.ts';

/** Idle time after which the operating system sends TCP keep-alive probes. */
const KEEP_ALIVE_PROBE_MS = 60_000;

/** The latest request on a connection. `running`: set once it is forwarded or served by the asynchronous routes. */
interface LatestRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  running: ActiveRequest | undefined;
}

/** Why a WebSocket upgrade is refused. */
interface UpgradeRefusal {
  readonly failure: Failure;
  readonly detail: string;
  readonly allow?: string;
  readonly retryAfter?: number;
}

export interface Http1Limits {
  readonly maxBody: number;
  readonly totalTimeoutMs: number;
}

export interface Http1Deps {
  readonly exchanges: Exchanges;
  readonly proxy: Proxy;
  readonly async: AsyncRoutes;
  readonly router: ProtocolRouter;
  /** `undefined`: no key is required. */
  readonly admission: Admission | undefined;
  /** `undefined`: CORS is left to the replica. */
  readonly cors: Cors | undefined;
  /** Called for a request to `wake`. */
  readonly onWake: (deployment: number) => void;
  /** Scheme that clients use. */
  readonly proto: 'http' | 'https';
  /** `undefined`: replicas are not told the subject of the client's certificate. */
  readonly subjectHeader: SubjectHeader | undefined;
}

export class Http1Server {
  /** The listening server. Its new connections go to `connected`, not to Node's HTTP server. */
  readonly server: Server;
  readonly #deps: Http1Deps;
  readonly #webCalls: GrpcWebCalls;
  readonly #maxBody: number;
  readonly #maxHead: number;
  readonly #acceptByNode: (socket: Socket) => void;
  readonly #latest = new WeakMap<Duplex, LatestRequest>();
  /** Connections after a parser error. */
  readonly #broken = new WeakSet<Duplex>();
  #isDraining = false;

  /** `connected` receives every new connection. */
  constructor(
    options: DataServerOptions,
    limits: Http1Limits,
    deps: Http1Deps,
    connected: (socket: Socket) => void,
  ) {
    this.#deps = deps;
    this.#webCalls = new GrpcWebCalls(deps);
    this.#maxBody = limits.maxBody;
    this.#maxHead = options.max_header;
    this.server = createServer({
      insecureHTTPParser: false,
      // Checked in protocol/http/strict-request.ts instead, since Node would respond without an exchange and its id.
      requireHostHeader: false,
      maxHeaderSize: options.max_header,
      headersTimeout: options.header_timeout,
      requestTimeout: Math.max(limits.totalTimeoutMs, options.header_timeout),
      keepAliveTimeout: options.keep_alive_timeout,
      connectionsCheckingInterval: 1000,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      // Only WebSocket upgrades are served; a request that offers h2c or another protocol is an ordinary request.
      shouldUpgradeCallback: (req: IncomingMessage) =>
        req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket',
    });
    // Node would silently drop headers above this count. `max_header` limits their bytes instead.
    this.server.maxHeadersCount = 0;
    // Node's own listener serves a connection as HTTP/1. `accept` calls it after the protocol is known.
    this.#acceptByNode = takeConnections(this.server, connected);
    this.server.on('request', (req, res) => this.#onRequest(req, res));
    this.server.on('checkContinue', (req, res) => this.#onRequest(req, res));
    this.server.on('checkExpectation', (req, res) => this.#onRequest(req, res));
    this.server.on('upgrade', (req, socket, head) => this.#onUpgrade(req, socket, head));
    this.server.on('connect', (req, socket) => this.#onConnect(req, socket));
    this.server.on('clientError', (error, socket) => this.#onClientError(error, socket));
  }

  /** Serves a paused connection, from its first byte or from the start of a request. */
  accept(socket: Socket): void {
    const stream = new ClientStream(socket, {
      maxHeadBytes: this.#maxHead,
      onMalformed: (problem) => this.#onClientError(new Error(problem), stream),
    });
    this.#acceptByNode(stream as unknown as Socket);
    socket.resume();
  }

  /** Stops listening and closes idle connections. Responses to further requests close their connection. */
  drain(): void {
    this.#isDraining = true;
    this.server.close();
    this.server.closeIdleConnections();
  }

  /**
   * Lets another process accept new connections. Responses to further requests close their connection, and idle ones are
   * not closed before their time. Resolves when no connection is left, in either lane.
   */
  leave(): Promise<void> {
    this.#isDraining = true;
    return leaveSocket(this.server);
  }

  #onRequest(req: IncomingMessage, res: ServerResponse): void {
    const exchange = this.#open(req, req.socket);
    const latest: LatestRequest = { req, res, running: undefined };
    this.#latest.set(req.socket, latest);
    res.once('close', () => (req.socket as Duplex as ClientStream).responseEnded());
    if (this.#isDraining) res.shouldKeepAlive = false;
    const hop = this.#hop(req, exchange);
    const problem = requestProblem(req);
    const { cors } = this.#deps;
    if (cors !== undefined) {
      if (problem === undefined && Cors.isPreflight(req.method!, req.headers))
        return this.#preflight(latest, exchange, cors);
      cors.addTo(req, res);
    }
    if (problem !== undefined) {
      res.shouldKeepAlive = false;
      return refuse(latest, exchange, problem.failure, problem.detail);
    }
    // HTTP/1.0 has no expectations and no interim responses (RFC 9110 10.1.1 and 15.2).
    const expects = req.httpVersionMinor === 0 ? undefined : req.headers.expect?.toLowerCase();
    const call = this.#webCalls.callOf(req);
    if (call !== undefined) {
      latest.running = this.#webCalls.serve(call, exchange, req, res, expects);
      return;
    }
    const route = this.#deps.router.routeHttp(req.method!, req.url!, false);
    if (route.kind !== 'async_request') exchange.requestedDeployment = route.deployment ?? NO_DEPLOYMENT;
    const denied = this.#check(exchange, req, route);
    if (denied !== undefined)
      return refuse(latest, exchange, denied.failure, denied.detail, undefined, denied.retryAfter);
    const length = req.headers['content-length'];
    if (Number(length ?? 0) > this.#maxBody)
      return refuse(latest, exchange, 'too_large', `${length} bytes, the maximum is ${this.#maxBody}`);
    if (expects !== undefined && expects !== '100-continue')
      return refuse(latest, exchange, 'expectation_failed', '');
    if (route.kind === 'refuse') return refuse(latest, exchange, route.failure, route.detail, route.allow);
    if (route.kind === 'wake') return this.#wake(route.deployment, req, res, exchange);
    if (expects !== undefined) res.writeContinue();
    if (route.kind !== 'forward') {
      if (route.kind === 'async_predict') route.picker.take(route.deployment);
      latest.running = this.#deps.async.serve(route, req, res, exchange);
      return;
    }
    exchange.route(route.deployment);
    route.picker.take(route.deployment);
    if (!isPrivate(req.headers[DEBUG_HEADER])) exchange.captureBodies();
    latest.running = this.#deps.proxy.http(exchange, req, res, route.path, hop);
  }

  /** Why the client may not make the request; `undefined` if it may. */
  #check(exchange: Exchange, req: IncomingMessage, route: RoutedTo): AccessRefusal | undefined {
    const { admission } = this.#deps;
    return admission?.check(exchange, singleValueOf(req.rawHeaders, 'authorization'), route);
  }

  /** Answers whether a page of the request's origin may make a request. It needs neither a key nor a replica. */
  #preflight(latest: LatestRequest, exchange: Exchange, cors: Cors): void {
    const { req, res } = latest;
    const headers = cors.preflight(req.headers);
    if (headers === undefined)
      return refuse(latest, exchange, 'forbidden', 'this origin is not allowed (ingress.cors.origins)');
    req.resume();
    res.writeHead(204, [...headers, ID_HEADER, exchange.id]);
    res.end();
    exchange.wrote(0);
    exchange.close('ok', 204);
  }

  /** Notifies the autoscaler that a replica is wanted. Responds 202 with `{}` (docs/contracts/serving.md 1.2). */
  #wake(deployment: number, req: IncomingMessage, res: ServerResponse, exchange: Exchange): void {
    this.#deps.onWake(deployment);
    req.resume();
    exchange.wrote(sendJson(res, 202, '{}', [ID_HEADER, exchange.id]));
    exchange.close('ok', 202);
  }

  #onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const exchange = this.#open(req, req.socket);
    const hop = this.#hop(req, exchange);
    const problem = requestProblem(req) ?? upgradeProblem(req);
    const route: Route =
      problem === undefined
        ? this.#deps.router.routeHttp(req.method!, req.url!, true)
        : { kind: 'refuse', ...problem };
    if (route.kind !== 'async_request') exchange.requestedDeployment = route.deployment ?? NO_DEPLOYMENT;
    const denied =
      problem === undefined ? this.#check(exchange, req, { ...route, isUpgrade: true }) : undefined;
    if (denied !== undefined || route.kind !== 'forward') {
      // weir's own routes do not accept upgrades.
      const refusal: UpgradeRefusal =
        denied ?? (route.kind === 'refuse' ? route : { failure: 'method_not_allowed', detail: '' });
      const { failure, detail } = refusal;
      endWith(socket, refusalBytes(failure, exchange, refusal));
      exchange.fail(failure, detail);
      return;
    }
    exchange.route(route.deployment);
    route.picker.take(route.deployment);
    const released = (socket as ClientStream).release();
    released.socket.on('error', () => released.socket.destroy());
    const early = Buffer.concat([head, released.head]);
    this.#deps.proxy.upgrade(exchange, req, released.socket, early, route.path, hop);
  }

  /** Refuses CONNECT, since weir is a gateway and not a tunnel (RFC 9110 9.3.6). */
  #onConnect(req: IncomingMessage, socket: Duplex): void {
    const exchange = this.#open(req, req.socket);
    endWith(socket, refusalBytes('method_not_allowed', exchange, { detail: 'CONNECT is not supported' }));
    exchange.fail('method_not_allowed');
  }

  /** Handles parser errors and timeouts. A broken connection without a request opens no exchange. */
  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    // Errors of TLS arrive here too; the client cannot read a response then.
    if (error.code === 'ECONNRESET' || error.code?.startsWith('ERR_SSL') || !socket.writable) {
      socket.destroy();
      return;
    }
    if (this.#broken.has(socket)) return;
    this.#broken.add(socket);
    const { failure, detail } = parserProblem(error);
    const latest = this.#latest.get(socket);
    const isResponding = latest?.res.writableFinished === false;
    if (latest?.req.complete === false) {
      // The body of the latest request is malformed or late.
      if (isResponding && latest.running) latest.running.abort(failure, error.code ?? error.message);
      // It was refused already: the refusal is sent to its end.
      else if (isResponding) latest.res.end(() => socket.destroy());
      // It has its response already: the client would take another one for the response to its next request.
      else socket.destroy();
      if (failure === 'client_gone') socket.destroy();
      return;
    }
    const exchange = this.#deps.exchanges.open(undefined);
    nameClient(exchange, socket);
    // A response that is being sent goes first, since a refusal in its middle would be read as a part of it.
    if (failure === 'client_gone') socket.destroy();
    else if (isResponding) latest.res.once('close', () => socket.destroy());
    else endWith(socket, refusalBytes(failure, exchange, { detail }));
    exchange.fail(failure, detail || (error.code ?? error.message));
  }

  #open(req: IncomingMessage, socket: Socket): Exchange {
    const exchange = this.#deps.exchanges.open(req.headers[ID_HEADER_LOWER] as string | undefined);
    exchange.method = req.method!;
    exchange.target = req.url!;
    nameClient(exchange, socket);
    exchange.notes = readNotes((name) => req.headers[name] as string | undefined);
    exchange.accepted('HTTP/1.1 server');
    return exchange;
  }

  /** Returns what the forwarded headers say about this hop. Converts an absolute-form target to origin form. */
  #hop(req: IncomingMessage, exchange: Exchange): ForwardedRequest {
    const absolute = parseAbsoluteForm(req.url!);
    if (absolute) req.url = exchange.target = absolute.path;
    const traceparent = exchange.trace(singleValueOf(req.rawHeaders, TRACE_HEADER));
    return {
      id: exchange.id,
      traceparent,
      isClientTrace: exchange.isClientTrace,
      remoteAddress: exchange.remoteAddress,
      proto: this.#deps.proto,
      host: absolute?.authority ?? req.headers.host ?? '',
      subjectHeader: this.#deps.subjectHeader,
      clientSubject: exchange.clientSubject,
    };
  }
}

function nameClient(exchange: Exchange, socket: Duplex): void {
  const { address, subject, isHttp2 } = peerOf(socket);
  exchange.remoteAddress = address;
  exchange.clientSubject = subject;
  exchange.isHttp2 = isHttp2;
}

/** Sends a last response on a connection that Node's server has released, and closes it. */
function endWith(socket: Duplex, response: string): void {
  socket.on('error', () => socket.destroy());
  socket.write(response);
  (socket as ClientStream).destroySoon();
}

/** Sends a refusal and closes the exchange. */
function refuse(
  { req, res }: LatestRequest,
  exchange: Exchange,
  failure: Failure,
  detail: string,
  allow?: string,
  retryAfter?: number,
): void {
  sendRefusal(req, res, failure, exchange, { detail, allow, retryAfter });
  exchange.fail(failure, detail);
}
