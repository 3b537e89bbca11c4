// The mean of a number that goes up and down, over a sliding window of time. `change` is on the hot path.
// Must stay true: each change counts from its own moment on, however seldom anybody looks; memory is fixed by the window.
//
// What is kept is the area under the number: value × time + offset, a sum and a product for each change. Looking at it once
// a second leaves marks (time, area); the mean is the area between two moments by the time between them. It is exact
// but for the window's older end, which lies between two marks and is taken from a straight line between these.

/** Marks lie at least this far apart, milliseconds. */
const MARK_MS = 1000;

export class SlidingMean {
  /** The number itself, now. */
  value = 0;
  #offset = 0;
  readonly #windowMs: number;
  readonly #startMs: number;
  /** A ring of marks; `#last` is the newest, `#marks` how many there are. */
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

  /** The number has changed by so much at that moment. */
  change(by: number, atMs: number): void {
    this.value += by;
    this.#offset -= by * atMs;
  }

  /** The mean of the window that ends now, or of the time since the start where that is shorter. */
  mean(nowMs: number): number {
    this.#mark(nowMs);
    const fromMs = Math.max(this.#startMs, nowMs - this.#windowMs);
    // Whoever asks at the very start gets what is there.
    if (nowMs <= fromMs) return this.value;
    // Areas are sums of large numbers: what is less than a millionth of a request is their rounding.
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

  /** The area at a moment of the past. */
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
