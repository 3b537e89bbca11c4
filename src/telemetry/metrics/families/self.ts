// weir about itself: is it the bottleneck, and what does it cost.
// Must stay true: cheap to read; the event loop is watched by a timer of its own, not by the scrape.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Family, Labels } from '../family.ts';

/** How often the loop's lateness is measured: the figure is exact to about this much. */
const RESOLUTION_MS = 20;
/** A figure since the start would hide what is wrong now: lateness is told for the last full window. */
const WINDOW_MS = 15_000;

/** Watches how late the event loop is. */
export class LoopWatch {
  readonly name = 'event loop watch';
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
    // What the measuring timer itself waits is no lag.
    const lag = (ns: number) => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
    this.meanSeconds = lag(this.#histogram.mean);
    this.p99Seconds = lag(this.#histogram.percentile(99));
    this.maxSeconds = lag(this.#histogram.max);
    this.#histogram.reset();
  }
}

const gauge = (name: string, help: string, value: () => number): Family => ({
  name,
  type: 'gauge',
  help,
  labels: [],
  samples: () => [{ labels: {}, value: value() }],
});

const counter = (name: string, help: string, value: () => number): Family => ({
  name,
  type: 'counter',
  help,
  labels: [],
  samples: () => [{ labels: {}, value: value() }],
});

export function selfFamilies(build: Labels, loop: LoopWatch, droppedLines: () => number): Family[] {
  return [
    {
      name: 'weir_build_info',
      type: 'gauge',
      help: 'Always 1; the labels say what is running.',
      labels: Object.keys(build),
      samples: () => [{ labels: build, value: 1 }],
    },
    gauge(
      'weir_event_loop_lag_mean_seconds',
      'Mean lateness of the event loop in the last 15 s.',
      () => loop.meanSeconds,
    ),
    gauge('weir_event_loop_lag_p99_seconds', '99th percentile of that lateness.', () => loop.p99Seconds),
    gauge('weir_event_loop_lag_max_seconds', 'Largest such lateness.', () => loop.maxSeconds),
    counter('weir_process_cpu_seconds_total', 'Processor time of this process, user and system.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
    gauge('weir_process_resident_memory_bytes', 'Resident memory of this process.', () =>
      process.memoryUsage.rss(),
    ),
    gauge(
      'weir_process_heap_used_bytes',
      'Memory of live JavaScript objects.',
      () => process.memoryUsage().heapUsed,
    ),
    gauge(
      'weir_process_start_time_seconds',
      'When this process started, in seconds since 1970.',
      () => performance.timeOrigin / 1000,
    ),
    counter(
      'weir_log_lines_dropped_total',
      'Log lines lost because stdout was read too slowly.',
      droppedLines,
    ),
  ];
}
