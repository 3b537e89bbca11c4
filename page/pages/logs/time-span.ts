// Spans of time of the histogram: steps, and changes of a brush.
// Invariant: pure functions; times are milliseconds since the epoch, and a brush lies within its range.

export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Round steps, in milliseconds. */
const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
].map((seconds) => seconds * 1000);

/** The smallest round step that gives at most `most` steps. */
export const stepFor = ({ fromMs, toMs }: TimeSpan, most: number): number =>
  STEPS.find((step) => (toMs - fromMs) / step <= most) ??
  Math.ceil((toMs - fromMs) / most / 86_400_000) * 86_400_000;

/** Times at round distances, for at most `most` labels. */
export function ticks({ fromMs, toMs }: TimeSpan, most: number): number[] {
  const step = stepFor({ fromMs, toMs }, most);
  const found: number[] = [];
  for (let at = Math.ceil(fromMs / step) * step; at <= toMs; at += step) found.push(at);
  return found;
}

/** Moves or widens a brush by steps, within its range. Without a brush it is the last step. */
export function moved(
  brush: TimeSpan | undefined,
  range: TimeSpan,
  stepMs: number,
  by: number,
  isWidened: boolean,
): TimeSpan {
  const start = brush ?? { fromMs: range.toMs - stepMs, toMs: range.toMs };
  if (brush === undefined) return start;
  const shift = by * stepMs;
  if (isWidened)
    return by < 0
      ? { fromMs: Math.max(range.fromMs, start.fromMs + shift), toMs: start.toMs }
      : { fromMs: start.fromMs, toMs: Math.min(range.toMs, start.toMs + shift) };
  const width = start.toMs - start.fromMs;
  const fromMs = Math.max(range.fromMs, Math.min(range.toMs - width, start.fromMs + shift));
  return { fromMs, toMs: fromMs + width };
}
