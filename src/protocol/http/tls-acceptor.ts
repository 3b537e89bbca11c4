// TLS of a server: the handshake of each connection, the client's certificate, and the choice of the protocol.
// Invariant: a connection whose handshake is late is closed; a client is served only if it has no certificate and needs
// none, or one that was verified; a changed certificate is used for new connections and ends none.
//
//   connection ─► handshake ─► ALPN h2 ─► HTTP/2
//                  │   │       └► http/1.1, or no ALPN ─► HTTP/1.1
//                  │   └► a certificate that is not trusted: each request gets 403
//                  ├► clear text: 400, or GOAWAY, in clear text
//                  └► late, or broken: closed, with a TLS alert
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { subjectText } from '../../core/client-subject.ts';
import type { Failure } from '../../core/errors.ts';
import { nodeTls } from '../../core/node-tls.ts';
import type { RefusedHandshake, ServerCertificate } from '../../core/server-certificate.ts';
import { protocolOf } from './http2-preface.ts';
import { hasSubject } from './peer.ts';
import { refuseConnection } from './refused-connection.ts';
import { registerRawSocket } from './reset.ts';

/** First byte of a TLS record of the handshake, and the high byte of its version (RFC 8446 5.1). */
const HANDSHAKE_RECORD = 0x16;
const VERSION_3 = 3;

const CLEAR_TEXT = 'This port speaks TLS: use https:// instead of http://, or grpcs:// instead of grpc://';

