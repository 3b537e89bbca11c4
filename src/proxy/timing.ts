// Server-Timing for the client: where the time until the first byte went.
// Must stay true: milliseconds, and only what is known by then. Source: W3C Server Timing.
import type { Exchange } from '../exchange/exchange.ts';

/** Milliseconds with one decimal; whole numbers become text far faster than fractions do. */
function tenths(ms: number): string {
  const count = Math.round(ms * 10);
  return `${Math.floor(count / 10)}.${count % 10}`;
}

/** `queue`: until a replica was found; `replica`: from there to its first byte. */
export function serverTiming({ startMs, leasedMs, firstByteMs }: Exchange): string {
  if (leasedMs === 0) return `queue;dur=${tenths(performance.now() - startMs)}`;
  const replicaMs = (firstByteMs === 0 ? performance.now() : firstByteMs) - leasedMs;
  return `queue;dur=${tenths(leasedMs - startMs)}, replica;dur=${tenths(replicaMs)}`;
}
