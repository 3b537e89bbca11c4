// TLS of the data server: the handshake of each connection and the choice of its protocol.
// Invariant: a connection whose handshake is late is closed; only TLS 1.2 and newer is accepted; a changed certificate
// is used for new connections and ends none.
//
//   connection ─► handshake ─► ALPN h2 ─► HTTP/2, for gRPC
//                  │           └► http/1.1, or no ALPN ─► HTTP/1.1
//                  ├► clear text: 400 in clear text
//                  └► late, or broken: closed
import type { Socket } from 'node:net';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import type { KeyPair } from '../../core/certificates.ts';
import { catalogue } from '../../core/errors.ts';
import { registerRawSocket } from '../../protocol/http/reset.ts';

/** Receives every connection after its handshake, with the negotiated protocol. */
export type HandshakeListener = (socket: TLSSocket, protocol: 'http1' | 'http2') => void;

const contextOf = ({ cert, key }: KeyPair): SecureContextOptions => ({ cert, key, minVersion: 'TLSv1.2' });

/**
 * OpenSSL's errors for a first record that is not TLS: an HTTP request, CONNECT, or anything else. OpenSSL sends no
 * alert then (`tls_validate_record_header`), so a response in clear text is the first thing that the client reads.
 */
const CLEAR_TEXT: ReadonlySet<string | undefined> = new Set([
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_HTTPS_PROXY_REQUEST',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);
/** It has no request id, since no request was read and there is no exchange. */
const CLEAR_TEXT_BODY = JSON.stringify({
  error: 'This port speaks TLS: use https:// instead of http://, or grpcs:// instead of grpc://',
  error_code: catalogue.bad_request.errorCode,
});
const CLEAR_TEXT_RESPONSE = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${CLEAR_TEXT_BODY.length}\r\nConnection: close\r\n\r\n${CLEAR_TEXT_BODY}`;

/** Identifies an open connection by its addresses. */
const keyOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

export class TlsServer {
  readonly #server: Server;
  /** Connections in their handshake, by `keyOf`, since Node's events do not carry the accepted socket. */
  readonly #handshaking = new Map<string, Socket>();

  /** `prefersHttp1`: whether HTTP/1.1 is chosen for a client that offers both protocols. */
  constructor(
    pair: KeyPair,
    handshakeTimeoutMs: number,
    prefersHttp1: () => boolean,
    secured: HandshakeListener,
  ) {
    this.#server = createServer({
      ...contextOf(pair),
      // HTTP/2 serves only gRPC here. gRPC clients offer only h2; clients that offer both send HTTP requests.
      ALPNCallback({ protocols }) {
        const order = prefersHttp1() ? ['http/1.1', 'h2'] : ['h2', 'http/1.1'];
        return order.find((protocol) => protocols.includes(protocol));
      },
      handshakeTimeout: handshakeTimeoutMs,
    });
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const raw = this.#handshaking.get(keyOf(socket));
      // Other errors, such as a timeout, get no response. This one fits into the send buffer of a new connection.
      if (raw?.bytesWritten === 0 && CLEAR_TEXT.has(error.code)) raw.end(CLEAR_TEXT_RESPONSE);
      socket.destroy();
    });
    this.#server.on('secureConnection', (socket) => {
      const key = keyOf(socket);
      const raw = this.#handshaking.get(key);
      // The connection has just closed.
      if (raw === undefined) return socket.destroy();
      this.#handshaking.delete(key);
      registerRawSocket(raw, socket);
      // Renegotiation (TLS 1.2) costs a server far more than its client.
      socket.disableRenegotiation();
      return secured(socket, socket.alpnProtocol === 'h2' ? 'http2' : 'http1');
    });
  }

  /** Starts the handshake of a new connection from which nothing was read. */
  accept(raw: Socket): void {
    const key = keyOf(raw);
    this.#handshaking.set(key, raw);
    raw.once('close', () => {
      if (this.#handshaking.get(key) === raw) this.#handshaking.delete(key);
    });
    this.#server.emit('connection', raw);
  }

  /** Uses this certificate for new connections. */
  renew(pair: KeyPair): void {
    this.#server.setSecureContext(contextOf(pair));
  }
}
