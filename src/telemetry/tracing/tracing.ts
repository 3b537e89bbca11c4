// The door of the room: which requests belong to a trace, and the spans that their records stand for.
// Must stay true: nothing is kept here. A span is made from the record of a request whenever somebody wants it.
//   sampling.ts  which traces       spans.ts  record → spans       webhook-span.ts  a webhook → a record
import type { Observer } from '../../core/exchange/exchange.ts';
import type { LogRecord } from '../logs/logs.ts';
import { deliverySpan, type DeliverySpan } from './webhook-span.ts';
import type { TraceOptions } from './options.ts';
import { hasFailed } from './span-status.ts';
import { ratioSampler, type RatioSampler } from './sampling.ts';
import type { Span } from './span.ts';
import { spansOf, type UrlScheme } from './request-spans.ts';

export type { DeliverySpan } from './webhook-span.ts';
export { STATUS } from './span.ts';
export type { Span, SpanAttributes, SpanEvent } from './span.ts';

/** What all requests have in common. */
export interface TraceSubject {
  readonly modelId: string;
  readonly scheme: UrlScheme;
}

export class Tracing {
  readonly sampler: RatioSampler;
  readonly #options: TraceOptions;
  readonly #about: TraceSubject;

  constructor(options: TraceOptions, about: TraceSubject) {
    this.#options = options;
    this.#about = about;
    this.sampler = ratioSampler(options.sample_ratio, options.parent_based);
  }

  /** To be told before those who write the record: samples what failed, where that is wanted. */
  get observer(): Observer {
    const isWanted = this.#options.always_on_error;
    return {
      closed(exchange) {
        if (!isWanted || exchange.isSampled) return;
        const { protocol, status } = exchange;
        exchange.isSampled = hasFailed({ protocol, status, cause: exchange.cause! });
      },
    };
  }

  /** The spans of a request's record, its own first. */
  spansOf(record: LogRecord): Span[] {
    return spansOf(record, this.#about.modelId, this.#about.scheme);
  }

  /** The record of a delivery, where its trace is wanted. */
  delivery(delivery: DeliverySpan, environment: string): LogRecord | undefined {
    return deliverySpan(delivery, environment, this.#options.always_on_error);
  }
}
