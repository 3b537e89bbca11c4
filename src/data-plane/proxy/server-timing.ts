// The Server-Timing header: how the time until the head of the response was spent, in milliseconds.
// Source: W3C Server Timing.
import { NO_DEPLOYMENT, type Exchange } from '../../core/exchange/exchange.ts';

const inTenths = (count: number): string => `${Math.floor(count / 10)}.${count % 10}`;
/** Most times are short. */
const SHORT = Array.from({ length: 1000 }, (_, count) => inTenths(count));

/** Milliseconds with one decimal. Uses whole numbers, since they become text much faster than fractions. */
function tenths(ms: number): string {
  const count = Math.round(ms * 10);
  return SHORT[count] ?? inTenths(count);
}

/** The value for a request that did not wait, by tenths of a millisecond, once it is used. */
const WITHOUT_QUEUE: string[] = Array.from(SHORT, () => '');

function withoutQueue(replicaMs: number): string {
  const count = Math.round(replicaMs * 10);
  const known = WITHOUT_QUEUE[count];
  if (known) return known;
  const value = `queue;dur=0.0, replica;dur=${inTenths(count)}`;
  if (known === '') WITHOUT_QUEUE[count] = value;
  return value;
}

/**
 * The header's value; empty for a request that was not routed, so that no replica was asked for. `queue`: time in the wait queue; `replica`: from the last reservation of a replica to the head of
 * its response; `retry`, if there was more than one attempt: everything before the last attempt except the time in the
 * wait queue.
 */
export function serverTiming({
  deployment,
  startMs,
  waitedMs,
  leasedMs,
  headMs,
  attempts,
}: Exchange): string {
  if (deployment === NO_DEPLOYMENT) return '';
  if (leasedMs === 0) return `queue;dur=${tenths(waitedMs)}`;
  const replicaMs = (headMs === 0 ? performance.now() : headMs) - leasedMs;
  if (waitedMs === 0 && attempts < 2) return withoutQueue(replicaMs);
  const timing = `queue;dur=${tenths(waitedMs)}, replica;dur=${tenths(replicaMs)}`;
  if (attempts < 2) return timing;
  return `${timing}, retry;dur=${tenths(Math.max(0, leasedMs - startMs - waitedMs))}`;
}
