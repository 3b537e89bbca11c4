// Sets which buffer a socket reads into, after the socket was made. Hot path.
// Node has the option `onread` for sockets that connect only, and asks its function for a buffer after each read.
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Called after bytes[0, size) were read. Returns false to read no more until `resume`. */
export type ReadListener = (size: number, bytes: Buffer) => boolean;

/** The properties that the option `onread` sets. */
interface OnReadKeys {
  readonly buffer: symbol;
  readonly callback: symbol;
  /** A function that gives the buffer for the next read, or null. */
  readonly generator: symbol;
}

type Internals = Record<symbol, unknown> & {
  readonly _handle: { useUserBuffer?(buffer: Buffer): void } | null;
};

/** undefined: this Node has others. */
const keys = keysOf(new Socket());

function keysOf(socket: Socket): OnReadKeys | undefined {
  const found = new Map(Object.getOwnPropertySymbols(socket).map((one) => [one.description, one]));
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) => found.get(name));
  return buffer && callback && generator && { buffer, callback, generator };
}

/** Lets an accepted socket read into `buffer`. Returns false if it cannot, as in another version of Node. */
export function readInto(socket: Socket, buffer: Buffer, onRead: ReadListener): boolean {
  const internals = socket as unknown as Internals;
  const handle = internals._handle;
  if (keys === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  if (socket.constructor !== Socket && (socket as Partial<TLSSocket>).encrypted !== true) return false;
  // What was read before would be lost.
  if (socket.readableLength > 0) return false;
  internals[keys.buffer] = buffer;
  internals[keys.callback] = onRead;
  handle.useUserBuffer(buffer);
  return true;
}

/**
 * From the current read on, a socket that reads into a buffer asks for the next one; `undefined`: no longer. Returns false
 * in a version of Node without that.
 */
export function askForBuffer(socket: Socket, next: (() => Buffer) | undefined): boolean {
  if (keys === undefined) return false;
  (socket as unknown as Internals)[keys.generator] = next ?? null;
  return true;
}
