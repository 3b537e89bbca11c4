// From records to OTLP spans: a request's record stands for several, one that others posted goes out as it came in.
// Must stay true: what src/telemetry/logs/ingest/otlp-records.ts made of a span is made that span again here, with who sent it; a request goes out only where
// its trace is wanted; the same record makes the same spans whenever it is sent.
import { attributesOf, type LogRecord } from '../logs/logs.ts';
import { emptyOf, emptySpan, tracesRequest, type OtlpSpan } from '../../protocol/otlp/messages.ts';
import { attributesFrom, type Attributes } from '../../protocol/otlp/any-value.ts';
import type { Span } from '../tracing/tracing.ts';
import type { ProjectSpans } from './otlp-client.ts';
import { markOf, nextHop, SCOPE, type HopScope } from './hop-count.ts';
import type { ResourceSpans } from './otlp-logs.ts';

/** Spans with who says them: the key of `senders` is its text. */
interface Grouped {
  readonly resource: Attributes;
  readonly scope: HopScope;
  readonly spans: OtlpSpan[];
}

/** `spansOf`: the spans of a request's record. `version` is weir's own. */
export function spanProjection(
  spansOf: (record: LogRecord) => readonly Span[],
  version: string,
): ProjectSpans {
  return (records, serviceName) => {
    const own: Grouped = {
      resource: attributesFrom({ 'service.name': serviceName, 'service.version': version }),
      scope: { name: SCOPE, version },
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

const spanOf = ({ attributes, events, ...span }: Span): OtlpSpan => ({
  ...emptySpan(),
  ...span,
  attributes: attributesFrom(attributes),
  events: events.map((event) => ({
    ...event,
    attributes: attributesFrom(event.attributes),
    droppedAttributesCount: 0,
  })),
});

/** Names that otlp-records.ts gives what is no attribute of the sender's. */
interface Posted {
  name?: string;
  kind?: number;
  status_code?: number;
  status_message?: string;
  trace_state?: string;
  events?: { time_ns?: string; name?: string; attributes?: object }[];
  links?: { trace_id?: string; span_id?: string; trace_state?: string; attributes?: object }[];
  resource?: object;
  scope?: HopScope;
}

/** What otlp-records.ts puts before a name of the sender's that is one of those. */
const PREFIX = 'attributes.';
const OURS: ReadonlySet<string> = new Set([
  'name',
  'kind',
  'status_code',
  'status_message',
  'trace_state',
  'time_unix_nano',
  'events',
  'links',
  'resource',
  'scope',
]);
/** What bounds and redaction have left of these may be something else. */
const TIME = /^\d{1,19}$/;
const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const nameOf = (key: string): string =>
  key.startsWith(PREFIX) && OURS.has(key.slice(PREFIX.length)) ? key.slice(PREFIX.length) : key;

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
    scope = {},
    // Of weir's own making, both.
    time_unix_nano: _,
    attributes_dropped: dropped,
    ...rest
  } = attributesOf(record) as Posted & { time_unix_nano?: string; attributes_dropped?: number };
  const hop = record.source === 'weir' ? 1 : nextHop(scope);
  if (hop === undefined) return;
  const said: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(rest)) said[nameOf(key)] = value;
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
    droppedAttributesCount: dropped ?? 0,
    events: (events ?? []).map((event) => ({
      timeUnixNano: TIME.test(event.time_ns ?? '') ? BigInt(event.time_ns!) : record.timeNs,
      name: event.name ?? '',
      attributes: attributesFrom(event.attributes ?? {}),
      droppedAttributesCount: 0,
    })),
    links: (links ?? []).map((link) => ({
      traceId: TRACE_ID.test(link.trace_id ?? '') ? link.trace_id! : '',
      spanId: SPAN_ID.test(link.span_id ?? '') ? link.span_id! : '',
      traceState: link.trace_state ?? '',
      attributes: attributesFrom(link.attributes ?? {}),
      droppedAttributesCount: 0,
      flags: 0,
    })),
    status: { code: status_code ?? 0, message: status_message ?? '' },
  };
  // weir's own, such as the delivery of a webhook.
  if (record.source === 'weir') return void own.spans.push(span);
  const key = JSON.stringify([resource, scope]);
  let sender = senders.get(key);
  if (sender === undefined) {
    const attributes = { ...scope.attributes, ...markOf(hop, scope.name ?? '') };
    const marked = { ...scope, attributes };
    senders.set(key, (sender = { resource: attributesFrom(resource ?? {}), scope: marked, spans: [] }));
  }
  sender.spans.push(span);
}

function groupOf({ resource, scope, spans }: Grouped): ResourceSpans[number] {
  const group = emptyOf(tracesRequest.resourceSpans[1].fields);
  const inner = emptyOf(tracesRequest.resourceSpans[1].fields.scopeSpans[1].fields);
  const { name = '', version = '', attributes = {} } = scope;
  inner.scope = { ...inner.scope, name, version, attributes: attributesFrom(attributes) };
  inner.spans = spans;
  group.resource = { ...group.resource, attributes: resource };
  group.scopeSpans = [inner];
  return group;
}
