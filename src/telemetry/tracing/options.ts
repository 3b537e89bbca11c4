// Settings of tracing (section `trace`).
import { choice, flag, fraction, section, type Settings } from '../../core/settings.ts';

import { GEN_AI_NAMES } from './gen-ai.ts';

export const traceOptions = section({
  enabled: flag({
    default: false,
    doc: 'Record traces: one span per request, and child spans for queueing, connecting and the replica. Spans are made from the log store (section `logs`) when they are read or exported.',
  }),
  sample_ratio: fraction({
    default: 1,
    doc: 'Part of new traces that is sampled, 0 to 1. Decided by the trace id, so that several weirs agree.',
  }),
  parent_based: flag({
    default: true,
    doc: 'Follow the sampling decision in the client’s `traceparent`, instead of the ratio.',
  }),
  always_on_error: flag({
    default: true,
    doc: 'Always sample requests that failed. Applies to spans of weir only, not to those of the replica.',
  }),
  gen_ai: choice(GEN_AI_NAMES, {
    default: 'common',
    doc: 'Attributes `gen_ai.*` of spans and OTLP log records of requests to language models. OpenTelemetry has not declared any of them stable. `common`: those that have not changed since 2024, and the provider. `latest`: also those for streams, cached and reasoning tokens and the time to the first chunk. `off`: none.',
  }),
});
export type TraceOptions = Settings<typeof traceOptions>;
