// Breaking a connection off so that the other side sees it. Must stay true: what is broken off never looks like an end.
// Over TLS that takes the connection beneath: most clients take the end of it for the end of a message, close_notify or
// not (RFC 9112 9.8 would have them look), and only a reset for what it is.
import type { Socket } from 'node:net';

const beneath = new WeakMap<Socket, Socket>();

/** `raw` carries the TLS of `secured`. */
export function carries(raw: Socket, secured: Socket): void {
  beneath.set(secured, raw);
}

/** Ends a connection of a client with a TCP reset. */
export function breakOff(socket: Socket): void {
  (beneath.get(socket) ?? socket).resetAndDestroy();
}
