// What went wrong with TLS on the way to somebody else, in words. Must stay true: an error of the handshake is told
// apart from one of a connection that stood: before the end of the handshake nothing of a request was sent.

/** Codes of a certificate that was not accepted: X509_V_ERR_… of OpenSSL, as Node names them. */
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
const OUT_OF_TIME = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** What there is to say of a server that did not agree on h2 (RFC 9113 3.3). */
export const NO_HTTP2 = 'it does not speak HTTP/2 over TLS (no h2 by ALPN)';

/** What a handshake failed by, or `undefined` for an error that is no handshake's. */
export function tlsProblem(error: NodeJS.ErrnoException): string | undefined {
  const code = error.code ?? '';
  if (UNTRUSTED.has(code))
    return `its certificate is not trusted (${code}): name the authority that signed it in tls_ca`;
  if (OUT_OF_TIME.has(code)) return `its certificate is not trusted (${code})`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { reason = '' } = error as { reason?: string };
    return `its certificate is made out to another name; set tls_server_name. ${reason}`;
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return `it does not speak TLS (${code}): http:// or grpc:// would be clear text`;
  if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL') return NO_HTTP2;
  if (code.startsWith('ERR_SSL_')) return `the TLS handshake failed (${code})`;
  // Node has no code of its own for it.
  if (error.message.startsWith('Client network socket disconnected'))
    return 'it closed the connection during the TLS handshake';
  // A stream of HTTP/2 ends by what its connection ended by.
  return error.cause instanceof Error ? tlsProblem(error.cause) : undefined;
}
