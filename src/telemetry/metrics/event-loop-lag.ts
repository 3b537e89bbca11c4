// Measures how late the event loop of its thread runs callbacks.
// Invariant: a timer measures it, so a scrape costs nothing and does not change the result.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Component } from '../../core/lifecycle.ts';
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';

/** Interval of the measuring timer, in milliseconds. The results are exact to about this much. */
const RESOLUTION_MS = 20;
/** Results cover the last full window, since an average since the start would hide a problem that begins now. */
const WINDOW_MS = 15_000;

export const lagFigures = ['mean', 'p99', 'max'] as const;
export type LagFigure = (typeof lagFigures)[number];

export class EventLoopLag implements Component {
  readonly name = 'event loop lag';
  /** Seconds, in the order of `lagFigures`. */
  readonly #seconds: Float64Array;
  #histogram: ReturnType<typeof monitorEventLoopDelay> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `arrays`: memory that another thread shares, if one measures or reads. */
  constructor(arrays: ArraySource = privateArrays) {
    this.#seconds = arrays.float64(lagFigures.length);
  }

  start(): void {
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram = histogram;
    histogram.enable();
    this.#timer = setInterval(() => {
      // The histogram holds whole intervals, so the interval itself is subtracted.
      const lag = (ns: number) => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
      this.#seconds.set([lag(histogram.mean), lag(histogram.percentile(99)), lag(histogram.max)]);
      histogram.reset();
    }, WINDOW_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram?.disable();
  }

  seconds(figure: LagFigure): number {
    return this.#seconds[lagFigures.indexOf(figure)]!;
  }

  /** The thread is gone, or a new one begins. */
  clear(): void {
    this.#seconds.fill(0);
  }
}
