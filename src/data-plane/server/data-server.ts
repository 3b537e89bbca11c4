// The data server: accepts connections of clients and gives each to the server of its protocol.
// Invariant: a connection has one owner at any time, and `stop` ends every connection.
//
//   connection ─► fast lane (proxy/fast/fast-lane.ts), while its requests are ordinary HTTP/1.1 to plain replicas
//              ─► http1-server.ts for all other HTTP/1.1
//              ─► http2-server.ts for HTTP/2, detected by its first bytes or by ALPN
//                  └ requests that are no gRPC calls: each has a socket of its own, for the fast lane or http1-server.ts
//   Every connection passes protocol/http/server-front.ts first: TLS, Unix sockets.
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Address } from '../../core/address.ts';
import { SubjectHeader } from '../../core/client-subject.ts';
import type { Logger } from '../../core/logger.ts';
import type { ServerCertificate } from '../../core/server-certificate.ts';
import { waitAtMost } from '../../core/wait.ts';
import type { Exchanges } from '../../core/exchange/exchange.ts';
import { answerRefused } from '../../protocol/grpc/refused-http2.ts';
import { webFormatOf } from '../../protocol/grpc/web-content-type.ts';
import { awaitFirstBytes, protocolOf } from '../../protocol/http/http2-preface.ts';
import { BY_LENGTH } from '../../protocol/http/body-framing.ts';
import { boundAddress, listen, type PortUse } from '../../protocol/http/listen.ts';
import { Http1StreamSocket } from '../../protocol/http2/http1/http1-stream-socket.ts';
import { ServerFront, type ConnectionLimits } from '../../protocol/http/server-front.ts';
import { isTlsHandshake } from '../../protocol/http/tls-acceptor.ts';
import type { FastLane, Proxy } from '../proxy/proxy.ts';
import { AsyncRoutes, type AsyncDeps } from './async-routes.ts';
import { Submissions, type SubmissionDeps } from './submissions.ts';
import type { Admission } from './admission.ts';
import type { ClientAccess } from './client-access.ts';
import { Cors } from './cors.ts';
import { ProtocolRouter, type ServedDeployment } from '../routing/protocol-router.ts';
import { Http1Server, type Http1Limits } from './http1-server.ts';
import { Http2Server, type Http2Deps } from './http2-server.ts';
import { NodeHttp2Server } from './node-http2-server.ts';
import type { DataServerOptions } from './options.ts';

export { Admission } from './admission.ts';
export { ClientAccess } from './client-access.ts';
export { OpenPaths } from './open-paths.ts';
export { Overload } from './overload.ts';
export { missedPaths, missedPathWarning, type MissedPath } from './predict-path-warning.ts';
export type { AsyncDeps, AsyncQueue, AsyncRates } from './async-routes.ts';

/** Header lines of a web page's request. */
const HAS_ORIGIN = /^origin:/im;

/** Time limit for the body of a submission, in milliseconds. */
const BODY_TIMEOUT_MS = 30_000;

export class DataServer {
  readonly name = 'ingress';
  readonly #options: DataServerOptions;
  readonly #exchanges: Exchanges;
  readonly #proxy: Proxy;
  readonly #router: ProtocolRouter;
  readonly #http1: Http1Server;
  readonly #http2: Http2Server | NodeHttp2Server;
  readonly #fast: FastLane | undefined;
  readonly #front: ServerFront;
  readonly #drainEnded = Promise.withResolvers<void>();

