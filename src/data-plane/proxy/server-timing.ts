// Server-Timing: tells the client how the time until the head of the answer was spent.
// Must stay true: milliseconds, and only what is known by then. Source: W3C Server Timing.
import type { Exchange } from '../../core/exchange/exchange.ts';

/** How often it was sent to a replica (contracts/baseten.md 1.5). */
export const ATTEMPTS_HEADER = 'X-Baseten-Model-Prediction-Attempts';

/** Milliseconds with one decimal; whole numbers become text far faster than fractions do. */
function tenths(ms: number): string {
  const count = Math.round(ms * 10);
  return `${Math.floor(count / 10)}.${count % 10}`;
}

/**
 * `queue`: in line for a replica; `replica`: from the moment that one was found to the head of its answer; `retry`, where it was
 * sent more than once: everything before the last time but waiting in line.
 */
export function serverTiming({ startMs, waitedMs, leasedMs, headMs, attempts }: Exchange): string {
  const queue = `queue;dur=${waitedMs === 0 ? '0.0' : tenths(waitedMs)}`;
  if (leasedMs === 0) return queue;
  const replicaMs = (headMs === 0 ? performance.now() : headMs) - leasedMs;
  const timing = `${queue}, replica;dur=${tenths(replicaMs)}`;
  if (attempts < 2) return timing;
  return `${timing}, retry;dur=${tenths(Math.max(0, leasedMs - startMs - waitedMs))}`;
}
