// Opens sockets to replicas that speak HTTP/2.
// Invariant: no byte of HTTP/2 is sent to a server over TLS before it has selected h2.
import { connect, type Socket } from 'node:net';
import { NO_HTTP2 } from '../../protocol/http/tls-errors.ts';
import { nodeTls } from '../../core/node-tls.ts';
import type { ProbeTarget } from './probe.ts';
import { targetOf } from './replica-url.ts';

/** Idle time before the first TCP keep-alive probe. */
const KEEP_ALIVE_PROBE_MS = 60_000;

/** Code of the error of a connection that was made, but cannot carry requests. */
export const NO_HTTP2_CODE = 'ERR_NO_HTTP2';

const refused = (message: string): NodeJS.ErrnoException =>
  Object.assign(new Error(message), { code: NO_HTTP2_CODE });

/** Why a connection ended before the server's SETTINGS came. `error`: of the connection, if there is one. */
export const noHttp2 = (error: Error | undefined): NodeJS.ErrnoException =>
  refused(
    `the server does not speak HTTP/2: ${error?.message ?? 'it closed the connection before its SETTINGS came'}`,
  );

/**
 * Connects to a replica. `connected` is called once the socket can carry HTTP/2: in clear text (RFC 9113 3.3), or over TLS
 * when the server has selected h2. Errors come as events of the socket.
 */
export function connectHttp2({ url, tls }: ProbeTarget, connected: (socket: Socket) => void): Socket {
  const target = { ...targetOf(url), noDelay: true };
  if (tls === undefined) {
    const socket = connect(target);
    return socket.once('connect', () => {
      socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
      connected(socket);
    });
  }
  const socket = nodeTls().connect({ ...target, ...tls, ALPNProtocols: ['h2'] });
  return socket.once('secureConnect', () => {
    if (socket.alpnProtocol !== 'h2') return socket.destroy(refused(NO_HTTP2));
    socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
    return connected(socket);
  });
}