/** How an HTTP/1 request begins: a method and a space. */
const HTTP1 = /^[!#$%&'*+.^_`|~\w-]{1,32}(?: |$)/;

/** Why a connection is not served. */
export type TlsRefusal = RefusedHandshake;

/** Answers each request of an HTTP/2 client with a failure, and ends the connection. `problem`: text for the client. */
export type Http2Refusal = (socket: Socket, failure: Failure, problem: string) => void;

export interface TlsListener {
  /** Protocols that are served, the preferred one first. */
  protocols(): readonly string[];
  /** Receives every connection after its handshake. */
  secured(socket: TLSSocket, protocol: 'http1' | 'http2'): void;
  /** A connection is not served. `problem`: the reason. */
  refused(raw: Socket, refusal: TlsRefusal, problem: string): void;
  /** Answers the requests of an HTTP/2 client that is refused after its handshake. */
  readonly answerHttp2: Http2Refusal | undefined;
}

/**
 * What Node's own TLS server does with a socket after its handshake. That server is not used, since it closes the
 * connection of a client whose certificate is not trusted without a word: it lets OpenSSL finish each handshake, and
 * looks at the result then.
 */
interface ServerSocket {
  /** From here on errors of the connection are errors of the socket. */
  _releaseControl(): boolean;
  secureConnecting: boolean;
  /** Its handle: says why the peer's certificate was not verified. */
  readonly ssl: { verifyError(): (Error & { readonly code: string }) | null | undefined };
}
const internalsOf = (socket: TLSSocket): ServerSocket => socket as unknown as ServerSocket;

/** True for bytes that a client sends first if it speaks TLS. */
export const isTlsHandshake = (bytes: Uint8Array): boolean =>
  bytes[0] === HANDSHAKE_RECORD && (bytes.length === 1 || bytes[1] === VERSION_3);

export class TlsAcceptor {
  readonly #certificate: ServerCertificate;
  readonly #listener: TlsListener;
  /** Connections in their handshake. */
  readonly #handshaking = new Set<Socket>();

  constructor(certificate: ServerCertificate, listener: TlsListener) {
    this.#certificate = certificate;
    this.#listener = listener;
  }

  /** Starts the handshake of a new connection from which nothing was read. */
  accept(raw: Socket): void {
    const { handshake_timeout } = this.#certificate.options;
    this.#handshaking.add(raw);
    const timer = setTimeout(
      () => this.#refuse(raw, 'late', `no TLS handshake within ${handshake_timeout} ms`),
      handshake_timeout,
    ).unref();
    const ended = () => raw.destroy();
    raw.on('error', ended);
    raw.on('end', ended);
    raw.once('close', () => {
      clearTimeout(timer);
      this.#handshaking.delete(raw);
    });
    raw.once('readable', () => {
      const first = raw.read() as Buffer | null;
      if (first === null) return;
      raw.off('end', ended);
      if (isTlsHandshake(first)) {
        raw.unshift(first);
        this.#secure(raw, timer);
      } else {
        clearTimeout(timer);
        this.#refuseClearText(raw, first);
      }
    });
  }

  /** Closes the connections in their handshake. */
  close(): void {
    for (const raw of this.#handshaking) raw.destroy();
  }

  #secure(raw: Socket, timer: NodeJS.Timeout): void {
    const { client_certificates: asked } = this.#certificate.options;
    const { TLSSocket: SecureSocket } = nodeTls();
    const socket = new SecureSocket(raw, {
      isServer: true,
      secureContext: this.#certificate.context,
      requestCert: asked !== 'off',
      // OpenSSL then sends the alert certificate_required to a client without one (RFC 8446 4.4.2.4).
      rejectUnauthorized: asked === 'required',
      ALPNCallback: ({ protocols }) => this.#listener.protocols().find((one) => protocols.includes(one)),
    });
    const failed = (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
      if (isMissing) this.#refuse(raw, 'no_certificate', 'the client sent no certificate');
      else this.#refuse(raw, 'handshake', error.code ?? error.message);
      socket.destroy();
    };
    socket.once('error', failed);
    socket.once('secure', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      internalsOf(socket)._releaseControl();
      internalsOf(socket).secureConnecting = false;
      this.#handshaking.delete(raw);
      registerRawSocket(raw, socket);
      // Renegotiation (TLS 1.2) costs a server far more than its client.
      socket.disableRenegotiation();
      const protocol = socket.alpnProtocol === 'h2' ? 'http2' : 'http1';
      const problem = asked === 'off' ? '' : this.#verify(socket, raw, asked === 'required');
      if (problem === '') return this.#listener.secured(socket, protocol);
      this.#listener.refused(raw, 'untrusted_certificate', problem);
      const text = `Client certificate refused: ${problem}`;
      const { answerHttp2 } = this.#listener;
      if (protocol === 'http2' && answerHttp2 !== undefined) answerHttp2(socket, 'forbidden', text);
      else refuseConnection(socket, protocol, 'forbidden', text);
    });
  }

  /** Returns '', or why the client is not served. Records its subject. */
  #verify(socket: TLSSocket, raw: Socket, isRequired: boolean): string {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return isRequired ? 'the client sent no certificate' : '';
    const error = internalsOf(socket).ssl.verifyError();
    const subject = subjectText(certificate);
    // Behind the semicolon Node says which options of Node may help.
    if (error !== null && error !== undefined)
      return `${error.message.split(';', 1)[0]} (${error.code}, ${subject})`;
    // A resumed session has the result of its first handshake.
    if (certificate.validToDate.getTime() < Date.now())
      return `certificate has expired (CERT_HAS_EXPIRED, ${subject})`;
    hasSubject(socket, raw, subject);
    return '';
  }

  #refuseClearText(raw: Socket, first: Buffer): void {
    this.#handshaking.delete(raw);
    this.#listener.refused(raw, 'clear_text', 'the client does not speak TLS');
    const isHttp2 = protocolOf(first) === 'http2';
    if (isHttp2 || HTTP1.test(first.toString('latin1', 0, 33)))
      refuseConnection(raw, isHttp2 ? 'http2' : 'http1', 'bad_request', CLEAR_TEXT);
    else raw.destroy();
  }

  #refuse(raw: Socket, refusal: TlsRefusal, problem: string): void {
    if (!this.#handshaking.delete(raw)) return;
    this.#listener.refused(raw, refusal, problem);
    if (refusal === 'late') raw.destroy();
  }
}
