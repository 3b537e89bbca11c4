// How long to wait before the next try. Must stay true: never below half of the step, never above the cap.

/** Wait from `firstMs` to `capMs`, `factor` times longer each time, up to half of it as jitter; `attempt` counts from 0. */
export function backoffMs(attempt: number, firstMs: number, capMs: number, factor = 2): number {
  const step = Math.min(capMs, firstMs * factor ** Math.min(attempt, 100));
  return step / 2 + (Math.random() * step) / 2;
}
