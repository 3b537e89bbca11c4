// Measures how late the event loop runs its callbacks.
// Invariant: a timer measures it, so a scrape costs nothing and does not change the result.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Component } from '../../core/lifecycle.ts';

/** Interval of the measuring timer, in milliseconds. The results are exact to about this much. */
const RESOLUTION_MS = 20;
/** Results cover the last full window, since an average since the start would hide a problem that begins now. */
const WINDOW_MS = 15_000;

export class EventLoopLag implements Component {
  readonly name = 'event loop lag';
  meanSeconds = 0;
  p99Seconds = 0;
  maxSeconds = 0;
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #timer: NodeJS.Timeout | undefined;

  start(): void {
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#endWindow(), WINDOW_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #endWindow(): void {
    // The histogram holds whole intervals, so the interval itself is subtracted.
    const lag = (ns: number) => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
    this.meanSeconds = lag(this.#histogram.mean);
    this.p99Seconds = lag(this.#histogram.percentile(99));
    this.maxSeconds = lag(this.#histogram.max);
    this.#histogram.reset();
  }
}
