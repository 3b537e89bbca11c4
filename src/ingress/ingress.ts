// The data door: every request of a client becomes an exchange, is routed, and is handed to the proxy or answered.
// Must stay true: whatever arrives, one exchange is opened and closed for it, and the id is in the answer.
//
//   connection ─► fast lane (proxy/fast.ts) for as long as it is ordinary HTTP/1.1 to a plain replica; then
//              ─► request ─► exchange.open ─► strict? ─► route ─► proxy.http | proxy.upgrade
//       │ malformed, slow                        └► refuse     ├► wake: 202
//       └► clientError: 400, 408, 431                          └► refuse: 404, 405, 415
//              ─► HTTP/2, by its first bytes: http2.ts
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { catalogue, type Failure } from '../base/errors.ts';
import type { Address } from '../base/settings.ts';
import type { Exchange, Exchanges } from '../exchange/exchange.ts';
import { ID_HEADER, ID_HEADER_LOWER, TRACE_HEADER } from '../exchange/identity.ts';
import type { Hop } from '../http/headers.ts';
import { boundAddress, listen } from '../http/listen.ts';
import { createServer } from '../http/node-http.ts';
import { refusalBytes, refuse } from '../http/reply.ts';
import { absoluteForm, problemWith } from '../http/strict.ts';
import type { Decision, FastLane, Proxy, Running } from '../proxy/proxy.ts';
import { AsyncRoutes, type AsyncDeps } from './async.ts';
import { Http2Door, plainAddress } from './http2.ts';
import type { IngressOptions } from './options.ts';
import { awaitFirstBytes, protocolOf } from './preface.ts';
import { Router, type CallRoute, type CallTarget, type Routed } from './route.ts';

/** Silence after which the operating system asks whether a client is still there. */
const KEEP_ALIVE_PROBE_MS = 60_000;

/** The id of a model that was given none. */
const NO_MODEL = 'local';

const ONLY_CALLS = 'this deployment serves gRPC alone';

/** How long a client may take to read why its input was refused. */
const CLOSING_MS = 1000;

/** Errors of Node's parser that have a cause of their own; all others are bad_request. */
const PARSER_FAILURES: Record<string, Failure> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  // The client closed its side in the middle of a message.
  HPE_INVALID_EOF_STATE: 'client_gone',
};

/** An answer under way; `running` where it is a replica's. */
interface Answering {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  running: Running | undefined;
}

/** A deployment as the door sees it. */
export type Served = Routed & {
  readonly options: { readonly replicas: readonly { url: { protocol: string } }[] };
};

/** Scheme of the replicas of each deployment, by index; empty where they differ, as http and https may. */
function schemes(deployments: readonly Served[]): string[] {
  const byIndex: string[] = [];
  for (const { index, options } of deployments) {
    const [first, ...others] = new Set(options.replicas.map(({ url }) => url.protocol));
    byIndex[index] = others.length === 0 ? first! : '';
  }
  return byIndex;
}

const isForCalls = (scheme: string | undefined): boolean => scheme === 'grpc:' || scheme === 'grpcs:';

export class Ingress {
  readonly name = 'ingress';
  readonly #server: Server;
  readonly #options: IngressOptions;
  readonly #exchanges: Exchanges;
  readonly #proxy: Proxy;
  readonly #async: AsyncRoutes;
  #router: Router;
  readonly #fast: FastLane | undefined;
  readonly #maxBody: number;
  readonly #http2: Http2Door;
  readonly #modelId: string;
  #schemes: readonly string[];
  /** The latest exchange on each connection, and the connections whose input was refused. */
  readonly #answering = new WeakMap<Duplex, Answering>();
  readonly #broken = new WeakSet<Duplex>();
  #isDraining = false;
  readonly #cut = Promise.withResolvers<void>();

