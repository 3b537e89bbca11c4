// HTTP/1.1 at the data door, by Node's own server: every request becomes an exchange, is routed, and is handed to the
// proxy or answered. Must stay true: whatever arrives, one exchange is opened and closed for it, and the id is in the
// answer; and no answer stands in the midst of another.
//
//   request ─► exchange.open ─► strict? ─► route ─► proxy.http | proxy.upgrade
//    │ malformed, slow           └► refuse     ├► wake: 202
//    └► clientError: 400, 408, 431             └► refuse: 404, 405, 415
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { catalogue, type Failure } from '../../core/errors.ts';
import { NO_DEPLOYMENT, type Exchange, type Exchanges } from '../../core/exchange/exchange.ts';
import { ID_HEADER, ID_HEADER_LOWER, TRACE_HEADER } from '../../core/exchange/identity.ts';
import { DEBUG_HEADER, isPrivate } from '../../core/exchange/body-capture.ts';
import { ClientStream } from '../../protocol/http/client-stream.ts';
import { onlyValueOf, type Hop } from '../../protocol/http/forwarded-headers.ts';
import { createServer } from '../../protocol/http/node-http.ts';
import { refusalBytes, sendRefusal } from '../../protocol/http/reply.ts';
import {
  absoluteForm,
  problemWith,
  problemWithMethod,
  problemWithUpgrade,
} from '../../protocol/http/strict-request.ts';
import type { Proxy, ActiveRequest } from '../proxy/proxy.ts';
import type { AsyncRoutes } from './async-routes.ts';
import type { ProtocolRouter } from '../routing/protocol-router.ts';
import { plainAddress } from './http2-server.ts';
import type { DataServerOptions } from './options.ts';
import type { RouteRefusal, Route } from '../routing/route.ts';

/** Silence after which the operating system asks whether a client is still there. */
const KEEP_ALIVE_PROBE_MS = 60_000;

/** Errors of Node's parser that have a cause of their own; all others are bad_request. */
const PARSER_FAILURES: Record<string, Failure> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  // The client closed its side in the middle of a message.
  HPE_INVALID_EOF_STATE: 'client_gone',
};

/** Fields that Node's parser adds to its errors. */
interface ParserError extends NodeJS.ErrnoException {
  readonly reason?: string;
  readonly rawPacket?: Buffer;
  readonly bytesParsed?: number;
}

/** The cause of an error of Node's parser, and the detail for the client, which may be empty. */
function parserProblem({ code = '', reason, rawPacket, bytesParsed = 0 }: ParserError): {
  failure: Failure;
  detail: string;
} {
  if (code === 'HPE_INVALID_METHOD' && rawPacket !== undefined)
    return problemWithMethod(rawPacket, bytesParsed);
  if (reason?.startsWith('Invalid method for HTTP'))
    return { failure: 'not_implemented', detail: 'methods of RTSP are not supported' };
  return { failure: PARSER_FAILURES[code] ?? 'bad_request', detail: '' };
}

/** An answer under way; `running` where it is a replica's. */
interface Answering {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  running: ActiveRequest | undefined;
}

export interface Http1Limits {
  readonly maxBody: number;
  readonly totalTimeoutMs: number;
}

export interface Http1Deps {
  readonly exchanges: Exchanges;
  readonly proxy: Proxy;
  readonly async: AsyncRoutes;
  readonly directions: ProtocolRouter;
  /** Somebody wants a replica of that deployment to be there soon. */
  readonly woken: (deployment: number) => void;
  /** What clients speak HTTP over. */
  readonly proto: 'http' | 'https';
}

export class Http1Server {
  /** The one that listens; new connections come to its 'connection', where others may look at them first. */
  readonly server: Server;
  readonly #deps: Http1Deps;
  readonly #maxBody: number;
  readonly #maxHead: number;
  readonly #takeOver: (this: Server, socket: Socket) => void;
  /** The latest exchange on each connection, and the connections whose input was refused. */
  readonly #answering = new WeakMap<Duplex, Answering>();
  readonly #broken = new WeakSet<Duplex>();
  #isDraining = false;

