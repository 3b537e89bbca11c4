// Everything that metrics count themselves, in all threads. The metrics page reads it here.
// Invariant: what another thread counts is read where that thread writes it, so no request is counted late or lost.
import type { Cause } from '../../core/errors.ts';
import { SharedArrays } from '../../core/shared-arrays.ts';
import { Http2Counters } from '../../protocol/http2/http2-counters.ts';
import { AsyncTotals } from './async-totals.ts';
import type { LagFigure } from './event-loop-lag.ts';
import { sumHistograms, type HistogramReading } from './histogram.ts';
import { LlmTotalsSum } from './llm-totals-sum.ts';
import { RequestTotalsSum } from './request-totals-sum.ts';
import { ThreadCounters, type CounterSettings } from './thread-counters.ts';

export class MetricCounters {
  /** Those of the main thread. */
  readonly own: ThreadCounters;
  readonly async: AsyncTotals;
  readonly requests: RequestTotalsSum;
  readonly llm: LlmTotalsSum;
  /** Families that threw while a scrape read them. */
  unreadableFamilies = 0;
  /** By the number of the thread; the main thread is 0. */
  readonly #threads: readonly ThreadCounters[];
  readonly #memory: readonly SharedArrays[];

  /** `indexOf`: id of a deployment → index, or -1. `threads`: how many serve requests, with the main thread. */
  constructor(settings: CounterSettings, indexOf: (deployment: string) => number, threads = 1) {
    const { metrics, models, maxDeployments } = settings;
    this.own = new ThreadCounters(settings);
    this.#memory = Array.from({ length: threads - 1 }, () => new SharedArrays());
    this.#threads = [this.own, ...this.#memory.map((arrays) => new ThreadCounters(settings, arrays))];
    this.async = new AsyncTotals(maxDeployments, metrics.duration_buckets, indexOf);
    this.requests = new RequestTotalsSum(
      this.#threads.map(({ requests }) => requests),
      metrics.max_status_codes,
    );
    this.llm = new LlmTotalsSum(
      this.#threads.map(({ llm }) => llm),
      models,
    );
  }

  /** Memory of a thread (1 and up), in which it makes its ThreadCounters: `new SharedArrays(memory)`. */
  memoryOf(thread: number): readonly SharedArrayBuffer[] {
    return this.#memory[thread - 1]!.buffers;
  }

  /** A thread is gone (ThreadCounters.lost). */
  lost(thread: number): void {
    this.#threads[thread]!.lost();
  }

  /** Open exchanges. */
  get open(): number {
    return this.#sum(({ open }) => open[0]!);
  }

  /** Synchronous exchanges of a deployment that wait or are served. Asynchronous requests do not count. */
  concurrent(deployment: number): number {
    return this.#sum(({ inFlight }) => inFlight.concurrent[deployment]!);
  }

  /** Open WebSocket connections of a deployment. */
  websockets(deployment: number): number {
    return this.#sum(({ inFlight }) => inFlight.websockets[deployment]!);
  }

  /** Exchanges that ended with a cause. `row`: deployment + 1; 0: without a known deployment. */
  ended(row: number, cause: Cause): number {
    return this.#sum(({ inFlight }) => inFlight.endedWith(row, cause));
  }

  /** Time of a deployment's exchanges in the wait queue, in seconds. */
  waited(deployment: number): HistogramReading {
    return sumHistograms(this.#threads.map(({ inFlight }) => inFlight.waited(deployment)));
  }

  /** HTTP/2 connections, by side. */
  get http2(): Readonly<Record<'client' | 'replica', Http2Counters>> {
    return {
      client: Http2Counters.sum(this.#threads.map(({ http2 }) => http2.client)),
      replica: Http2Counters.sum(this.#threads.map(({ http2 }) => http2.replica)),
    };
  }

  /** Connections to replicas. `own`: those of the main thread. */
  connections(own: { readonly active: number; readonly idle: number }): { active: number; idle: number } {
    return {
      active: own.active + this.#sum(({ connections }) => connections[0]!),
      idle: own.idle + this.#sum(({ connections }) => connections[1]!),
    };
  }

  /** Event loop lag of the thread where it is highest, in seconds. */
  lagSeconds(figure: LagFigure): number {
    return Math.max(...this.#threads.map(({ eventLoop }) => eventLoop.seconds(figure)));
  }

  /** True while a thread refuses requests, since it is overloaded. */
  get isOverloaded(): boolean {
    return this.#threads.some(({ overloaded }) => overloaded[0] === 1);
  }

  #sum(read: (thread: ThreadCounters) => number): number {
    return this.#threads.reduce((sum, thread) => sum + read(thread), 0);
  }
}
