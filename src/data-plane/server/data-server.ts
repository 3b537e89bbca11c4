// The data server: accepts connections of clients and gives each to the server of its protocol.
// Invariant: a connection has one owner at any time, and `stop` ends every connection.
//
//   connection ─► fast lane (proxy/fast/fast-lane.ts), while its requests are ordinary HTTP/1.1 to plain replicas
//              ─► http1-server.ts for all other HTTP/1.1
//              ─► http2-server.ts for HTTP/2, detected by its first bytes or by ALPN
//   With a certificate every connection passes tls-server.ts first.
import type { Socket } from 'node:net';
import { readKeyPair, type KeyPair } from '../../core/certificates.ts';
import { WeirError } from '../../core/errors.ts';
import type { Address } from '../../core/address.ts';
import { waitAtMost } from '../../core/wait.ts';
import type { Exchanges } from '../../core/exchange/exchange.ts';
import { boundAddress, listen } from '../../protocol/http/listen.ts';
import type { FastLane, Proxy } from '../proxy/proxy.ts';
import { AsyncRoutes, type AsyncDeps } from './async-routes.ts';
import { ProtocolRouter, type ServedDeployment } from '../routing/protocol-router.ts';
import { Http1Server, type Http1Limits } from './http1-server.ts';
import { Http2Server } from './http2-server.ts';
import type { DataServerOptions } from './options.ts';
import { awaitFirstBytes, protocolOf } from './http2-preface.ts';
import { TlsServer } from './tls-server.ts';

export { predictPathWarning } from './predict-path-warning.ts';

export class DataServer {
  readonly name = 'ingress';
  readonly #options: DataServerOptions;
  readonly #exchanges: Exchanges;
  readonly #proxy: Proxy;
  readonly #router: ProtocolRouter;
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  readonly #fast: FastLane | undefined;
  readonly #tls: TlsServer | undefined;
  #pair: KeyPair | undefined;
  readonly #drainEnded = Promise.withResolvers<void>();

  constructor(
    options: DataServerOptions,
    limits: Http1Limits,
    deployments: readonly ServedDeployment[],
    exchanges: Exchanges,
    proxy: Proxy,
    async: AsyncDeps,
    onWake: (deployment: number) => void,
  ) {
    this.#options = options;
    this.#exchanges = exchanges;
    this.#proxy = proxy;
    const router = new ProtocolRouter(async.modelId, deployments);
    this.#router = router;
    this.#pair = options.tls.cert === '' ? undefined : this.#readPair();
    if (this.#pair !== undefined)
      this.#tls = new TlsServer(
        this.#pair,
        options.tls.handshake_timeout,
        () => router.servesHttp,
        (socket, protocol) => this.#onHandshake(socket, protocol),
      );
    const proto = this.#tls === undefined ? 'http' : 'https';
    this.#http1 = new Http1Server(
      options,
      limits,
      { exchanges, proxy, async: new AsyncRoutes(async), router, onWake, proto },
      (socket) => this.#onConnection(socket),
    );
    this.#http2 = new Http2Server(options, {
      exchanges,
      proxy,
      decide: (target) => router.routeCall(target),
    });
    this.#fast = proxy.fastLane({
      exchanges,
      proto,
      maxHeadBytes: options.max_header,
      headerTimeoutMs: options.header_timeout,
      keepAliveTimeoutMs: options.keep_alive_timeout,
      decide: (method, target) => router.routeFast(method, target),
      handOver: (socket, first) => this.#onHandOver(socket, first),
    });
  }

  /** Throws a WeirError that names the address if it cannot listen. */
  start(): Promise<void> {
    return listen(this.#http1.server, this.#options.listen, '--listen');
  }

  get address(): Address {
    return boundAddress(this.#http1.server);
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

  /**
   * Reads the certificate again, for new connections. Returns false if it is unchanged or not configured. Throws a
   * WeirError if it is invalid; the old one stays in use.
   */
  renewCertificate(): boolean {
    if (this.#tls === undefined) return false;
    const pair = this.#readPair();
    if (pair.cert === this.#pair?.cert && pair.key === this.#pair.key) return false;
    this.#tls.renew(pair);
    this.#pair = pair;
    return true;
  }

  /** The certificate that clients see; `undefined` without TLS. */
  get certificate(): Pick<KeyPair, 'names' | 'validToMs'> | undefined {
    return this.#pair;
  }

  #readPair(): KeyPair {
    const { cert, key } = this.#options.tls;
    const read = readKeyPair(cert, key);
    if (read.ok) return read.pair;
    throw new WeirError('bad_settings', read.problems.map((problem) => `ingress.tls.${problem}`).join('; '));
  }

  #onConnection(socket: Socket): void {
    if (this.#tls !== undefined) this.#tls.accept(socket);
    else if (this.#fast) this.#fast.accept(socket);
    else this.#detectProtocol(socket);
  }

  /** Over TLS the protocol is known before the first byte (RFC 9113 3.3). */
  #onHandshake(socket: Socket, protocol: 'http1' | 'http2'): void {
    if (protocol === 'http1' && this.#fast) this.#fast.accept(socket);
    else this.#serve(socket, protocol);
  }

  /** Serves a connection that the fast lane gives up. `first`: its bytes, if they are the first of the connection. */
  #onHandOver(socket: Socket, first: Buffer | undefined): void {
    const isHttp1 = first === undefined || this.#tls !== undefined;
    const protocol = isHttp1 ? 'http1' : protocolOf(first);
    if (protocol === 'incomplete') this.#detectProtocol(socket);
    else this.#serve(socket, protocol);
  }

  #detectProtocol(socket: Socket): void {
    awaitFirstBytes(socket, this.#options.header_timeout, (protocol) => this.#serve(socket, protocol));
  }

  #serve(socket: Socket, protocol: 'http1' | 'http2'): void {
    if (protocol === 'http2') this.#http2.accept(socket);
    else this.#http1.accept(socket);
  }
}
