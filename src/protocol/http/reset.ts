// Resets client connections, so that a truncated response does not look complete.
// Over TLS the TCP connection is reset, since many clients accept its end as the end of a message even without
// close_notify, against RFC 9112 9.8. A Unix socket has no reset: it is closed.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

const rawSockets = new WeakMap<Duplex, Socket>();

/** Records that `stream` runs over `raw`. `stream`: a TLS socket or a ClientStream. */
export function registerRawSocket(raw: Socket, stream: Duplex): void {
  rawSockets.set(stream, raw);
}

/** What a stream runs over; `undefined` for a socket. */
export const rawSocketOf = (stream: Duplex): Socket | undefined => rawSockets.get(stream);

/** Ends a client's connection with a TCP reset. */
export function resetConnection(stream: Duplex): void {
  let lowest = stream;
  for (let next = rawSocketOf(lowest); next !== undefined; next = rawSocketOf(lowest)) lowest = next;
  const socket = lowest as Socket;
  // Node throws for a socket that is not TCP.
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
