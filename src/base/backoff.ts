// How long to wait before the next try. Must stay true: never below half of the step, never above the cap.

/** Doubling wait from `firstMs` to `capMs`, with up to half of it as jitter; `attempt` counts from 0. */
export function backoffMs(attempt: number, firstMs: number, capMs: number): number {
  const step = Math.min(capMs, firstMs * 2 ** Math.min(attempt, 30));
  return step / 2 + (Math.random() * step) / 2;
}
