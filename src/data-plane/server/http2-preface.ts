// Whether a connection begins with HTTP/2: its first bytes tell. Must stay true: they are all put back, in their order,
// before the connection goes on to whoever serves it. Source: RFC 9113 3.4.
import type { Socket } from 'node:net';

/** As much of the preface as no request of HTTP/1 begins with; the rest of it is the protocol's own to check. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n', 'latin1');

export type PrefaceResult = 'http1' | 'http2' | 'too short to tell';

/** What the first bytes of a connection are the beginning of. */
export function protocolOf(bytes: Uint8Array): PrefaceResult {
  const length = Math.min(bytes.length, PREFACE.length);
  if (PREFACE.compare(bytes, 0, length, 0, length) !== 0) return 'http1';
  return length === PREFACE.length ? 'http2' : 'too short to tell';
}

/** Reads until it can tell, and calls `decided` once, with the connection paused: as HTTP/1, whose server has deadlines, if that takes too long. */
export function awaitFirstBytes(
  socket: Socket,
  timeoutMs: number,
  decided: (verdict: 'http1' | 'http2') => void,
): void {
  let bytes = Buffer.alloc(0);
  const done = (verdict: 'http1' | 'http2') => {
    clearTimeout(timer);
    socket.off('readable', look);
    socket.off('end', ended);
    socket.off('close', ended);
    socket.off('error', failed);
    if (socket.destroyed) return;
    // Paused, or the bytes that are put back would wait for the next ones that come.
    socket.pause();
    if (bytes.length > 0) socket.unshift(bytes);
    decided(verdict);
  };
  const look = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
      bytes = Buffer.concat([bytes, chunk]);
    const verdict = protocolOf(bytes);
    if (verdict !== 'too short to tell') done(verdict);
  };
  const ended = () => done('http1');
  const failed = () => socket.destroy();
  const timer = setTimeout(ended, timeoutMs).unref();
  socket.on('readable', look);
  socket.on('end', ended);
  socket.on('close', ended);
  socket.on('error', failed);
}
