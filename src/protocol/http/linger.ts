// Closes a connection so that the client still gets the answer.
// Closing a connection with unread input resets it, so a client that sends everything before it reads loses the answer.
// So the connection is half-closed first, and read until the client closes its side (RFC 9112 9.6).
import type { Socket } from 'node:net';

/** How long the rest of a request body is read and dropped after its answer, in milliseconds. */
export const DISCARD_MS = 30_000;
/** How long a connection is read after its last answer if the request body is complete, in milliseconds. */
export const LINGER_MS = 2000;

const ignore = (): void => undefined;

/** Reads and drops further input of a connection after its last byte was written, until it ends, or for `ms` milliseconds. */
export function linger(socket: Socket, ms: number): void {
  const timer = setTimeout(() => socket.destroy(), ms).unref();
  socket.on('data', ignore);
  socket.on('end', () => socket.destroy());
  // The exchange is complete, so a reset does no harm.
  socket.on('error', () => socket.destroy());
  socket.on('close', () => clearTimeout(timer));
  if (socket.readableEnded) socket.destroy();
  else socket.resume();
}
