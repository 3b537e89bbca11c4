// What one thread that serves requests counts itself. Threads count in memory of their own, without Atomics; the main
// thread has these counters too, over the same memory, and adds them up (counters.ts).
// Invariant: two threads that make these counters with the same settings share every array.
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';
import { Http2Counters } from '../../protocol/http2/http2-counters.ts';
import { EventLoopLag } from './event-loop-lag.ts';
import { InFlight } from './in-flight.ts';
import { LlmTotals } from './llm-totals.ts';
import type { ModelNameOptions } from './model-names.ts';
import type { MetricsOptions } from './options.ts';
import { RequestTotals } from './request-totals.ts';

export interface CounterSettings {
  readonly metrics: MetricsOptions;
  /** Settings of the label `model`. */
  readonly models: ModelNameOptions;
  /** How many deployments the process can ever know. */
  readonly maxDeployments: number;
}

export class ThreadCounters {
  readonly requests: RequestTotals;
  /** Observes every exchange, and hands closed ones to `requests`. */
  readonly inFlight: InFlight;
  /** Observes every exchange. */
  readonly llm: LlmTotals;
  readonly eventLoop: EventLoopLag;
  /** HTTP/2 connections, by side. */
  readonly http2: { readonly client: Http2Counters; readonly replica: Http2Counters };
  /** Connections to replicas, in use and kept for later. In the main thread they are read when they are needed. */
  readonly connections: Int32Array;
  /** One element: open exchanges. For `Exchanges`. */
  readonly open: Int32Array;
  /** One element: 1 while the thread refuses requests, since it is overloaded. For `Overload`. */
  readonly overloaded: Int32Array;

  /** `arrays`: memory that the main thread shares; without it the counters are those of the main thread itself. */
  constructor({ metrics, models, maxDeployments }: CounterSettings, arrays: ArraySource = privateArrays) {
    const { duration_buckets, size_buckets, max_status_codes } = metrics;
    this.requests = new RequestTotals(
      {
        deployments: maxDeployments,
        durationBounds: duration_buckets,
        sizeBounds: size_buckets,
        maxStatusCodes: max_status_codes,
      },
      arrays,
    );
    this.inFlight = new InFlight(maxDeployments, this.requests, duration_buckets, arrays);
    this.llm = new LlmTotals(maxDeployments, models, arrays);
    this.eventLoop = new EventLoopLag(arrays);
    this.http2 = { client: new Http2Counters(arrays), replica: new Http2Counters(arrays) };
    this.connections = arrays.int32(2);
    this.open = arrays.int32(1);
    this.overloaded = arrays.int32(1);
  }

  /**
   * Called in the main thread after the thread is gone, and before another one counts in its memory. What ran ends as
   * `internal`; connections are closed.
   */
  lost(): void {
    this.inFlight.lost(this.open[0]!);
    this.open[0] = this.overloaded[0] = 0;
    this.connections.fill(0);
    this.http2.client.lost();
    this.http2.replica.lost();
    this.eventLoop.clear();
  }
}
