// Traces: which requests are sampled, and the spans of a request or a webhook delivery.
// Invariant: no span is stored for a request; its spans are made from its record each time they are read.
//   request-sampling.ts, sampling.ts  which traces are sampled      request-spans.ts  record of a request → spans
//   webhook-span.ts  webhook delivery → record
import type { LogRecord } from '../logs/logs.ts';
import { deliverySpan, type DeliverySpan } from './webhook-span.ts';
import type { TraceOptions } from './options.ts';
import { RequestSampling } from './request-sampling.ts';
import type { Span } from './span.ts';
import { spansOf, type TraceSubject } from './request-spans.ts';

export type { DeliverySpan } from './webhook-span.ts';
export { genAiNames, genAiValue } from './gen-ai.ts';
export { spansOf, type TraceSubject } from './request-spans.ts';
export { STATUS } from './span.ts';
export type { Span } from './span.ts';

export class Tracing extends RequestSampling {
  readonly #options: TraceOptions;
  readonly #subject: TraceSubject;

  constructor(options: TraceOptions, subject: TraceSubject) {
    super(options);
    this.#options = options;
    this.#subject = subject;
  }

  /** The spans of a request, made from its record. The span of the request itself is the first. */
  spansOf(record: LogRecord): Span[] {
    return spansOf(record, this.#subject);
  }

  /** The span of a webhook delivery as a record; `undefined` if its trace is not sampled. */
  delivery(delivery: DeliverySpan, environment: string): LogRecord | undefined {
    return deliverySpan(delivery, environment, this.#options.always_on_error);
  }
}
