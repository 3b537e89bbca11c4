// Converts records to OTLP spans: the spans of a request, and spans that other programs posted.
// Invariant: a posted span leaves as it arrived (telemetry/logs/ingest/otlp-records.ts is the inverse), with its
// resource and scope; the resource of every span names the pod and the model; a request has spans only if its trace is sampled; the same record always makes the same spans.
import { attributesOf, RESERVED_PREFIX, SPAN_NAMES, type LogRecord } from '../logs/logs.ts';
import { emptyMessage, emptySpan, tracesRequest, type OtlpSpan } from '../../protocol/otlp/messages.ts';
import { attributesFrom, type Attributes } from '../../protocol/otlp/any-value.ts';
import type { Span } from '../tracing/tracing.ts';
import type { ProjectSpans } from './request-encoder.ts';
import { hopAttributes, nextHop, SCOPE, type HopScope } from './hop-count.ts';
import { writerAttributes, writerOf, type ExportOrigin, type ResourceSpans } from './otlp-logs.ts';

/** Spans with the same resource and scope. */
interface SpanGroup {
  readonly resource: Attributes;
  readonly scope: HopScope;
  readonly spans: OtlpSpan[];
}

/** `spansOf`: the spans of a request's record. */
export function spanProjection(
  spansOf: (record: LogRecord) => readonly Span[],
  { version, own }: ExportOrigin,
): ProjectSpans {
  return (records, serviceName) => {
    const ofWeir = { 'service.name': serviceName, 'service.version': version };
    const ownWriter = own();
    const groups = new Map<string, SpanGroup>();
    const groupOf = (record: LogRecord, resource: object, scope: HopScope): OtlpSpan[] => {
      const full = { ...resource, ...writerAttributes(writerOf(record, ownWriter)) };
      const key = JSON.stringify([full, scope]);
      let group = groups.get(key);
      if (group === undefined)
        groups.set(key, (group = { resource: attributesFrom(full), scope, spans: [] }));
      return group.spans;
    };
    for (const record of records) {
      const posted = record.kind === 'span' ? postedSpan(record) : undefined;
      if (posted !== undefined) {
        const { span, sender } = posted;
        const { resource, scope } = sender ?? { resource: ofWeir, scope: { name: SCOPE, version } };
        groupOf(record, resource, scope).push(span);
      } else if (record.kind !== 'span' && attributesOf(record)['is_sampled'] === true)
        groupOf(record, ofWeir, { name: SCOPE, version }).push(...spansOf(record).map(spanOf));
    }
    return Array.from(groups.values(), resourceSpansOf);
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

/** Parts of a posted span that otlp-records.ts stores beside the span's attributes. */
interface PostedSpan {
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

/** Redaction and size limits may have changed these values, so they are validated. */
const TIME = /^\d{1,19}$/;
const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const nameOf = (key: string): string =>
  key.startsWith(RESERVED_PREFIX) && SPAN_NAMES.has(key.slice(RESERVED_PREFIX.length))
    ? key.slice(RESERVED_PREFIX.length)
    : key;

/** A span that was stored as a record of its own. `sender`: `undefined` if weir made it, such as a webhook delivery. */
interface StoredSpan {
  readonly span: OtlpSpan;
  readonly sender: { readonly resource: object; readonly scope: HopScope } | undefined;
}

/** `undefined`: the span has reached the hop limit. */
function postedSpan(record: LogRecord): StoredSpan | undefined {
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
    // Added by weir.
    time_unix_nano: _,
    attributes_dropped: dropped,
    ...rest
  } = attributesOf(record) as PostedSpan & { time_unix_nano?: string; attributes_dropped?: number };
  const hop = record.source === 'weir' ? 1 : nextHop(scope);
  if (hop === undefined) return undefined;
  const attributes: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(rest)) attributes[nameOf(key)] = value;
  if (record.requestId !== '') attributes['request_id'] = record.requestId;
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
    attributes: attributesFrom(attributes),
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
  if (record.source === 'weir') return { span, sender: undefined };
  const counted = { ...scope, attributes: { ...scope.attributes, ...hopAttributes(hop, scope.name ?? '') } };
  return { span, sender: { resource: resource ?? {}, scope: counted } };
}

function resourceSpansOf({ resource, scope, spans }: SpanGroup): ResourceSpans[number] {
  const group = emptyMessage(tracesRequest.resourceSpans[1].fields);
  const inner = emptyMessage(tracesRequest.resourceSpans[1].fields.scopeSpans[1].fields);
  const { name = '', version = '', attributes = {} } = scope;
  inner.scope = { ...inner.scope, name, version, attributes: attributesFrom(attributes) };
  inner.spans = spans;
  group.resource = { ...group.resource, attributes: resource };
  group.scopeSpans = [inner];
  return group;
}
