// From records to OTLP spans: a request's record stands for several, one that others posted goes out as it came in.
// Must stay true: what src/logs/otlp-intake.ts made of a span is made a span again here; a request goes out only where
// its trace is wanted; the same record makes the same spans whenever it is sent.
import { attributesOf, type LogRecord } from '../logs/logs.ts';
import { emptyOf, emptySpan, tracesRequest, type OtlpSpan } from '../otlp/messages.ts';
import { attributesFrom, type Attributes } from '../otlp/value.ts';
import type { ProjectSpans } from './client.ts';
import type { ResourceSpans } from './project.ts';

/** A span as the room of traces makes it from a request. */
export interface SpanLike extends Pick<
  OtlpSpan,
  'traceId' | 'spanId' | 'parentSpanId' | 'name' | 'kind' | 'startTimeUnixNano' | 'endTimeUnixNano' | 'status'
> {
  readonly attributes: object;
  readonly events: readonly {
    readonly timeUnixNano: bigint;
    readonly name: string;
    readonly attributes: object;
  }[];
}

/** Spans with who says them: the key of `senders` is its text. */
interface Grouped {
  readonly resource: Attributes;
  readonly spans: OtlpSpan[];
}

/** `spansOf`: the spans of a request's record. `version` is weir's own. */
export function spanProjection(
  spansOf: (record: LogRecord) => readonly SpanLike[],
  version: string,
): ProjectSpans {
  return (records, serviceName) => {
    const own: Grouped = {
      resource: attributesFrom({ 'service.name': serviceName, 'service.version': version }),
      spans: [],
    };
    const senders = new Map<string, Grouped>();
    for (const record of records)
      if (record.kind === 'span') addPosted(record, own, senders);
      else if (attributesOf(record)['is_sampled'] === true)
        for (const span of spansOf(record)) own.spans.push(spanOf(span));
    return [own, ...senders.values()].filter(({ spans }) => spans.length > 0).map(groupOf);
  };
}

const spanOf = ({ attributes, events, ...span }: SpanLike): OtlpSpan => ({
  ...emptySpan(),
  ...span,
  attributes: attributesFrom(attributes),
  events: events.map((event) => ({
    ...event,
    attributes: attributesFrom(event.attributes),
    droppedAttributesCount: 0,
  })),
});

/** Names that otlp-intake.ts gives what is no attribute of the sender's. */
interface Posted {
  name?: string;
  kind?: number;
  status_code?: number;
  status_message?: string;
  trace_state?: string;
  events?: { time_ns: string; name: string; attributes?: object }[];
  links?: { trace_id: string; span_id: string; trace_state?: string; attributes?: object }[];
  resource?: object;
}

function addPosted(record: LogRecord, own: Grouped, senders: Map<string, Grouped>): void {
  const {
    name,
    kind,
    status_code,
    status_message,
    trace_state,
    events,
    links,
    resource,
    scope: _,
    ...rest
  } = attributesOf(record) as Posted & { scope?: unknown };
  const said: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(rest))
    said[key.startsWith('attributes.') ? key.slice('attributes.'.length) : key] = value;
  if (record.requestId !== '') said['request_id'] = record.requestId;
  const span: OtlpSpan = {
    ...emptySpan(),
    traceId: record.traceId,
    spanId: record.spanId,
    parentSpanId: record.parentSpanId,
    traceState: trace_state ?? '',
    name: name ?? record.message,
    kind: kind ?? 0,
    startTimeUnixNano: record.timeNs,
    endTimeUnixNano: record.timeNs + BigInt(record.durationNs),
    attributes: attributesFrom(said),
    events: (events ?? []).map((event) => ({
      timeUnixNano: BigInt(event.time_ns),
      name: event.name,
      attributes: attributesFrom(event.attributes ?? {}),
      droppedAttributesCount: 0,
    })),
    links: (links ?? []).map((link) => ({
      traceId: link.trace_id,
      spanId: link.span_id,
      traceState: link.trace_state ?? '',
      attributes: attributesFrom(link.attributes ?? {}),
      droppedAttributesCount: 0,
      flags: 0,
    })),
    status: { code: status_code ?? 0, message: status_message ?? '' },
  };
  // weir's own, such as the delivery of a webhook.
  if (record.source === 'weir') return void own.spans.push(span);
  const key = JSON.stringify(resource ?? {});
  let sender = senders.get(key);
  if (sender === undefined)
    senders.set(key, (sender = { resource: attributesFrom(resource ?? {}), spans: [] }));
  sender.spans.push(span);
}

function groupOf({ resource, spans }: Grouped): ResourceSpans[number] {
  const group = emptyOf(tracesRequest.resourceSpans[1].fields);
  const inner = emptyOf(tracesRequest.resourceSpans[1].fields.scopeSpans[1].fields);
  inner.scope = { ...inner.scope, name: 'weir' };
  inner.spans = spans;
  group.resource = { ...group.resource, attributes: resource };
  group.scopeSpans = [inner];
  return group;
}
