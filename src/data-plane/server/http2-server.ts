// HTTP/2 of the data server: opens an exchange for every gRPC call, routes it and forwards or refuses it. All other
// requests go to the lanes of HTTP/1.1, each over a socket that stands for its stream.
// Invariant: a gRPC call gets a gRPC response, whatever is wrong; and a client that floods a connection with streams,
// resets, settings, pings or headers loses that connection, and costs no unbounded memory.
//
// Limits, each tried by test/e2e/http2-attacks.slow.test.ts:
//   concurrent streams, header size    ingress.max_streams, ingress.max_header (RFC 9113 6.5.2)
//   resets                             ingress.http2.reset_burst, ingress.http2.reset_rate
//   frames that move nothing           protocol/http2/flood-guard.ts: 330 a second after 10,000
//   bytes that wait                    the window of each stream, and proxy.http2.max_held for all connections
//   silence                            ingress.header_timeout, ingress.keep_alive_timeout, ingress.http2.ping_interval
//   streams that stall                 the call's own limits
import type { Socket } from 'node:net';
import type { SubjectHeader } from '../../core/client-subject.ts';
import { Deadlines, type Expiring } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import { NO_DEPLOYMENT, type Exchange, type Exchanges } from '../../core/exchange/exchange.ts';
import { ID_HEADER_LOWER, TRACE_HEADER } from '../../core/header-names.ts';
import type { Logger } from '../../core/logger.ts';
import { waitAtMost } from '../../core/wait.ts';
import { isGrpc } from '../../protocol/grpc/metadata.ts';
import { grpcStatusOf } from '../../protocol/grpc/refusal.ts';
import { isAuthority } from '../../protocol/http/authority.ts';
import { errorResponse } from '../../protocol/http/error-response.ts';
import { peerOf, type Peer } from '../../protocol/http/peer.ts';
import { Http2Connection, type ConnectionListener } from '../../protocol/http2/connection.ts';
import type { Http2Options } from '../../protocol/http2/connection-options.ts';
import type { ConnectionProblem, Http2ConnectionError } from '../../protocol/http2/error-code.ts';
import type { HeaderBlock } from '../../protocol/http2/hpack/header-block.ts';
import type { Http1StreamSocket } from '../../protocol/http2/http1/http1-stream-socket.ts';
import { discardRest } from '../../protocol/http2/http1/discarded-request.ts';
import { Http1Streams } from '../../protocol/http2/http1/http1-streams.ts';
import type { Http2Stream } from '../../protocol/http2/stream.ts';
import { Http2Caller, type Proxy, type RequestHeaders } from '../proxy/proxy.ts';
import type { CallRoute, CallTarget } from '../routing/route.ts';
import type { Admission } from './admission.ts';
import type { DataServerOptions } from './options.ts';

/** Frames that move nothing: a burst, and so many a second. */
const CONTROL_BURST = 10_000;
const CONTROL_PER_SECOND = 330;
/** Output that waits for a client that does not read its acknowledgements and resets. */
const MAX_UNREAD_BYTES = 1024 ** 2;
/** Time in which a client must read the last trailers. */
const CLOSING_MS = 1000;

/** Guards of connections: what they end is told to the operator. */
const GUARDS: ReadonlySet<ConnectionProblem> = new Set([
  'resets',
  'control_frames',
  'window_updates',
  'header_frames',
  'unread_output',
]);

export interface Http2Deps {
  readonly exchanges: Exchanges;
  readonly proxy: Proxy;
  readonly decide: (target: CallTarget) => CallRoute;
  /** Serves requests that are no gRPC calls, like those of an HTTP/1.1 client. */
  readonly serveHttp1: (socket: Http1StreamSocket) => void;
  /** `undefined`: replicas are not told the subject of the client's certificate. */
  readonly subjectHeader: SubjectHeader | undefined;
  /** `undefined`: no key is required. */
  readonly admission: Admission | undefined;
  readonly log: Logger;
}

export class Http2Server {
  readonly #options: Http2Options;
  readonly #deps: Http2Deps;
  readonly #headers: RequestHeaders;
  readonly #deadlines = new Deadlines();
  readonly #connections = new Set<ClientConnection>();
  #isDraining = false;
  #allClosed: (() => void) | undefined;