  constructor(
    options: DataServerOptions,
    limits: Http1Limits,
    deployments: readonly ServedDeployment[],
    exchanges: Exchanges,
    proxy: Proxy,
    async: Omit<AsyncDeps, 'access' | 'submissions'> & SubmissionDeps,
    access: ClientAccess | undefined,
    admission: Admission | undefined,
    onWake: (deployment: number) => void,
    certificate: ServerCertificate | undefined,
    log: Logger,
    connections: ConnectionLimits,
  ) {
    this.#options = options;
    this.#exchanges = exchanges;
    this.#proxy = proxy;
    const router = new ProtocolRouter(async.modelId, deployments);
    this.#router = router;
    this.#front = new ServerFront({
      server: 'ingress',
      listen: options.listen,
      certificate,
      connections,
      log,
      // With node:http2, HTTP/2 serves only gRPC. gRPC clients offer only h2; clients that offer both send HTTP requests.
      protocols: () => (proxy.usesNodeHttp2 && router.servesHttp ? ['http/1.1', 'h2'] : ['h2', 'http/1.1']),
      answerHttp2: answerRefused,
      connected: (socket, protocol) => this.#onConnection(socket, protocol),
    });
    const proto = this.#front.isSecure ? 'https' : 'http';
    const { subject_header } = options.tls;
    const subjectHeader = subject_header === '' ? undefined : new SubjectHeader(subject_header);
    const cors = options.cors.origins.length === 0 ? undefined : new Cors(options.cors);
    const submissions = new Submissions(
      async,
      Math.min(BODY_TIMEOUT_MS, Math.max(limits.totalTimeoutMs, options.header_timeout)),
    );
    this.#http1 = new Http1Server(
      options,
      limits,
      {
        exchanges,
        proxy,
        async: new AsyncRoutes({ ...async, submissions, access }),
        router,
        admission,
        cors,
        onWake,
        proto,
        subjectHeader,
      },
      this.#front.accept,
    );
    const http2Deps: Http2Deps = {
      exchanges,
      proxy,
      decide: (target) => router.routeCall(target),
      serveHttp1: (socket) => this.#serveStream(socket),
      subjectHeader,
      admission,
      log,
    };
    this.#http2 = proxy.usesNodeHttp2
      ? new NodeHttp2Server(options, http2Deps)
      : new Http2Server(options, http2Deps);
    this.#fast = proxy.fastLane({
      exchanges,
      proto,
      subjectHeader,
      maxHeadBytes: options.max_header,
      headerTimeoutMs: options.header_timeout,
      keepAliveTimeoutMs: options.keep_alive_timeout,
      // The full lane answers web pages, selects the deployment of a gRPC-Web call by its metadata, and answers
      // submissions without a length and those that are too large.
      decide: ({ method, target, kept, type, framing, length }) => {
        if (cors !== undefined && HAS_ORIGIN.test(kept)) return undefined;
        if (router.servesGrpc && webFormatOf(type) !== undefined) return undefined;
        const decision = router.routeFast(method, target);
        const isSubmission = decision?.kind === 'async_predict';
        return isSubmission && !(framing === BY_LENGTH && length <= async.maxBody) ? undefined : decision;
      },
      submissions,
      access: admission,
      responseLines: cors?.varies === true ? 'Vary: Origin\r\n' : '',
      handOver: (socket, first) => this.#onHandOver(socket, first),
    });
  }

  /**
   * Throws a WeirError that names the address if it cannot listen. `use`: of the port, by threads. `port`: that the first
   * thread has.
   */
  start(use: PortUse = 'alone', port = this.#options.listen.port): Promise<void> {
    const address = { ...this.#options.listen, port };
    return listen(this.#http1.server, { ...this.#options, listen: address }, '--listen', use);
  }

  get address(): Address {
    return boundAddress(this.#http1.server, this.#options.listen);
  }

  /** The server that listens. */
  get listener(): Server {
    return this.#http1.server;
  }

  /**
   * Lets another process accept new connections from the same socket. Open ones go on: HTTP/2 ends with its last stream,
   * HTTP/1.1 with its next response, or when it was idle for `keep_alive_timeout`, so that no request meets a connection
   * that is being closed. Resolves when no connection is left.
   */
  leave(): Promise<void> {
    this.#fast?.drain(false);
    this.#http2.drain();
    return this.#http1.leave();
  }

  /**
   * Accepts no new connections and lets running exchanges end; aborts those that still run at `deadlineMs`
   * (performance.now()). Resolves when none is left.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#http1.drain();
    this.#fast?.drain();
    this.#http2.drain();
    await waitAtMost(
      deadlineMs - performance.now(),
      Promise.race([this.#exchanges.idle(), this.#drainEnded.promise]),
    );
    this.#proxy.abortAll('draining');
    this.#front.close();
    this.#http1.server.closeAllConnections();
    await this.#http2.closeAll();
  }

  /** Ends the wait in `stop`, so running exchanges are aborted now. */
  endDrain(): void {
    this.#drainEnded.resolve();
  }

  /** Replaces the deployments for all further requests. */
  reroute(deployments: readonly ServedDeployment[]): void {
    this.#router.reroute(deployments);
  }

  /** `protocol`: over TLS it is known before the first byte (RFC 9113 3.3). */
  #onConnection(socket: Socket, protocol: 'http1' | 'http2' | undefined): void {
    if (protocol === 'http2') this.#serve(socket, protocol);
    else if (this.#fast) this.#fast.accept(socket);
    else if (protocol === undefined) this.#detectProtocol(socket);
    else this.#serve(socket, protocol);
  }

  /** Serves a connection that the fast lane gives up. `first`: its bytes, if they are the first of the connection. */
  #onHandOver(socket: Socket, first: Buffer | undefined): void {
    if (Http1StreamSocket.is(socket)) return this.#serveOne(socket);
    if (first === undefined || this.#front.isSecure) return this.#serve(socket, 'http1');
    const protocol = protocolOf(first);
    if (protocol === 'incomplete') return this.#detectProtocol(socket);
    return this.#serveFirst(socket, protocol, first);
  }

  /** Serves a stream of HTTP/2 like a connection of HTTP/1.1. */
  #serveStream(stream: Http1StreamSocket): void {
    if (this.#fast) this.#fast.accept(stream as Duplex as Socket);
    else this.#serveOne(stream);
  }

  /** Serves a stream in the full lane. The next stream of the connection begins in the fast lane again. */
  #serveOne(stream: Http1StreamSocket): void {
    stream.serveOne();
    this.#http1.accept(stream as Duplex as Socket);
  }

  #detectProtocol(socket: Socket): void {
    awaitFirstBytes(socket, this.#options.header_timeout, (protocol, first) =>
      this.#serveFirst(socket, protocol, first),
    );
  }

  /** Serves a connection in clear text that begins with these bytes, which were put back. */
  #serveFirst(socket: Socket, protocol: 'http1' | 'http2', first: Buffer): void {
    if (isTlsHandshake(first)) this.#front.refuseTls(socket);
    else this.#serve(socket, protocol);
  }

  #serve(socket: Socket, protocol: 'http1' | 'http2'): void {
    if (protocol === 'http2') this.#http2.accept(socket);
    else this.#http1.accept(socket);
  }
}
