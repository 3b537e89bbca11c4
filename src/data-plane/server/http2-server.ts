// HTTP/2 at the data door: every stream becomes an exchange, is routed, and is handed to the proxy or refused.
// Must stay true: what is called as gRPC is answered as gRPC, whatever is wrong; and a peer that floods a connection with
// streams, resets, settings, pings or headers loses that connection, not everybody's memory.
//
// What bounds that: concurrent streams and header size by our own settings (RFC 9113 6.5.2); resets at 33 a second after
// a burst of 1,000, frames that say nothing (settings, pings, priorities, unknown ones) at 330 a second after 10,000,
// CONTINUATION frames per header, unanswered acknowledgements and empty DATA by nghttp2 and Node, which also takes no
// more streams while ten megabytes wait on a connection; silence by ingress.keep_alive_timeout; streams that stand
// still, or hold too many small pieces, by their call. test/e2e/http2-attacks.slow.test.ts tries each.
import {
  constants,
  createServer,
  type Http2Server as NodeHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Failure } from '../../core/errors.ts';
import { NO_DEPLOYMENT, type Exchange, type Exchanges } from '../../core/exchange/exchange.ts';
import { ID_HEADER_LOWER, TRACE_HEADER } from '../../core/exchange/identity.ts';
import { isGrpc } from '../../protocol/grpc/metadata.ts';
import { refusalHeaders, statusOf } from '../../protocol/grpc/refusal.ts';
import { onlyValueOf } from '../../protocol/http/forwarded-headers.ts';
import { errorMessage } from '../../protocol/http/reply.ts';
import type { Proxy } from '../proxy/proxy.ts';
import type { DataServerOptions } from './options.ts';
import type { CallRoute, CallTarget } from '../routing/route.ts';

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR } = constants;

/** Window of a whole connection; that of one stream stays at the protocol's 64 KiB. */
const SESSION_WINDOW_BYTES = 1024 ** 2;

/** What an entry of a head weighs at least: its length and 32 (RFC 9113 6.5.2). */
const MIN_ENTRY_BYTES = 33;
/** Metadata may hold any name twice, also what HTTP has once. */
const AS_SENT: object = { strictSingleValueFields: false };

/** How long the last trailers may take to a client that reads. */
const CLOSING_MS = 1000;

export interface Http2Deps {
  readonly exchanges: Exchanges;
  readonly proxy: Proxy;
  /** Where a call goes. */
  readonly decide: (target: CallTarget) => CallRoute;
}

type Headers = IncomingHttpHeaders & Record<string, string | string[] | undefined>;

export class Http2Server {
  readonly #deps: Http2Deps;
  readonly #server: NodeHttp2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  #isDraining = false;

  constructor(options: DataServerOptions, deps: Http2Deps) {
    this.#deps = deps;
    this.#server = createServer({
      settings: { maxConcurrentStreams: options.max_streams, maxHeaderListSize: options.max_header },
      maxSessionInvalidFrames: 100,
      // The limit is in bytes.
      maxHeaderListPairs: Math.ceil(options.max_header / MIN_ENTRY_BYTES),
      ...AS_SENT,
    });
    this.#server.on('session', (session) => this.#onSession(session, options.keep_alive_timeout));
    // A connection that broke is no call; its streams end by themselves.
    this.#server.on('sessionError', (_, session) => session.destroy());
    this.#server.on('stream', (stream, headers, flags, raw: string[]) =>
      this.#onStream(stream, headers, (flags & NGHTTP2_FLAG_END_STREAM) !== 0, raw),
    );
  }

  /** Serves a connection that begins with the preface of HTTP/2, all its bytes in place. */
  accept(socket: Socket): void {
    // A client that has ended its side is gone: it cannot even say that it has read something. The server for HTTP/1,
    // which took the connection, leaves such a one half open.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
  }

  /** Tells every client to go elsewhere with its next call; connections end when nothing runs on them. */
  drain(): void {
    this.#isDraining = true;
    for (const session of this.#sessions) session.close();
  }

  /** Ends what is left, once the last trailers are out or the time for that is over. */
  async closeAll(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSING_MS)));
    const closed = Array.from(
      this.#sessions,
      (session) => new Promise<void>((resolve) => session.once('close', resolve)),
    );
    await Promise.race([Promise.all(closed), timeIsUp]);
    clearTimeout(timer);
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
    // Calls have deadlines of their own; a connection without one has this.
    session.setTimeout(idleMs, () => {
      if (streams > 0) return;
      session.close();
      // A head that was begun and never finished would keep it open.
      setTimeout(() => {
        if (streams === 0) session.destroy();
      }, CLOSING_MS).unref();
    });
    if (this.#isDraining) session.close();
  }

  #onStream(stream: ServerHttp2Stream, headers: Headers, isEmpty: boolean, raw: readonly string[]): void {
    const { exchanges, proxy, decide } = this.#deps;
    const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined);
    const exchange = exchanges.open(text(ID_HEADER_LOWER));
    exchange.method = headers[':method'] ?? '';
    exchange.target = headers[':path'] ?? '';
    exchange.remoteAddress = plainAddress(stream.session?.socket.remoteAddress ?? '');
    if (!isGrpc(headers['content-type'])) return refuseRequest(stream, exchange);
    exchange.protocol = 'grpc';
    const route = decide({
      modelId: text('baseten-model-id'),
      environment: text('x-baseten-environment'),
      deployment: text('x-baseten-deployment'),
    });
    exchange.askedFor = route.deployment ?? NO_DEPLOYMENT;
    if (exchange.method !== 'POST')
      return refuseCall(stream, exchange, 'method_not_allowed', 'gRPC takes POST');
    if (route.kind === 'refuse') return refuseCall(stream, exchange, route.failure, route.detail);
    exchange.route(route.deployment);
    route.turn.take(route.deployment);
    const traceparent = exchange.trace(onlyValueOf(raw, TRACE_HEADER));
    proxy.grpc(
      exchange,
      { stream, raw, isEmpty },
      {
        id: exchange.id,
        traceparent,
        isClientTrace: exchange.isClientTrace,
        remoteAddress: exchange.remoteAddress,
      },
    );
  }
}

function refuseCall(stream: ServerHttp2Stream, exchange: Exchange, failure: Failure, detail: string): void {
  if (!stream.destroyed) exchange.wrote(0);
  exchange.close(failure, statusOf(failure), detail);
  stream.on('error', () => stream.destroy());
  if (stream.destroyed) return;
  stream.respond(refusalHeaders(failure, exchange.id, detail), { endStream: true });
  stream.close(NGHTTP2_NO_ERROR);
}

/** A plain request over HTTP/2: only calls are served there. */
function refuseRequest(stream: ServerHttp2Stream, exchange: Exchange): void {
  const detail = 'over HTTP/2 only gRPC is served; send this as HTTP/1.1';
  const { status, headers, body } = errorMessage('wrong_protocol', exchange.id, { detail });
  const sent = exchange.method === 'HEAD' ? '' : body;
  if (!stream.destroyed) exchange.wrote(Buffer.byteLength(sent));
  exchange.close('wrong_protocol', status, detail);
  stream.on('error', () => stream.destroy());
  if (stream.destroyed) return;
  stream.respond([
    ':status',
    String(status),
    ...headers.map((text, i) => (i % 2 ? text : text.toLowerCase())),
  ]);
  stream.end(sent);
  stream.close(NGHTTP2_NO_ERROR);
}

/** An IPv4 address that came in on an IPv6 socket, as the IPv4 address it is. */
export const plainAddress = (address: string): string =>
  address.startsWith('::ffff:') ? address.slice(7) : address;
