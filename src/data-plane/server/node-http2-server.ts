// HTTP/2 of the data server on node:http2, for gRPC: opens an exchange for every stream, routes it and forwards or
// refuses it.
// Invariant: a gRPC call gets a gRPC response, whatever is wrong; and a client that floods a connection with streams,
// resets, settings, pings or headers loses that connection, and costs no unbounded memory.
//
// Limits, each tried by test/e2e/http2-attacks.slow.test.ts:
//   concurrent streams, header size       weir's settings (RFC 9113 6.5.2)
//   resets                                nghttp2: 33 a second after a burst of 1,000
//   settings, pings, priorities, unknown  nghttp2: 330 a second after 10,000
//   CONTINUATION frames per header, unanswered acknowledgements, empty DATA: nghttp2 and Node
//   data that waits on a connection       Node: no more streams above ten megabytes
//   silence                               ingress.keep_alive_timeout
//   streams that stall or hold too many small pieces: the call's own limits
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { SubjectHeader } from '../../core/client-subject.ts';
import type { Failure } from '../../core/errors.ts';
import { waitAtMost } from '../../core/wait.ts';
import { NO_DEPLOYMENT, type Exchange, type Exchanges } from '../../core/exchange/exchange.ts';
import { ID_HEADER_LOWER, TRACE_HEADER } from '../../core/header-names.ts';
import { isGrpc, metadataValue } from '../../protocol/grpc/metadata.ts';
import { refusalHeaders, grpcStatusOf } from '../../protocol/grpc/refusal.ts';
import { singleValueOf } from '../../protocol/http/forwarded-headers.ts';
import { errorResponse } from '../../protocol/http/error-response.ts';
import { nodeHttp2 } from '../../protocol/http/node-http2.ts';
import { peerOf } from '../../protocol/http/peer.ts';
import { ERROR_CODE } from '../../protocol/http2/error-code.ts';
import { FLAG } from '../../protocol/http2/frame-types.ts';
import type { Proxy } from '../proxy/proxy.ts';
import type { Admission } from './admission.ts';
import type { DataServerOptions } from './options.ts';
import type { CallRoute, CallTarget } from '../routing/route.ts';

/** Window of a whole connection. The window of one stream stays at the protocol's 64 KiB. */
const SESSION_WINDOW_BYTES = 1024 ** 2;

/** Minimum size of a header in a header list: its length plus 32 (RFC 9113 6.5.2). */
const MIN_HEADER_BYTES = 33;
/** Metadata may repeat any name, also those that HTTP allows once. */
const ALLOW_REPEATED_NAMES: object = { strictSingleValueFields: false };

/** Time in which a client must read the last trailers. */
const CLOSING_MS = 1000;

export interface NodeHttp2Deps {
  readonly exchanges: Exchanges;
  readonly proxy: Proxy;
  readonly decide: (target: CallTarget) => CallRoute;
  /** `undefined`: replicas are not told the subject of the client's certificate. */
  readonly subjectHeader: SubjectHeader | undefined;
  /** `undefined`: no key is required. */
  readonly admission: Admission | undefined;
}

type Headers = IncomingHttpHeaders & Record<string, string | string[] | undefined>;

export class NodeHttp2Server {
  readonly #deps: NodeHttp2Deps;
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  #isDraining = false;

