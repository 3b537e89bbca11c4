// Resets client connections, so that a truncated response does not look complete.
// Over TLS the TCP connection is reset, since many clients accept its end as the end of a message even without
// close_notify, against RFC 9112 9.8.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

const rawSockets = new WeakMap<Duplex, Socket>();

/** Records that `stream` runs over `raw`. `stream`: a TLS socket or a ClientStream. */
export function registerRawSocket(raw: Socket, stream: Duplex): void {
  rawSockets.set(stream, raw);
}

/** Ends a client's connection with a TCP reset. */
export function resetConnection(stream: Duplex): void {
  let lowest = stream;
  for (let next = rawSockets.get(lowest); next !== undefined; next = rawSockets.get(lowest)) lowest = next;
  (lowest as Socket).resetAndDestroy();
}
