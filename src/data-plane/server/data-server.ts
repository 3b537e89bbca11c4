// The data door: looks at every new connection and gives it to whoever serves what it speaks, and opens and closes the
// whole of it. Must stay true: a connection has one owner at any time, and none is forgotten at the end.
//
//   connection ─► fast lane (data-plane/proxy/fast/fast-lane.ts) for as long as it is ordinary HTTP/1.1 to a plain replica; then
//              ─► HTTP/1.1, whatever else of it there is: http1-server.ts
//              ─► HTTP/2, by its first bytes, or as TLS agreed on it: http2-server.ts
//   With a certificate every connection goes through tls-server.ts first.
import type { Socket } from 'node:net';
import { readKeyPair, type KeyPair } from '../../core/certificates.ts';
import { WeirError } from '../../core/errors.ts';
import type { Address } from '../../core/settings.ts';
import type { Exchanges } from '../../core/exchange/exchange.ts';
import { boundAddress, listen } from '../../protocol/http/listen.ts';
import type { FastLane, Proxy } from '../proxy/proxy.ts';
import { AsyncRoutes, type AsyncDeps } from './async-routes.ts';
import { ProtocolRouter, type ServedProtocol } from '../routing/protocol-router.ts';
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
  readonly #directions: ProtocolRouter;
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  readonly #fast: FastLane | undefined;
  readonly #tls: TlsServer | undefined;
  #pair: KeyPair | undefined;
  readonly #cut = Promise.withResolvers<void>();

  constructor(
    options: DataServerOptions,
    limits: Http1Limits,
    deployments: readonly ServedProtocol[],
    exchanges: Exchanges,
    proxy: Proxy,
    async: AsyncDeps,
    woken: (deployment: number) => void,
  ) {
    this.#options = options;
    this.#exchanges = exchanges;
    this.#proxy = proxy;
    const directions = new ProtocolRouter(async.modelId, deployments, (target) =>
      exchanges.wantsBodies(target),
    );
    this.#directions = directions;
    this.#pair = options.tls.cert === '' ? undefined : this.#readPair();
    if (this.#pair !== undefined)
      this.#tls = new TlsServer(
        this.#pair,
        options.tls.handshake_timeout,
        () => directions.servesRequests,
        (socket, protocol) => this.#secured(socket, protocol),
      );
    const proto = this.#tls === undefined ? 'http' : 'https';
    this.#http1 = new Http1Server(
      options,
      limits,
      { exchanges, proxy, async: new AsyncRoutes(async), directions, woken, proto },
      (socket) => this.#connected(socket),
    );
    this.#http2 = new Http2Server(options, {
      exchanges,
      proxy,
      decide: (target) => directions.call(target),
    });
    this.#fast = proxy.fastLane({
      exchanges,
      proto,
      maxHeadBytes: options.max_header,
      headerTimeoutMs: options.header_timeout,
      keepAliveTimeoutMs: options.keep_alive_timeout,
      decide: (method, target) => directions.plain(method, target),
      handOver: (socket, first) => this.#handedOver(socket, first),
    });
  }

  /** Listens; throws a Fault with the address in words when it cannot. */
  start(): Promise<void> {
    return listen(this.#http1.server, this.#options.listen, '--listen');
  }

  get address(): Address {
    return boundAddress(this.#http1.server);
  }

  /**
   * Accepts nothing new and lets running exchanges end; what still runs at `deadlineMs` is cut.
   * Resolves as soon as nothing runs.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#http1.drain();
    this.#fast?.drain();
    this.#http2.drain();
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, deadlineMs - performance.now()));
    });
    await Promise.race([this.#exchanges.idle(), timeIsUp, this.#cut.promise]);
    clearTimeout(timer);
    this.#proxy.abortAll('draining');
    this.#http1.server.closeAllConnections();
    await this.#http2.closeAll();
  }

  /** What still runs is not waited for any longer. */
  cut(): void {
    this.#cut.resolve();
  }

  /** Requests from now on are routed by this list. */
  reroute(deployments: readonly ServedProtocol[]): void {
    this.#directions.reroute(deployments);
  }

  /**
   * Reads the certificate anew, for new connections; false where there is nothing new. Throws a Fault when it is wrong,
   * and the one before stays.
   */
  renewCertificate(): boolean {
    if (this.#tls === undefined) return false;
    const pair = this.#readPair();
    if (pair.cert === this.#pair?.cert && pair.key === this.#pair.key) return false;
    this.#tls.renew(pair);
    this.#pair = pair;
    return true;
  }

  /** What the door shows clients of itself, where it speaks TLS. */
  get certificate(): Pick<KeyPair, 'names' | 'validToMs'> | undefined {
    return this.#pair;
  }

  #readPair(): KeyPair {
    const { cert, key } = this.#options.tls;
    const read = readKeyPair(cert, key);
    if (read.ok) return read.pair;
    throw new WeirError('bad_settings', read.problems.map((problem) => `ingress.tls.${problem}`).join('; '));
  }

  #connected(socket: Socket): void {
    if (this.#tls !== undefined) this.#tls.accept(socket);
    else if (this.#fast) this.#fast.accept(socket);
    else this.#tellApart(socket);
  }

  /** Over TLS the protocol is agreed on before the first byte (RFC 9113 3.3). */
  #secured(socket: Socket, protocol: 'http1' | 'http2'): void {
    if (protocol === 'http1' && this.#fast) this.#fast.accept(socket);
    else this.#serve(socket, protocol);
  }

  /** What the fast lane does not take. `first`: its bytes, where they are the first of the connection. */
  #handedOver(socket: Socket, first: Buffer | undefined): void {
    const isAgreed = first === undefined || this.#tls !== undefined;
    const protocol = isAgreed ? 'http1' : protocolOf(first);
    if (protocol === 'too short to tell') this.#tellApart(socket);
    else this.#serve(socket, protocol);
  }

  #tellApart(socket: Socket): void {
    awaitFirstBytes(socket, this.#options.header_timeout, (protocol) => this.#serve(socket, protocol));
  }

  #serve(socket: Socket, protocol: 'http1' | 'http2'): void {
    if (protocol === 'http2') this.#http2.accept(socket);
    else this.#http1.accept(socket);
  }
}
