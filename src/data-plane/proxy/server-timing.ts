// The Server-Timing header: how the time until the head of the response was spent, in milliseconds.
// Source: W3C Server Timing.
import type { Exchange } from '../../core/exchange/exchange.ts';

/** Milliseconds with one decimal. Uses whole numbers, since they become text much faster than fractions. */
function tenths(ms: number): string {
  const count = Math.round(ms * 10);
  return `${Math.floor(count / 10)}.${count % 10}`;
}

/**
 * The header's value. `queue`: time in the wait queue; `replica`: from the last reservation of a replica to the head of
 * its response; `retry`, if there was more than one attempt: everything before the last attempt except the time in the
 * wait queue.
 */
export function serverTiming({ startMs, waitedMs, leasedMs, headMs, attempts }: Exchange): string {
  const queue = `queue;dur=${waitedMs === 0 ? '0.0' : tenths(waitedMs)}`;
  if (leasedMs === 0) return queue;
  const replicaMs = (headMs === 0 ? performance.now() : headMs) - leasedMs;
  const timing = `${queue}, replica;dur=${tenths(replicaMs)}`;
  if (attempts < 2) return timing;
  return `${timing}, retry;dur=${tenths(Math.max(0, leasedMs - startMs - waitedMs))}`;
}
