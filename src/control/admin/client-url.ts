// The address that a client has used, for absolute URLs in responses.
// Invariant: nothing but a host and a port of the request gets into a URL.
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { formatAddress } from '../../core/address.ts';

/** A host name or address with an optional port. */
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * Scheme and host that the client has used, such as `https://weir.example.com:9464`, without a slash at the end. Behind a
 * proxy, its X-Forwarded-Proto says the scheme.
 */
export function clientUrl({ headers, socket }: IncomingMessage): string {
  const { host = '' } = headers;
  const proto = String(headers['x-forwarded-proto'] ?? '')
    .split(',', 1)[0]!
    .trim();
  const isSecure =
    proto === '' ? (socket as Partial<TLSSocket>).encrypted === true : proto.toLowerCase() === 'https';
  const scheme = isSecure ? 'https' : 'http';
  const url = `${scheme}://${host}`;
  if (HOST.test(host) && URL.canParse(url)) return url;
  return `${scheme}://${formatAddress({ host: socket.localAddress ?? '127.0.0.1', port: socket.localPort ?? 0 })}`;
}
