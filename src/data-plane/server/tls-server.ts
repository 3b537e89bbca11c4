// TLS at the data door: the handshake of every connection, and what is spoken then.
// Must stay true: who does not finish the handshake in its time is gone; nothing but TLS 1.2 and newer is spoken; a
// changed certificate is for new connections and ends none.
//
//   connection ─► handshake ─► ALPN h2 ─► HTTP/2, where gRPC is served
//                  │           └► http/1.1, or no ALPN ─► HTTP/1.1
//                  ├► clear text: 400 in clear text
//                  └► late, or broken: closed
import type { Socket } from 'node:net';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import type { KeyPair } from '../../core/certificates.ts';
import { catalogue } from '../../core/errors.ts';
import { carries } from '../../protocol/http/reset.ts';

/** Called with every connection that has shaken hands, and the protocol that was agreed on. */
export type TlsConnection = (socket: TLSSocket, protocol: 'http1' | 'http2') => void;

const contextOf = ({ cert, key }: KeyPair): SecureContextOptions => ({ cert, key, minVersion: 'TLSv1.2' });

/**
 * Errors of OpenSSL for a first record that is not TLS: an HTTP request, CONNECT, or anything else. OpenSSL has sent no alert
 * then (`tls_validate_record_header`), so an answer in clear text is the first thing that the client reads.
 */
const CLEAR_TEXT: ReadonlySet<string | undefined> = new Set([
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_HTTPS_PROXY_REQUEST',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);
/** Without a request id: nothing was read, so there is no exchange. */
const CLEAR_TEXT_BODY = JSON.stringify({
  error: 'This port speaks TLS: use https:// instead of http://, or grpcs:// instead of grpc://',
  error_code: catalogue.bad_request.errorCode,
});
const CLEAR_TEXT_ANSWER = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${CLEAR_TEXT_BODY.length}\r\nConnection: close\r\n\r\n${CLEAR_TEXT_BODY}`;

/** Where a connection comes from and goes to: no two that live have the same. */
const placeOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

export class TlsServer {
  readonly #server: Server;
  /** Connections in their handshake, by their place: Node tells of the end of one without it. */
  readonly #handshaking = new Map<string, Socket>();

  /** `prefersHttp1`: who can speak both is to speak HTTP/1.1. */
  constructor(
    pair: KeyPair,
    handshakeTimeoutMs: number,
    prefersHttp1: () => boolean,
    secured: TlsConnection,
  ) {
    this.#server = createServer({
      ...contextOf(pair),
      // HTTP/2 carries gRPC alone here. Its clients offer nothing else; those that offer both want to send requests.
      ALPNCallback({ protocols }) {
        const order = prefersHttp1() ? ['http/1.1', 'h2'] : ['h2', 'http/1.1'];
        return order.find((protocol) => protocols.includes(protocol));
      },
      handshakeTimeout: handshakeTimeoutMs,
    });
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const raw = this.#handshaking.get(placeOf(socket));
      // No common protocol, or a timeout: an answer is not possible. The answer fits into the send buffer of a new connection.
      if (raw?.bytesWritten === 0 && CLEAR_TEXT.has(error.code)) raw.end(CLEAR_TEXT_ANSWER);
      socket.destroy();
    });
    this.#server.on('secureConnection', (socket) => {
      const place = placeOf(socket);
      const raw = this.#handshaking.get(place);
      // Gone at the very moment: then it has no place any more.
      if (raw === undefined) return socket.destroy();
      this.#handshaking.delete(place);
      carries(raw, socket);
      // A handshake in the midst of TLS 1.2 costs us far more than its client.
      socket.disableRenegotiation();
      return secured(socket, socket.alpnProtocol === 'h2' ? 'http2' : 'http1');
    });
  }

  /** Takes a new connection of which nothing was read. */
  accept(raw: Socket): void {
    const place = placeOf(raw);
    this.#handshaking.set(place, raw);
    raw.once('close', () => {
      if (this.#handshaking.get(place) === raw) this.#handshaking.delete(place);
    });
    this.#server.emit('connection', raw);
  }

  /** From now on connections get this certificate. */
  renew(pair: KeyPair): void {
    this.#server.setSecureContext(contextOf(pair));
  }
}
