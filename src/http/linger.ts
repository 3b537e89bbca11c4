// How a connection is closed so that the client gets the answer.
// Closing a connection with unread input resets it, and a client that reads nothing before it has sent all loses the answer.
// So the connection is half-closed first, and read until the client closes its side (RFC 9112 9.6).
import type { Socket } from 'node:net';

/** How long the rest of a request body is read and dropped after its answer, in milliseconds. */
export const DISCARD_MS = 30_000;
/** How long a connection is read after its last answer where no more of a body is to come, in milliseconds. */
export const LINGER_MS = 2000;

const ignore = (): void => undefined;

/** Reads and drops what still comes on a connection whose last byte is written, until its end, or for `ms` milliseconds. */
export function linger(socket: Socket, ms: number): void {
  const timer = setTimeout(() => socket.destroy(), ms).unref();
  socket.on('data', ignore);
  socket.on('end', () => socket.destroy());
  // It is over for both sides: a reset changes nothing.
  socket.on('error', () => socket.destroy());
  socket.on('close', () => clearTimeout(timer));
  if (socket.readableEnded) socket.destroy();
  else socket.resume();
}
