// Breaking a connection off so that the other side sees it. Must stay true: what is broken off never looks like an end.
// Over TLS that takes the connection beneath: most clients take the end of it for the end of a message, close_notify or
// not (RFC 9112 9.8 would have them look), and only a reset for what it is.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

const beneath = new WeakMap<Duplex, Socket>();

/** `stream` runs over `raw`: it is a TLS socket, or the stream that a server gets for a connection. */
export function registerRawSocket(raw: Socket, stream: Duplex): void {
  beneath.set(stream, raw);
}

/** Ends a connection of a client with a TCP reset. */
export function resetConnection(stream: Duplex): void {
  let lowest = stream;
  for (let next = beneath.get(lowest); next !== undefined; next = beneath.get(lowest)) lowest = next;
  (lowest as Socket).resetAndDestroy();
}
