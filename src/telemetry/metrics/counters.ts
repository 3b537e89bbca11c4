// Everything that metrics count themselves, while requests run and when they end.
import { AsyncTotals } from './async-totals.ts';
import { EventLoopLag } from './event-loop-lag.ts';
import { InFlight } from './in-flight.ts';
import { LlmTotals } from './llm-totals.ts';
import type { ModelNameOptions } from './model-names.ts';
import type { MetricsOptions } from './options.ts';
import { RequestTotals } from './request-totals.ts';

export class MetricCounters {
  readonly requests: RequestTotals;
  /** Observes every exchange, and hands closed ones to `requests`. */
  readonly inFlight: InFlight;
  /** Observes every exchange. */
  readonly llm: LlmTotals;
  readonly async: AsyncTotals;
  readonly eventLoop = new EventLoopLag();
  /** Families that threw while a scrape read them. */
  unreadableFamilies = 0;

  /**
   * `models`: settings of the label `model`. `maxDeployments`: how many deployments the process can ever know.
   * `indexOf`: id of a deployment → index, or -1.
   */
  constructor(
    options: MetricsOptions,
    models: ModelNameOptions,
    maxDeployments: number,
    indexOf: (deployment: string) => number,
  ) {
    const { duration_buckets, size_buckets, max_status_codes } = options;
    this.requests = new RequestTotals({
      deployments: maxDeployments,
      durationBounds: duration_buckets,
      sizeBounds: size_buckets,
      maxStatusCodes: max_status_codes,
    });
    this.inFlight = new InFlight(maxDeployments, this.requests, duration_buckets);
    this.llm = new LlmTotals(maxDeployments, models);
    this.async = new AsyncTotals(maxDeployments, duration_buckets, indexOf);
  }
}
