// Error texts for failed TLS handshakes with replicas and other servers.
// Invariant: only an error of the handshake has a text, since no part of a request is sent before the handshake ends.

/** Codes of certificates that are not trusted: X509_V_ERR_… of OpenSSL, with Node's names. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
]);
const EXPIRED = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** True for an error of a handshake since the server's certificate is not trusted. */
export const isUntrusted = (error: unknown): boolean =>
  error instanceof Error && UNTRUSTED.has((error as NodeJS.ErrnoException).code ?? '');

/** Error text for a server that did not select h2 (RFC 9113 3.3). */
export const NO_HTTP2 = 'the server does not support HTTP/2 over TLS (ALPN did not select h2)';

/** The error text of a failed handshake; `undefined` for any other error. Some texts name the setting to change. */
export function tlsProblem(error: NodeJS.ErrnoException): string | undefined {
  const code = error.code ?? '';
  if (UNTRUSTED.has(code))
    return `the server's certificate is not trusted (${code}); set tls_ca to the certificate authority that signed it`;
  if (EXPIRED.has(code)) return `the server's certificate is not valid now (${code})`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { reason = '' } = error as { reason?: string };
    return `the server's certificate is for another name; set tls_server_name. ${reason}`;
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return `the server does not use TLS (${code}); http:// or grpc:// connects without TLS`;
  if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL') return NO_HTTP2;
  if (code.startsWith('ERR_SSL_')) return `the TLS handshake failed (${code})`;
  // Node sets the code ECONNRESET here, as for any closed connection.
  if (error.message.startsWith('Client network socket disconnected'))
    return 'the server closed the connection during the TLS handshake';
  // The error of an HTTP/2 stream has the error of its connection as the cause.
  return error.cause instanceof Error ? tlsProblem(error.cause) : undefined;
}
