// Closes a connection so that the client still gets the response.
// A connection that is closed with unread input is reset, so a client that sends everything before it reads would lose
// the response. So the connection is half-closed and then read until the client closes its side (RFC 9112 9.6).
import type { Socket } from 'node:net';

/** Time in milliseconds that the rest of a request body is read and dropped after the response. */
export const DISCARD_MS = 30_000;
/** Time in milliseconds that a connection is read after its last response if the request body is complete. */
export const LINGER_MS = 2000;

const ignore = (): void => undefined;

/** Reads and drops input after the last byte was written, until the connection ends, for at most `ms` milliseconds. */
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
