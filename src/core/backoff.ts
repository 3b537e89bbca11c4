// Exponential backoff. Invariant: a wait is at least half of its step and at most the cap.

/**
 * Milliseconds to wait before the next attempt. The step begins at `firstMs` and grows by `factor` up to `capMs`; up to
 * half of it is jitter. `attempt` counts from 0.
 */
export function backoffMs(attempt: number, firstMs: number, capMs: number, factor = 2): number {
  const step = Math.min(capMs, firstMs * factor ** Math.min(attempt, 100));
  return step / 2 + (Math.random() * step) / 2;
}
