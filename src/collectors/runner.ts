// Runs one sampler on a timer of its own and keeps its last reading.
// Must stay true: never two runs at once. A run that hangs past its deadline has failed, and the next one begins only
// when it has really ended: a stuck driver or daemon must not gather a pile of waiting calls.
import { describe } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

/** What one run gave. */
export interface CollectorReading<T> {
  /** The reading; `undefined` where there is none. Without a problem that means: nothing to read, not a run. */
  readonly value: T | undefined;
  /** What is wrong, empty when nothing is. There may be a value all the same: the part that could be read. */
  readonly problem: string;
  /** True: something was not there yet that may come any moment. */
  readonly askSoon: boolean;
}

/** Something that is read now and then. `signal` fires at the deadline: end what can be ended. */
export interface Collector<T> {
  readonly name: string;
  sample(signal: AbortSignal): Promise<CollectorReading<T>>;
}

/** How runs of a sampler end. `missing`: there is nothing to ask, such as a program that is not installed. */
export type CollectResult = 'success' | 'failure' | 'timeout' | 'missing';

/** What a sampler says of itself. `undefined` where there is nothing to say yet. */
export interface CollectorStats {
  readonly sampler: string;
  readonly isSuccess: boolean | undefined;
  /** How long the last run took that ended or was given up. */
  readonly durationSeconds: number | undefined;
  /** Since the last reading that succeeded. */
  readonly ageSeconds: number | undefined;
  readonly runs: Readonly<Record<CollectResult, number>>;
}

export interface RunnerOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly maxAgeMs: number;
  /** How soon to ask again when a run says so. */
  readonly retryMs: number;
}

export class CollectorRunner<T> {
  readonly #sampler: Collector<T>;
  readonly #options: RunnerOptions;
  readonly #log: Logger;
  readonly #runs: Record<CollectResult, number> = { success: 0, failure: 0, timeout: 0, missing: 0 };
  #timer: NodeJS.Timeout | undefined;
  #reading: { readonly value: T; readonly atMs: number } | undefined;
  #durationSeconds: number | undefined;
  #lastResult: CollectResult | undefined;
  #running: Promise<void> | undefined;
  #isStopped = true;

  constructor(sampler: Collector<T>, options: RunnerOptions, log: Logger) {
    this.#sampler = sampler;
    this.#options = options;
    this.#log = log;
  }

  /** The first run begins after `delayMs`; nothing is awaited. */
  start(delayMs: number): void {
    this.#isStopped = false;
    this.#next(delayMs);
  }

  /** No run begins any more; resolves when the one under way, if any, has ended. */
  stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    return this.#running ?? Promise.resolve();
  }

  /** Runs as soon as it may: at once, unless a run is under way. */
  runSoon(): void {
    if (this.#running === undefined) this.#next(0);
  }

  /** The last reading, or `undefined` when there is none or it is too old to be shown. */
  last(): T | undefined {
    const reading = this.#reading;
    return reading && performance.now() - reading.atMs <= this.#options.maxAgeMs ? reading.value : undefined;
  }

  stats(): CollectorStats {
    return {
      sampler: this.#sampler.name,
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

  /** One run from its beginning to its real end; resolves to the wait before the next. */
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
    let sampled: CollectorReading<T>;
    try {
      sampled = await this.#sampler.sample(deadline.signal);
    } catch (error) {
      sampled = { value: undefined, problem: describe(error), askSoon: false };
    }
    clearTimeout(timer);
    // What comes late may describe the past: the next run tells how things are.
    if (!isLate) {
      if (sampled.value !== undefined) this.#reading = { value: sampled.value, atMs: performance.now() };
      if (sampled.problem !== '') end('failure', sampled.problem);
      else if (sampled.value !== undefined) end('success', '');
    }
    return !isLate && sampled.askSoon ? Math.min(intervalMs, retryMs) : intervalMs;
  }

  /** Counts a run; the log hears of changes only. */
  #count(result: CollectResult, problem: string): void {
    this.#runs[result]++;
    const before = this.#lastResult ?? 'success';
    this.#lastResult = result;
    const sampler = this.#sampler.name;
    if (result === 'success' && before !== 'success') this.#log.info('sampler reads again', { sampler });
    else if (result !== 'success' && before === 'success')
      this.#log.warn('sampler failed', { sampler, problem });
  }
}