  constructor(options: DataServerOptions, deps: NodeHttp2Deps) {
    this.#deps = deps;
    this.#server = nodeHttp2().createServer({
      settings: { maxConcurrentStreams: options.max_streams, maxHeaderListSize: options.max_header },
      maxSessionInvalidFrames: 100,
      // `max_header` limits bytes, so the number of headers must not be the tighter limit.
      maxHeaderListPairs: Math.ceil(options.max_header / MIN_HEADER_BYTES),
      ...ALLOW_REPEATED_NAMES,
    });
    this.#server.on('session', (session) => this.#onSession(session, options.keep_alive_timeout));
    // A broken connection opens no exchange; its streams end by themselves.
    this.#server.on('sessionError', (_, session) => session.destroy());
    this.#server.on('stream', (stream, headers, flags, raw: string[]) =>
      this.#onStream(stream, headers, (flags & FLAG.endStream) !== 0, raw),
    );
  }

  /** Serves a connection. Its first unread bytes must be the HTTP/2 preface. */
  accept(socket: Socket): void {
    // A client that ended its side has left, since it cannot even acknowledge data. The HTTP/1 server, which accepted
    // the connection, allows half-open connections.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
  }

  /** Sends GOAWAY on every connection; a connection ends when it has no stream left. */
  drain(): void {
    this.#isDraining = true;
    for (const session of this.#sessions) session.close();
  }

  /** Closes all connections, once the last trailers are sent or CLOSING_MS have passed. */
  async closeAll(): Promise<void> {
    const closed = Array.from(
      this.#sessions,
      (session) => new Promise<void>((resolve) => session.once('close', resolve)),
    );
    await waitAtMost(CLOSING_MS, Promise.all(closed));
    for (const session of this.#sessions) session.destroy();
  }

  #onSession(session: ServerHttp2Session, idleMs: number): void {
    this.#sessions.add(session);
    session.on('close', () => this.#sessions.delete(session));
    session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    let streams = 0;
    session.on('stream', (stream) => {
      streams++;
      stream.on('close', () => streams--);
    });
    // Calls have time limits of their own; this one is for a connection without calls.
    session.setTimeout(idleMs, () => {
      if (streams > 0) return;
      session.close();
      // Otherwise an unfinished header block would keep it open.
      setTimeout(() => {
        if (streams === 0) session.destroy();
      }, CLOSING_MS).unref();
    });
    if (this.#isDraining) session.close();
  }

  #onStream(stream: ServerHttp2Stream, headers: Headers, isEmpty: boolean, raw: readonly string[]): void {
    const { exchanges, proxy, decide, subjectHeader, admission } = this.#deps;
    const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined);
    const exchange = exchanges.open(text(ID_HEADER_LOWER));
    exchange.method = headers[':method'] ?? '';
    exchange.target = headers[':path'] ?? '';
    const client = stream.session && peerOf(stream.session.socket);
    exchange.remoteAddress = client?.address ?? '';
    exchange.clientSubject = client?.subject ?? '';
    exchange.accepted('HTTP/2 server');
    if (!isGrpc(headers['content-type'])) return refuseHttp(stream, exchange);
    exchange.protocol = 'grpc';
    const route = decide({
      modelId: text('baseten-model-id'),
      environment: text('x-baseten-environment'),
      deployment: text('x-baseten-deployment'),
    });
    exchange.requestedDeployment = route.deployment ?? NO_DEPLOYMENT;
    const denied = admission?.check(exchange, credentialsOf(raw), route);
    if (denied !== undefined) return refuseCall(stream, exchange, denied.failure, denied.detail);
    if (exchange.method !== 'POST')
      return refuseCall(stream, exchange, 'method_not_allowed', 'gRPC requires POST');
    if (route.kind === 'refuse') return refuseCall(stream, exchange, route.failure, route.detail);
    exchange.route(route.deployment);
    route.picker.take(route.deployment);
    const traceparent = exchange.trace(singleValueOf(raw, TRACE_HEADER));
    proxy.nodeGrpc(
      exchange,
      { stream, raw, isEmpty },
      {
        id: exchange.id,
        traceparent,
        isClientTrace: exchange.isClientTrace,
        remoteAddress: exchange.remoteAddress,
        subjectHeader,
        clientSubject: exchange.clientSubject,
      },
    );
  }
}

/** The key of a call: contract 1.5 names `baseten-authorization`, and libraries send `authorization`. */
const credentialsOf = (raw: readonly string[]): string | undefined =>
  metadataValue(raw, 'baseten-authorization') === undefined
    ? singleValueOf(raw, 'authorization')
    : singleValueOf(raw, 'baseten-authorization');

function refuseCall(stream: ServerHttp2Stream, exchange: Exchange, failure: Failure, detail: string): void {
  if (!stream.destroyed) exchange.wrote(0);
  exchange.fail(failure, detail, grpcStatusOf(failure));
  stream.on('error', () => stream.destroy());
  if (stream.destroyed) return;
  stream.respond(refusalHeaders(failure, exchange.id, detail), { endStream: true });
  stream.close(ERROR_CODE.noError);
}

/** Refuses an HTTP request over HTTP/2, which serves only gRPC. */
function refuseHttp(stream: ServerHttp2Stream, exchange: Exchange): void {
  const detail = 'weir serves only gRPC over HTTP/2; send this request over HTTP/1.1';
  const { status, headers, body } = errorResponse('wrong_protocol', exchange.id, { detail });
  const sent = exchange.method === 'HEAD' ? '' : body;
  if (!stream.destroyed) exchange.wrote(Buffer.byteLength(sent));
  exchange.fail('wrong_protocol', detail);
  stream.on('error', () => stream.destroy());
  if (stream.destroyed) return;
  stream.respond([
    ':status',
    String(status),
    ...headers.map((text, i) => (i % 2 ? text : text.toLowerCase())),
  ]);
  stream.end(sent);
  stream.close(ERROR_CODE.noError);
}