  constructor(
    options: IngressOptions,
    limits: { maxBody: number; totalTimeoutMs: number },
    deployments: readonly Served[],
    exchanges: Exchanges,
    proxy: Proxy,
    async: AsyncDeps,
  ) {
    this.#async = new AsyncRoutes(async);
    this.#modelId = async.modelId;
    this.#http2 = new Http2Door(options, { exchanges, proxy, decide: (target) => this.#decideCall(target) });
    this.#options = options;
    this.#exchanges = exchanges;
    this.#proxy = proxy;
    this.#maxBody = limits.maxBody;
    this.#router = new Router(deployments);
    this.#schemes = schemes(deployments);
    this.#server = createServer({
      insecureHTTPParser: false,
      // Looked at in http/strict.ts: Node would answer without an id and without an exchange.
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
    this.#server.maxConnections = options.max_connections;
    // Node would cut off a request's headers silently at this count: the limit is in bytes instead.
    this.#server.maxHeadersCount = 0;
    // The server's own listener is what makes a connection Node's: the fast lane comes first, and calls it for whatever
    // it does not take.
    const [takeOver] = this.#server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    const serve = (socket: Socket, protocol: 'http1' | 'http2') => {
      if (protocol === 'http2') this.#http2.accept(socket);
      else {
        takeOver!.call(this.#server, socket);
        // HTTP/2 reads for itself.
        socket.resume();
      }
    };
    const tellApart = (socket: Socket) =>
      awaitFirstBytes(socket, options.header_timeout, (protocol) => serve(socket, protocol));
    this.#fast = proxy.fastLane({
      exchanges,
      maxHeadBytes: options.max_header,
      headerTimeoutMs: options.header_timeout,
      keepAliveTimeoutMs: options.keep_alive_timeout,
      decide: (method, target) => this.#decide(method, target),
      handOver: (socket, first) => {
        const protocol = first === undefined ? 'http1' : protocolOf(first);
        if (protocol === 'too short to tell') tellApart(socket);
        else serve(socket, protocol);
      },
    });
    this.#server.removeAllListeners('connection');
    this.#server.on('connection', (socket) => (this.#fast ? this.#fast.accept(socket) : tellApart(socket)));
    this.#server.on('request', (req, res) => this.#onRequest(req, res));
    this.#server.on('checkContinue', (req, res) => this.#onRequest(req, res));
    this.#server.on('checkExpectation', (req, res) => this.#onRequest(req, res));
    this.#server.on('upgrade', (req, socket, head) => this.#onUpgrade(req, socket, head));
    this.#server.on('connect', (req, socket) => this.#onConnect(req, socket));
    this.#server.on('clientError', (error, socket) => this.#onClientError(error, socket));
  }

  /** Listens; throws a Fault with the address in words when it cannot. */
  start(): Promise<void> {
    return listen(this.#server, this.#options.listen, '--listen');
  }

  get address(): Address {
    return boundAddress(this.#server);
  }

  /**
   * Accepts nothing new and lets running exchanges end; what still runs at `deadlineMs` is cut.
   * Resolves as soon as nothing runs.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    this.#server.close();
    this.#server.closeIdleConnections();
    this.#fast?.drain();
    this.#http2.drain();
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, deadlineMs - performance.now()));
    });
    await Promise.race([this.#exchanges.idle(), timeIsUp, this.#cut.promise]);
    clearTimeout(timer);
    this.#proxy.abortAll('draining');
    this.#server.closeAllConnections();
    await this.#http2.closeAll();
  }

  /** What still runs is not waited for any longer. */
  cut(): void {
    this.#cut.resolve();
  }

  /** Requests from now on are routed by this list. */
  reroute(deployments: readonly Served[]): void {
    this.#router = new Router(deployments);
    this.#schemes = schemes(deployments);
  }

  /** What the fast lane may take: what goes to replicas that speak plain HTTP. Our own routes are the full lane's. */
  #decide(method: string, target: string): Decision | undefined {
    const route = this.#router.route(method, target, false);
    return route.kind === 'forward' && this.#schemes[route.deployment] === 'http:' ? route : undefined;
  }

  /** Where a gRPC call goes. `baseten-model-id` only has to be ours, where we know what that is. */
  #decideCall(target: CallTarget): CallRoute {
    const { modelId } = target;
    const isOurs = modelId === this.#modelId || modelId === `model-${this.#modelId}`;
    if (modelId !== undefined && this.#modelId !== NO_MODEL && !isOurs)
      return { kind: 'refuse', failure: 'unknown_target', detail: `model ${JSON.stringify(modelId)}` };
    const route = this.#router.call(target);
    if (route.kind === 'refuse' || isForCalls(this.#schemes[route.deployment])) return route;
    return { kind: 'refuse', failure: 'wrong_protocol', detail: 'this deployment serves HTTP, not gRPC' };
  }

  #onRequest(req: IncomingMessage, res: ServerResponse): void {
    const exchange = this.#open(req, req.socket);
    const answering: Answering = { req, res, running: undefined };
    this.#answering.set(req.socket, answering);
    if (this.#isDraining) res.shouldKeepAlive = false;
    const refuseWith = (failure: Failure, detail: string) => {
      refuse(req, res, failure, exchange.id, detail);
      exchange.close(failure, catalogue[failure].http, detail);
    };
    const hop = this.#hop(req, exchange);
    const problem = problemWith(req);
    if (problem !== '') {
      res.shouldKeepAlive = false;
      return refuseWith('bad_request', problem);
    }
    if (Number(req.headers['content-length'] ?? 0) > this.#maxBody)
      return refuseWith('too_large', `${req.headers['content-length']} bytes, the limit is ${this.#maxBody}`);
    const expects = req.headers.expect?.toLowerCase();
    if (expects !== undefined && expects !== '100-continue') return refuseWith('expectation_failed', '');
    const route = this.#router.route(req.method!, req.url!, false);
    if (route.kind === 'refuse') return refuseWith(route.failure, route.detail);
    if (route.kind === 'wake') return this.#wake(req, res, exchange);
    if ('deployment' in route && isForCalls(this.#schemes[route.deployment]))
      return refuseWith('wrong_protocol', ONLY_CALLS);
    if (expects !== undefined) res.writeContinue();
    if (route.kind !== 'forward') {
      if (route.kind === 'async_predict') route.turn.take(route.deployment);
      answering.running = this.#async.answer(route, req, res, exchange);
      return;
    }
    exchange.route(route.deployment);
    route.turn.take(route.deployment);
    answering.running = this.#proxy.http(exchange, req, res, route.path, hop);
  }

  /** `wake` asks for a replica to be there soon; in a sidecar the replica already is. 202 with `{}` (contract 1.2). */
  #wake(req: IncomingMessage, res: ServerResponse, exchange: Exchange): void {
    req.resume();
    res.writeHead(202, ['Content-Type', 'application/json', 'Content-Length', '2', ID_HEADER, exchange.id]);
    res.end('{}');
    exchange.close('ok', 202);
  }

  #onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (this.#isOutOfTurn(socket)) return;
    const exchange = this.#open(req, socket as Socket);
    const hop = this.#hop(req, exchange);
    const problem = problemWith(req);
    const route =
      problem === ''
        ? this.#router.route(req.method!, req.url!, true)
        : ({ kind: 'refuse', failure: 'bad_request', detail: problem } as const);
    const isTooPlain = 'deployment' in route && isForCalls(this.#schemes[route.deployment]);
    if (route.kind !== 'forward' || isTooPlain) {
      const [failure, detail] =
        route.kind === 'refuse'
          ? ([route.failure, route.detail] as const)
          : isTooPlain
            ? (['wrong_protocol', ONLY_CALLS] as const)
            : (['method_not_allowed', ''] as const);
      socket.end(refusalBytes(failure, exchange.id, detail));
      exchange.close(failure, catalogue[failure].http, detail);
      return;
    }
    exchange.route(route.deployment);
    route.turn.take(route.deployment);
    this.#proxy.upgrade(exchange, req, socket, head, route.path, hop);
  }

  /**
   * A request for a tunnel behind one that is not answered yet: Node has let go of that answer, so neither can be sent
   * in its turn. The connection ends.
   */
  #isOutOfTurn(socket: Duplex): boolean {
    const answering = this.#answering.get(socket);
    if (answering === undefined || answering.res.writableFinished) return false;
    socket.destroy();
    return true;
  }

  /** We are a gateway to known replicas, never a way to somewhere else (RFC 9110 9.3.6). */
  #onConnect(req: IncomingMessage, socket: Duplex): void {
    socket.on('error', () => socket.destroy());
    if (this.#isOutOfTurn(socket)) return;
    const exchange = this.#open(req, socket as Socket);
    socket.end(refusalBytes('method_not_allowed', exchange.id, 'CONNECT is not served'));
    exchange.close('method_not_allowed', catalogue.method_not_allowed.http);
  }

  /** What Node's parser refused, or did not get in time. A connection that broke is no request. */
  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    if (this.#broken.has(socket)) return;
    this.#broken.add(socket);
    const failure = PARSER_FAILURES[error.code ?? ''] ?? 'bad_request';
    const answering = this.#answering.get(socket);
    const isAnswering = answering?.res.writableFinished === false;
    if (isAnswering && !answering.req.complete) {
      // What is malformed, or late, is the body of a request that is under way.
      if (answering.running) answering.running.abort(failure, error.code ?? error.message);
      // Refused already, and told so; only the rest of its body is malformed.
      else answering.res.end(() => socket.destroy());
      if (failure === 'client_gone') socket.destroy();
      return;
    }
    const exchange = this.#exchanges.open(undefined);
    exchange.remoteAddress = plainAddress((socket as Socket).remoteAddress ?? '');
    // An answer that is on its way on this connection goes first: another in its midst would be taken for part of it.
    if (failure === 'client_gone') socket.destroy();
    else if (isAnswering) answering.res.once('close', () => socket.destroy());
    else {
      socket.end(refusalBytes(failure, exchange.id));
      setTimeout(() => socket.destroy(), CLOSING_MS).unref();
    }
    exchange.close(failure, catalogue[failure].http, error.code ?? error.message);
  }

  #open(req: IncomingMessage, socket: Socket): Exchange {
    const exchange = this.#exchanges.open(req.headers[ID_HEADER_LOWER] as string | undefined);
    exchange.method = req.method!;
    exchange.target = req.url!;
    exchange.remoteAddress = plainAddress(socket.remoteAddress ?? '');
    return exchange;
  }

  /** What the replica learns about the way; brings an absolute-form target into origin form. */
  #hop(req: IncomingMessage, exchange: Exchange): Hop {
    const absolute = absoluteForm(req.url!);
    if (absolute) req.url = exchange.target = absolute.path;
    return {
      id: exchange.id,
      traceparent: exchange.trace(req.headers[TRACE_HEADER] as string | undefined),
      remoteAddress: exchange.remoteAddress,
      proto: 'http',
      host: absolute?.authority ?? req.headers.host ?? '',
    };
  }
}