  constructor(options: DataServerOptions, deps: Http2Deps) {
    const { http2 } = options;
    this.#deps = deps;
    this.#headers = deps.proxy.grpcHeaders(deps.subjectHeader);
    this.#options = {
      role: 'server',
      maxStreams: options.max_streams,
      maxHeaderListBytes: options.max_header,
      streamWindow: http2.stream_window,
      maxStreamWindow: Math.max(http2.stream_window, http2.max_stream_window),
      connectionWindow: http2.connection_window,
      heldBytes: deps.proxy.heldBytes,
      counters: deps.proxy.http2Counters.client,
      maxUnreadBytes: MAX_UNREAD_BYTES,
      resetBurst: http2.reset_burst,
      resetsPerSecond: http2.reset_rate,
      controlBurst: CONTROL_BURST,
      controlPerSecond: CONTROL_PER_SECOND,
      allowsExtendedConnect: true,
      settingsTimeoutMs: options.header_timeout,
      idleMs: options.keep_alive_timeout,
      pingIntervalMs: http2.ping_interval,
      pingTimeoutMs: http2.ping_timeout,
      maxAgeMs: http2.max_connection_age,
    };
  }

  /** Serves a connection. Its first unread bytes must be the HTTP/2 preface. */
  accept(socket: Socket): void {
    // A client that ended its side has left, since it cannot even acknowledge data. The HTTP/1 server, which accepted
    // the connection, allows half-open connections.
    socket.allowHalfOpen = false;
    const client = new ClientConnection(socket, this.#options, this, this.#deps);
    this.#connections.add(client);
    this.#deadlines.watch(client);
    if (this.#isDraining) client.connection.goAway();
  }

  /** Sends GOAWAY on every connection; a connection ends when it has no stream left. */
  drain(): void {
    this.#isDraining = true;
    for (const { connection } of this.#connections) connection.goAway();
  }

  /** Closes all connections, once the last trailers are sent or CLOSING_MS have passed. */
  async closeAll(): Promise<void> {
    if (this.#connections.size > 0)
      await waitAtMost(CLOSING_MS, new Promise<void>((resolve) => (this.#allClosed = resolve)));
    for (const { connection } of this.#connections) connection.destroy();
  }

  // ── From the connections ─────────────────────────────────────────────────────────────────────────────────────────

  /** A connection is over. */
  gone(client: ClientConnection, error: Http2ConnectionError | undefined): void {
    this.#connections.delete(client);
    this.#deadlines.unwatch(client);
    if (error !== undefined && GUARDS.has(error.problem))
      this.#deps.log.event('http2_client_cut', {
        address: client.peer.address,
        guard: error.problem,
        problem: error.message,
      });
    if (this.#connections.size === 0) this.#allClosed?.();
  }

  /** A request of a client. */
  serve(client: ClientConnection, stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    const { proxy, decide, admission } = this.#deps;
    if (!isGrpc(block.value('content-type'))) return this.#serveHttp(client, stream, block, isEnd);
    const exchange = this.#open(client.peer, block);
    exchange.protocol = 'grpc';
    const caller = new Http2Caller(stream, block, exchange);
    if (block.isTooLarge)
      return refuseCall(
        caller,
        exchange,
        'headers_too_large',
        `more than ${this.#options.maxHeaderListBytes} bytes (ingress.max_header)`,
      );
    const route = decide({
      modelId: block.value('baseten-model-id'),
      environment: block.value('x-baseten-environment'),
      deployment: block.value('x-baseten-deployment'),
    });
    exchange.requestedDeployment = route.deployment ?? NO_DEPLOYMENT;
    const denied = admission?.check(exchange, credentialsOf(block), route);
    if (denied !== undefined) return refuseCall(caller, exchange, denied.failure, denied.detail);
    if (exchange.method !== 'POST')
      return refuseCall(caller, exchange, 'method_not_allowed', 'gRPC requires POST');
    // Servers of HTTP/2 reset a call with another value, which would count against the replica.
    const authority = block.authority || (block.value('host') ?? '');
    if (authority !== '' && !isAuthority(authority))
      return refuseCall(caller, exchange, 'bad_request', ':authority must be a host, or host:port');
    if (route.kind === 'refuse') return refuseCall(caller, exchange, route.failure, route.detail);
    exchange.route(route.deployment);
    route.picker.take(route.deployment);
    exchange.trace(singleValue(block, TRACE_HEADER));
    proxy.grpc(exchange, caller, this.#headers);
  }

  /** A request other than a gRPC call. What HTTP/1.1 cannot express is refused. */
  #serveHttp(client: ClientConnection, stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    if (block.isTooLarge) {
      const detail = `more than ${this.#options.maxHeaderListBytes} bytes (ingress.max_header)`;
      return refuseHttp(stream, this.#openHttp(client.peer, block), 'headers_too_large', detail);
    }
    const { protocol } = block;
    if (protocol !== '' && protocol !== 'websocket') {
      const detail = `:protocol "${protocol}"; the only one supported is websocket`;
      return refuseHttp(stream, this.#openHttp(client.peer, block), 'not_implemented', detail);
    }
    const problem = client.http1.serve(stream, block, isEnd);
    if (problem !== '') refuseHttp(stream, this.#openHttp(client.peer, block), 'bad_request', problem);
  }

  #openHttp(peer: Peer, block: HeaderBlock): Exchange {
    const exchange = this.#open(peer, block);
    exchange.isHttp2 = true;
    return exchange;
  }

  #open({ address, subject }: Peer, block: HeaderBlock): Exchange {
    const exchange = this.#deps.exchanges.open(block.value(ID_HEADER_LOWER));
    exchange.method = block.method;
    exchange.target = block.path;
    exchange.remoteAddress = address;
    exchange.clientSubject = subject;
    exchange.accepted('HTTP/2 server');
    return exchange;
  }
}

/** The connection of one client. */
class ClientConnection implements ConnectionListener, Expiring {
  watchSlot = -1;
  readonly peer: Peer;
  readonly connection: Http2Connection;
  /** Its requests that are no gRPC calls. */
  readonly http1: Http1Streams;
  readonly #server: Http2Server;

  constructor(socket: Socket, options: Http2Options, server: Http2Server, deps: Http2Deps) {
    this.#server = server;
    this.peer = peerOf(socket);
    this.http1 = new Http1Streams(socket, deps.serveHttp1);
    this.connection = new Http2Connection(socket, options, this);
  }

  onStream(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    this.#server.serve(this, stream, block, isEnd);
  }

  onReady(): void {
    // Nothing waits for the client's SETTINGS.
  }

  onLeaving(): void {
    // Its streams go on.
  }

  onGone(_connection: Http2Connection, error: Http2ConnectionError | undefined): void {
    this.http1.close();
    this.#server.gone(this, error);
  }

  expire(nowMs: number): void {
    this.connection.sweep(nowMs);
  }
}

/** The value of a name; `undefined` if there is none, or more than one. */
function singleValue(block: HeaderBlock, name: string): string | undefined {
  const value = block.value(name);
  if (value === undefined) return undefined;
  let count = 0;
  for (const field of block.fields) if (field.name === name) count++;
  return count === 1 ? value : undefined;
}

/** The key of a call: contract 1.5 names `baseten-authorization`, and libraries send `authorization`. */
const credentialsOf = (block: HeaderBlock): string | undefined =>
  block.value('baseten-authorization') === undefined
    ? singleValue(block, 'authorization')
    : singleValue(block, 'baseten-authorization');

function refuseCall(caller: Http2Caller, exchange: Exchange, failure: Failure, detail: string): void {
  const status = grpcStatusOf(failure);
  exchange.wrote(0);
  exchange.fail(failure, detail, status);
  caller.refuse(failure, detail, status, '');
}

/** Refuses a request other than a gRPC call. */
function refuseHttp(stream: Http2Stream, exchange: Exchange, failure: Failure, detail: string): void {
  const { status, headers, body } = errorResponse(failure, exchange.id, { detail });
  const sent = Buffer.from(exchange.method === 'HEAD' ? '' : body);
  exchange.wrote(sent.length);
  exchange.fail(failure, detail);
  const writer = stream.head().add(':status', String(status));
  for (let i = 0; i < headers.length; i += 2) writer.add(headers[i]!.toLowerCase(), headers[i + 1]!);
  writer.send(false);
  stream.write(sent, 0, sent.length, true);
  if (stream.isOpen && !stream.hasPeerEnded) {
    if (exchange.method === 'CONNECT') stream.stopPeer();
    else discardRest(stream);
  }
}
