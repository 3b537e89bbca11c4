// Settings of tracing (section `trace`): whether weir takes part in traces, and in which.
import { flag, fraction, section, type Settings } from '../../core/settings.ts';

export const traceOptions = section({
  enabled: flag({
    default: false,
    doc: 'Take part in traces: a span for each request and for what it waited for. Made from the record (`logs`), when somebody asks for it.',
  }),
  sample_ratio: fraction({
    default: 1,
    doc: 'Part of the traces that begin here which is sampled; by the trace id, so that all who use it agree.',
  }),
  parent_based: flag({
    default: true,
    doc: 'What the caller’s `traceparent` says of sampling counts before the ratio.',
  }),
  always_on_error: flag({
    default: true,
    doc: 'Spans of requests that failed are sampled in any case: weir’s own, those of others are not made afterwards.',
  }),
});
export type TraceOptions = Settings<typeof traceOptions>;
