// What every server does with a new connection before its protocol: Unix sockets, TLS, and clients that speak TLS to a
// clear-text port or clear text to a TLS port.
// Invariant: with a certificate only connections that have passed TLS are served, and messages about clients are limited.
import type { Server, Socket } from 'node:net';
import type { Address } from '../../core/address.ts';
import type { Logger } from '../../core/logger.ts';
import type { ServerCertificate } from '../../core/server-certificate.ts';
import type { ConnectionsPerAddress } from './connections-per-address.ts';
import type { OpenConnections } from './open-connections.ts';
import { peerOf, cameThroughUnixSocket } from './peer.ts';
import { TlsAcceptor, type Http2Refusal, type TlsRefusal } from './tls-acceptor.ts';

/** Shortest time between two messages of one kind. */
const QUIET_MS = 60_000;

/** Limits of the connections of a server. */
export interface ConnectionLimits {
  readonly open?: OpenConnections;
  readonly perAddress: ConnectionsPerAddress;
}

export interface FrontOptions {
  /** Name of the server: the section of its settings. */
  readonly server: string;
  readonly listen: Address;
  /** `undefined`: clear text. */
  readonly certificate: ServerCertificate | undefined;
  /** `undefined`: there may be any number of connections. */
  readonly connections?: ConnectionLimits;
  readonly log: Logger;
  /** Protocols over TLS (ALPN), the preferred one first. */
  readonly protocols: () => readonly string[];
  /** Answers HTTP/2 clients whose certificates are refused. Without it they only get GOAWAY. */
  readonly answerHttp2?: Http2Refusal;
  /** Receives every connection to serve. `protocol`: known over TLS only. */
  readonly connected: (socket: Socket, protocol: 'http1' | 'http2' | undefined) => void;
}

type Kind = TlsRefusal | 'tls' | 'crowd';

export class ServerFront {
  readonly #options: FrontOptions;
  readonly #tls: TlsAcceptor | undefined;
  readonly #last = new Map<Kind, { atMs: number; unsaid: number }>();

  constructor(options: FrontOptions) {
    this.#options = options;
    const { certificate, protocols, answerHttp2, connected } = options;
    this.#tls =
      certificate &&
      new TlsAcceptor(certificate, {
        protocols,
        answerHttp2,
        secured: connected,
        refused: (raw, refusal, problem) => this.#refused(raw, refusal, problem),
      });
  }

  get isSecure(): boolean {
    return this.#tls !== undefined;
  }

  /** Serves a new connection from which nothing was read. */
  readonly accept = (socket: Socket): void => {
    const { listen, connections } = this.#options;
    if (connections?.open?.accepts(socket) === false) {
      socket.destroy();
      return;
    }
    if (listen.path !== undefined) cameThroughUnixSocket(socket);
    else if (connections?.perAddress.accepts(socket) === false) {
      this.#warn('crowd', socket, 'connection refused: its address has too many', {});
      socket.destroy();
      return;
    }
    if (this.#tls === undefined) this.#options.connected(socket, undefined);
    else this.#tls.accept(socket);
  };

  /** Closes the connection of a client that speaks TLS to a server without a certificate. */
  refuseTls(socket: Socket): void {
    this.#warn('tls', socket, 'a client speaks TLS to a clear-text port', {
      hint: `use http://, or set ${this.#options.server}.tls.cert`,
    });
    socket.destroy();
  }

  /** Closes the connections that are not served yet. */
  close(): void {
    this.#tls?.close();
  }

  #refused(raw: Socket, refusal: TlsRefusal, problem: string): void {
    this.#options.certificate!.refused(refusal);
    // Port scanners and health checks of load balancers open connections and close them.
    if (refusal === 'late' || refusal === 'handshake') return;
    this.#warn(refusal, raw, 'connection to a TLS port refused', { problem });
  }

  #warn(kind: Kind, socket: Socket, event: string, fields: Record<string, unknown>): void {
    const nowMs = performance.now();
    const last = this.#last.get(kind);
    if (last !== undefined && nowMs - last.atMs < QUIET_MS) {
      last.unsaid++;
      return;
    }
    this.#last.set(kind, { atMs: nowMs, unsaid: 0 });
    const { server, log } = this.#options;
    log.warn(event, {
      server,
      remote: peerOf(socket).address,
      ...fields,
      suppressed: last?.unsaid || undefined,
    });
  }
}

/**
 * Takes the connections of a server of Node's. `accept` gets each of them. Returns what serves a connection: a socket, or a
 * stream over one.
 */
export function takeConnections(server: Server, accept: (socket: Socket) => void): (socket: Socket) => void {
  const [serve] = server.listeners('connection') as [(this: Server, socket: Socket) => void];
  server.removeAllListeners('connection');
  server.on('connection', accept);
  return (socket) => serve.call(server, socket);
}
