// Runs one collector on a timer and keeps its last reading.
// Invariant: at most one run at a time. A run past its deadline counts as failed, and the next one starts after it has
// ended, so that calls to a driver or daemon that hangs do not accumulate.
import { describe } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

/** Result of one run. */
export interface CollectorReading<T> {
  /** `undefined` without a problem: there was nothing to read, and the run does not count. */
  readonly value: T | undefined;
  /** What could not be read; empty if nothing failed. There may be a value with the rest. */
  readonly problem: string;
  /** True if something is missing that may appear soon, such as a process that starts. */
  readonly retrySoon: boolean;
}

/** Reads values. `signal` fires at the deadline of a run. */
export interface Collector<T> {
  readonly name: string;
  collect(signal: AbortSignal): Promise<CollectorReading<T>>;
}

/** Result of a run. `missing`: the program that gives the values is not installed. */
export type CollectResult = 'success' | 'failure' | 'timeout' | 'missing';

/** State of a collector. Values are `undefined` before the first run. */
export interface CollectorStats {
  /** Name of the collector. */
  readonly sampler: string;
  readonly isSuccess: boolean | undefined;
  /** Duration of the last run that ended or reached its deadline. */
  readonly durationSeconds: number | undefined;
  /** Age of the last reading. */
  readonly ageSeconds: number | undefined;
  readonly runs: Readonly<Record<CollectResult, number>>;
}

export interface RunnerOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly maxAgeMs: number;
  /** Wait after a run with `retrySoon`. */
  readonly retryMs: number;
}

export class CollectorRunner<T> {
  readonly #collector: Collector<T>;
  readonly #options: RunnerOptions;
  readonly #log: Logger;
  readonly #runs: Record<CollectResult, number> = { success: 0, failure: 0, timeout: 0, missing: 0 };
  #timer: NodeJS.Timeout | undefined;
  #reading: { readonly value: T; readonly atMs: number } | undefined;
  #durationSeconds: number | undefined;
  #lastResult: CollectResult | undefined;
  #running: Promise<void> | undefined;
  #isStopped = true;

  constructor(collector: Collector<T>, options: RunnerOptions, log: Logger) {
    this.#collector = collector;
    this.#options = options;
    this.#log = log;
  }

  /** Starts the first run after `delayMs`. */
  start(delayMs: number): void {
    this.#isStopped = false;
    this.#next(delayMs);
  }

  /** Starts no more runs. Resolves when the current run has ended. */
  stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    return this.#running ?? Promise.resolve();
  }

  /** Starts a run at once, unless one is running. */
  runSoon(): void {
    if (this.#running === undefined) this.#next(0);
  }

  /** The last reading; `undefined` if there is none or it is too old. */
  last(): T | undefined {
    const reading = this.#reading;
    return reading && performance.now() - reading.atMs <= this.#options.maxAgeMs ? reading.value : undefined;
  }

  stats(): CollectorStats {
    return {
      sampler: this.#collector.name,
      isSuccess: this.#lastResult === undefined ? undefined : this.#lastResult === 'success',
      durationSeconds: this.#durationSeconds,
      ageSeconds: this.#reading && (performance.now() - this.#reading.atMs) / 1000,
      runs: this.#runs,
    };
  }

  #next(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#run().then((nextMs) => {
        this.#running = undefined;
        this.#next(nextMs);
      });
    }, delayMs).unref();
  }

  /** One run. Resolves when it has ended, with the wait before the next run in milliseconds. */
  async #run(): Promise<number> {
    const { intervalMs, timeoutMs, retryMs } = this.#options;
    const startedMs = performance.now();
    const deadline = new AbortController();
    let isLate = false;
    const end = (result: CollectResult, problem: string) => {
      this.#durationSeconds = (performance.now() - startedMs) / 1000;
      this.#count(result, problem);
    };
    const timer = setTimeout(() => {
      isLate = true;
      end('timeout', `no reading within ${timeoutMs} ms`);
      deadline.abort();
    }, timeoutMs).unref();
    let reading: CollectorReading<T>;
    try {
      reading = await this.#collector.collect(deadline.signal);
    } catch (error) {
      reading = { value: undefined, problem: describe(error), retrySoon: false };
    }
    clearTimeout(timer);
    // A late reading may be outdated, so it is dropped.
    if (!isLate) {
      if (reading.value !== undefined) this.#reading = { value: reading.value, atMs: performance.now() };
      if (reading.problem !== '') end('failure', reading.problem);
      else if (reading.value !== undefined) end('success', '');
    }
    return !isLate && reading.retrySoon ? Math.min(intervalMs, retryMs) : intervalMs;
  }

  /** Counts a run. Logs only when success turns to failure or back. */
  #count(result: CollectResult, problem: string): void {
    this.#runs[result]++;
    const before = this.#lastResult ?? 'success';
    this.#lastResult = result;
    const sampler = this.#collector.name;
    if (result === 'success' && before !== 'success') this.#log.info('collector recovered', { sampler });
    else if (result !== 'success' && before === 'success')
      this.#log.warn('collector failed', { sampler, problem });
  }
}