  /** `connected` is given every new connection. */
  constructor(
    options: DataServerOptions,
    limits: Http1Limits,
    deps: Http1Deps,
    connected: (socket: Socket) => void,
  ) {
    this.#deps = deps;
    this.#maxBody = limits.maxBody;
    this.#maxHead = options.max_header;
    this.server = createServer({
      insecureHTTPParser: false,
      // Looked at in protocol/http/strict-request.ts: Node would answer without an id and without an exchange.
      requireHostHeader: false,
      maxHeaderSize: options.max_header,
      headersTimeout: options.header_timeout,
      requestTimeout: Math.max(limits.totalTimeoutMs, options.header_timeout),
      keepAliveTimeout: options.keep_alive_timeout,
      connectionsCheckingInterval: 1000,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      // Only a WebSocket is an upgrade to us: offers of h2c and the like are plain requests.
      shouldUpgradeCallback: (req: IncomingMessage) =>
        req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket',
    });
    this.server.maxConnections = options.max_connections;
    // Node would cut off a request's headers silently at this count: the limit is in bytes instead.
    this.server.maxHeadersCount = 0;
    // The server's own listener is what makes a connection Node's: others come first.
    [this.#takeOver] = this.server.listeners('connection') as [(this: Server, socket: Socket) => void];
    this.server.removeAllListeners('connection');
    this.server.on('connection', connected);
    this.server.on('request', (req, res) => this.#onRequest(req, res));
    this.server.on('checkContinue', (req, res) => this.#onRequest(req, res));
    this.server.on('checkExpectation', (req, res) => this.#onRequest(req, res));
    this.server.on('upgrade', (req, socket, head) => this.#onUpgrade(req, socket, head));
    this.server.on('connect', (req, socket) => this.#onConnect(req, socket));
    this.server.on('clientError', (error, socket) => this.#onClientError(error, socket));
  }

  /** Serves a connection, from its first byte or from where a message begins. It is paused. */
  accept(socket: Socket): void {
    const stream = new ClientStream(socket, {
      maxHeadBytes: this.#maxHead,
      malformed: (problem) => this.#onClientError(new Error(problem), stream),
    });
    this.#takeOver.call(this.server, stream as unknown as Socket);
    // The reader of the first bytes has paused it.
    socket.resume();
  }

  /** Listens no more; from now on answers say that their connection ends, and idle ones do. */
  drain(): void {
    this.#isDraining = true;
    this.server.close();
    this.server.closeIdleConnections();
  }

  #onRequest(req: IncomingMessage, res: ServerResponse): void {
    const exchange = this.#open(req, req.socket);
    const answering: Answering = { req, res, running: undefined };
    this.#answering.set(req.socket, answering);
    res.once('close', () => (req.socket as Duplex as ClientStream).answered());
    if (this.#isDraining) res.shouldKeepAlive = false;
    const hop = this.#hop(req, exchange);
    const problem = problemWith(req);
    if (problem !== undefined) {
      res.shouldKeepAlive = false;
      return refuseWith(answering, exchange, problem.failure, problem.detail);
    }
    const route = this.#deps.directions.request(req.method!, req.url!, false);
    if (route.kind !== 'async_request') exchange.askedFor = route.deployment ?? NO_DEPLOYMENT;
    const length = req.headers['content-length'];
    if (Number(length ?? 0) > this.#maxBody)
      return refuseWith(answering, exchange, 'too_large', `${length} bytes, the limit is ${this.#maxBody}`);
    // HTTP/1.0 has no expectations, and no interim answers (RFC 9110 10.1.1 and 15.2).
    const expects = req.httpVersionMinor === 0 ? undefined : req.headers.expect?.toLowerCase();
    if (expects !== undefined && expects !== '100-continue')
      return refuseWith(answering, exchange, 'expectation_failed', '');
    if (route.kind === 'refuse')
      return refuseWith(answering, exchange, route.failure, route.detail, route.allow);
    if (route.kind === 'wake') return this.#wake(route.deployment, req, res, exchange);
    if (expects !== undefined) res.writeContinue();
    if (route.kind !== 'forward') {
      if (route.kind === 'async_predict') route.turn.take(route.deployment);
      answering.running = this.#deps.async.answer(route, req, res, exchange);
      return;
    }
    exchange.route(route.deployment);
    route.turn.take(route.deployment);
    if (!isPrivate(req.headers[DEBUG_HEADER])) exchange.capture();
    answering.running = this.#deps.proxy.http(exchange, req, res, route.path, hop);
  }

  /** `wake` asks for a replica to be there soon: whoever scales hears of it. 202 with `{}` (contract 1.2). */
  #wake(deployment: number, req: IncomingMessage, res: ServerResponse, exchange: Exchange): void {
    this.#deps.woken(deployment);
    req.resume();
    res.writeHead(202, ['Content-Type', 'application/json', 'Content-Length', '2', ID_HEADER, exchange.id]);
    res.end('{}');
    exchange.wrote(2);
    exchange.close('ok', 202);
  }

  #onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const exchange = this.#open(req, req.socket);
    const hop = this.#hop(req, exchange);
    const problem = problemWith(req) ?? problemWithUpgrade(req);
    const route: Route =
      problem === undefined
        ? this.#deps.directions.request(req.method!, req.url!, true)
        : { kind: 'refuse', ...problem };
    if (route.kind !== 'async_request') exchange.askedFor = route.deployment ?? NO_DEPLOYMENT;
    if (route.kind !== 'forward') {
      // Routes of our own that are no refusals are never upgrades: they take other methods.
      const { failure, detail, allow } =
        route.kind === 'refuse' ? route : ({ failure: 'method_not_allowed', detail: '' } as RouteRefusal);
      endWith(socket, refusalBytes(failure, exchange, { detail, allow }));
      exchange.close(failure, catalogue[failure].http, detail);
      return;
    }
    exchange.route(route.deployment);
    route.turn.take(route.deployment);
    const released = (socket as ClientStream).release();
    released.socket.on('error', () => released.socket.destroy());
    const early = Buffer.concat([head, released.head]);
    this.#deps.proxy.upgrade(exchange, req, released.socket, early, route.path, hop);
  }

  /** We are a gateway to known replicas, never a way to somewhere else (RFC 9110 9.3.6). */
  #onConnect(req: IncomingMessage, socket: Duplex): void {
    const exchange = this.#open(req, req.socket);
    endWith(socket, refusalBytes('method_not_allowed', exchange, { detail: 'CONNECT is not served' }));
    exchange.close('method_not_allowed', catalogue.method_not_allowed.http);
  }

  /** What Node's parser refused, or did not get in time. A connection that broke is no request. */
  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    // TLS that broke is told of like what the parser refuses, and has nobody to read an answer.
    if (error.code === 'ECONNRESET' || error.code?.startsWith('ERR_SSL') || !socket.writable) {
      socket.destroy();
      return;
    }
    if (this.#broken.has(socket)) return;
    this.#broken.add(socket);
    const { failure, detail } = parserProblem(error);
    const answering = this.#answering.get(socket);
    const isAnswering = answering?.res.writableFinished === false;
    if (answering?.req.complete === false) {
      // What is malformed, or late, is the body of a request that is under way.
      if (isAnswering && answering.running) answering.running.abort(failure, error.code ?? error.message);
      // Refused already, and told so; only the rest of its body is malformed.
      else if (isAnswering) answering.res.end(() => socket.destroy());
      // Answered already: the client would take a second answer for that of the next request.
      else socket.destroy();
      if (failure === 'client_gone') socket.destroy();
      return;
    }
    const exchange = this.#deps.exchanges.open(undefined);
    exchange.remoteAddress = plainAddress((socket as Socket).remoteAddress ?? '');
    // An answer that is on its way on this connection goes first: another in its midst would be taken for part of it.
    if (failure === 'client_gone') socket.destroy();
    else if (isAnswering) answering.res.once('close', () => socket.destroy());
    else endWith(socket, refusalBytes(failure, exchange, { detail }));
    exchange.close(failure, catalogue[failure].http, detail || (error.code ?? error.message));
  }

  #open(req: IncomingMessage, socket: Socket): Exchange {
    const exchange = this.#deps.exchanges.open(req.headers[ID_HEADER_LOWER] as string | undefined);
    exchange.method = req.method!;
    exchange.target = req.url!;
    exchange.remoteAddress = plainAddress(socket.remoteAddress ?? '');
    return exchange;
  }

  /** What the replica learns about the way; brings an absolute-form target into origin form. */
  #hop(req: IncomingMessage, exchange: Exchange): Hop {
    const absolute = absoluteForm(req.url!);
    if (absolute) req.url = exchange.target = absolute.path;
    const traceparent = exchange.trace(onlyValueOf(req.rawHeaders, TRACE_HEADER));
    return {
      id: exchange.id,
      traceparent,
      isClientTrace: exchange.isClientTrace,
      remoteAddress: exchange.remoteAddress,
      proto: this.#deps.proto,
      host: absolute?.authority ?? req.headers.host ?? '',
    };
  }
}

/** Ends a connection that Node's server has released, with a last answer. */
function endWith(socket: Duplex, answer: string): void {
  socket.on('error', () => socket.destroy());
  socket.write(answer);
  (socket as ClientStream).destroySoon();
}

/** Ends a request that nobody is to have. */
function refuseWith(
  { req, res }: Answering,
  exchange: Exchange,
  failure: Failure,
  detail: string,
  allow?: string,
): void {
  sendRefusal(req, res, failure, exchange, { detail, allow });
  exchange.close(failure, catalogue[failure].http, detail);
}
