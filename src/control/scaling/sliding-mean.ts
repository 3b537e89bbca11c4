// Mean of a changing number over a sliding window of time. `change` is on the hot path.
// Invariant: each change counts from its own moment on, however often `mean` is called, and memory is fixed.
//
// The area under the number is kept as value × time + offset, so a change costs one sum and one product. Each call of
// `mean` stores a mark (time, area), at most one per second. The mean is the area between two moments divided by the
// time between them. It is exact except for the start of the window, which is interpolated between two marks.

/** Minimum distance of marks, milliseconds. */
const MARK_MS = 1000;

export class SlidingMean {
  /** The present number. */
  value = 0;
  #offset = 0;
  readonly #windowMs: number;
  readonly #startMs: number;
  /** Ring of marks. `#last` is the newest one, `#marks` their number. */
  readonly #times: Float64Array;
  readonly #areas: Float64Array;
  #last = 0;
  #marks = 1;

  constructor(windowMs: number, startMs: number) {
    this.#windowMs = windowMs;
    this.#startMs = startMs;
    const size = Math.ceil(windowMs / MARK_MS) + 2;
    this.#times = new Float64Array(size).fill(startMs);
    this.#areas = new Float64Array(size);
  }

  /** Adds `by` to the number at `atMs`. */
  change(by: number, atMs: number): void {
    this.value += by;
    this.#offset -= by * atMs;
  }

  /** Makes several changes, of `by` together. `weightedMs`: the sum of each change times its moment. */
  changes(by: number, weightedMs: number): void {
    this.value += by;
    this.#offset -= weightedMs;
  }

  /** Mean of the window that ends at `nowMs`, or of the time since the start if that is shorter. */
  mean(nowMs: number): number {
    this.#mark(nowMs);
    const fromMs = Math.max(this.#startMs, nowMs - this.#windowMs);
    // No time has passed since the start.
    if (nowMs <= fromMs) return this.value;
    // Areas are sums of large numbers, so a result below a millionth is a rounding error.
    const mean = (this.#area(nowMs) - this.#areaAt(fromMs, nowMs)) / (nowMs - fromMs);
    return mean < 1e-6 ? 0 : mean;
  }

  #area(atMs: number): number {
    return this.value * atMs + this.#offset;
  }

  #mark(nowMs: number): void {
    if (nowMs - this.#times[this.#last]! < MARK_MS) return;
    this.#last = (this.#last + 1) % this.#times.length;
    this.#marks = Math.min(this.#marks + 1, this.#times.length);
    this.#times[this.#last] = nowMs;
    this.#areas[this.#last] = this.#area(nowMs);
  }

  /** Area at a moment in the past. */
  #areaAt(atMs: number, nowMs: number): number {
    let laterMs = nowMs;
    let laterArea = this.#area(nowMs);
    for (let back = 0; back < this.#marks; back++) {
      const i = (this.#last - back + this.#times.length) % this.#times.length;
      const [timeMs, area] = [this.#times[i]!, this.#areas[i]!];
      if (timeMs <= atMs)
        return timeMs === laterMs ? area : area + ((laterArea - area) * (atMs - timeMs)) / (laterMs - timeMs);
      laterMs = timeMs;
      laterArea = area;
    }
    return laterArea;
  }
}
