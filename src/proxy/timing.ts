// Server-Timing for the client: where the time until the first byte went.
// Must stay true: milliseconds, and only what is known by then. Source: W3C Server Timing.
import type { Exchange } from '../exchange/exchange.ts';

/** `queue`: until a replica was found; `replica`: from there to its first byte. */
export function serverTiming({ startMs, leasedMs, firstByteMs }: Exchange): string {
  if (leasedMs === 0) return `queue;dur=${(performance.now() - startMs).toFixed(1)}`;
  const replicaMs = (firstByteMs === 0 ? performance.now() : firstByteMs) - leasedMs;
  return `queue;dur=${(leasedMs - startMs).toFixed(1)}, replica;dur=${replicaMs.toFixed(1)}`;
}
