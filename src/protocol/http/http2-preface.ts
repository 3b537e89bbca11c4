// Distinguishes HTTP/2 from HTTP/1 by the first bytes of a connection (RFC 9113 3.4).
// Invariant: all bytes that were read are put back in order before the connection is handed on.
import type { Socket } from 'node:net';

/** The part of the preface that no HTTP/1 request begins with. Node's HTTP/2 server checks the rest. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n', 'latin1');

export type PrefaceResult = 'http1' | 'http2' | 'incomplete';

/** The protocol of a connection that begins with `bytes`; `incomplete` if more bytes are needed. */
export function protocolOf(bytes: Uint8Array): PrefaceResult {
  const length = Math.min(bytes.length, PREFACE.length);
  if (PREFACE.compare(bytes, 0, length, 0, length) !== 0) return 'http1';
  return length === PREFACE.length ? 'http2' : 'incomplete';
}

/**
 * Reads until the protocol is known, then calls `decided` once, with the connection paused and the bytes that were read
 * and put back. After `timeoutMs` it decides for HTTP/1, since that server enforces its own time limits.
 */
export function awaitFirstBytes(
  socket: Socket,
  timeoutMs: number,
  decided: (protocol: 'http1' | 'http2', first: Buffer) => void,
): void {
  let bytes = Buffer.alloc(0);
  const done = (protocol: 'http1' | 'http2') => {
    clearTimeout(timer);
    socket.off('readable', look);
    socket.off('end', ended);
    socket.off('close', ended);
    socket.off('error', failed);
    if (socket.destroyed) return;
    // Without the pause the bytes that are put back would not be read before the next ones arrive.
    socket.pause();
    if (bytes.length > 0) socket.unshift(bytes);
    decided(protocol, bytes);
  };
  const look = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
      bytes = Buffer.concat([bytes, chunk]);
    const protocol = protocolOf(bytes);
    if (protocol !== 'incomplete') done(protocol);
  };
  const ended = () => done('http1');
  const failed = () => socket.destroy();
  const timer = setTimeout(ended, timeoutMs).unref();
  socket.on('readable', look);
  socket.on('end', ended);
  socket.on('close', ended);
  socket.on('error', failed);
}
