// From OTLP, as others post it, to records: lines of their logs and spans of their traces.
// Must stay true: nothing that was said is lost here (defaults.ts bounds it). What has a field of its own in a record is there, the rest is in its
// attributes under its own name, and what the sender says of itself stays apart under `resource`.
import type {
  LogsRequest,
  OtlpLog,
  OtlpResource,
  OtlpScope,
  OtlpSpan,
  TracesRequest,
} from '../../../protocol/otlp/messages.ts';
import {
  plainAttributes,
  plainOf,
  type Attributes,
  type PlainValue,
} from '../../../protocol/otlp/any-value.ts';
import type { LogRecord } from '../log-record.ts';
import { severityOfName } from '../severity.ts';

/** Names by which senders say what a record has a field for; the first that is there counts. */
const FIELD_NAMES = {
  requestId: ['request_id', 'x-baseten-request-id', 'baseten.request_id'],
  replica: ['replica'],
  environment: ['environment', 'deployment.environment.name', 'deployment.environment'],
  deployment: ['model_version_id', 'deployment_id'],
} as const;
type Field = keyof typeof FIELD_NAMES;
const FIELDS = Object.keys(FIELD_NAMES) as Field[];

/** Names in a record's attributes that are not the sender's; his own of that name get `attributes.` before them. */
const LINE_NAMES: ReadonlySet<string> = new Set(['resource', 'scope', 'event_name', 'time_unix_nano']);
const SPAN_NAMES: ReadonlySet<string> = new Set([
  'resource',
  'scope',
  'name',
  'kind',
  'status_code',
  'status_message',
  'trace_state',
  'time_unix_nano',
  'events',
  'links',
]);
const MAX_SEVERITY = 24;
/** A time or duration behind it, in the year 2262, has no place in the store. */
const MAX_NS = 2n ** 63n - 1n;

/** What holds for all records of a request. */
export interface OtlpDefaults {
  /** Nanoseconds since the epoch: the time of a line that has none. */
  readonly nowNs: bigint;
  /** The deployment of those who name none. */
  readonly deployment: string;
}

/** Every log as a line. Only its place in the store (`seq`) is still 0. */
export function recordsOfLogs({ resourceLogs }: LogsRequest, defaults: OtlpDefaults): LogRecord[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords }) =>
      logRecords.map((log) => lineOf(log, resource, scope, defaults)),
    ),
  );
}

/** Every span. */
export function recordsOfSpans({ resourceSpans }: TracesRequest, defaults: OtlpDefaults): LogRecord[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) => spans.map((span) => spanOf(span, resource, scope, defaults))),
  );
}

function lineOf(log: OtlpLog, resource: OtlpResource, scope: OtlpScope, defaults: OtlpDefaults): LogRecord {
  const { fields, rest } = takeFields(log.attributes, resource.attributes, LINE_NAMES, defaults);
  const stack = log.attributes.get('exception.stacktrace');
  if (typeof stack === 'string' && !Object.hasOwn(rest, 'exc_info')) {
    rest['exc_info'] = stack;
    delete rest['exception.stacktrace'];
  }
  // Before the sender's: of too many attributes the last are left out.
  const own = Object.create(null) as Record<string, PlainValue>;
  if (log.eventName !== '') own['event_name'] = log.eventName;
  const message = log.body === null ? rest['message'] : log.body;
  // Some exporters, weir's among them, say the line in an attribute too.
  if (typeof rest['message'] === 'string' && rest['message'] === message) delete rest['message'];
  const timeNs = timeOf([log.timeUnixNano, log.observedTimeUnixNano], own, defaults);
  addSender(own, resource, scope);
  return {
    ...fields,
    seq: 0,
    kind: 'line',
    timeNs,
    severity: severityOf(log),
    message: textOf(message, log),
    traceId: log.traceId,
    spanId: log.spanId,
    parentSpanId: '',
    status: 0,
    durationNs: 0,
    attributes: jsonOf(Object.assign(own, rest)),
  };
}

/** The first of the times that is one; one that cannot be is kept as it was said, in an attribute. */
function timeOf(times: readonly bigint[], rest: Record<string, PlainValue>, { nowNs }: OtlpDefaults): bigint {
  const impossible = times.find((time) => time > MAX_NS);
  if (impossible !== undefined) rest['time_unix_nano'] = String(impossible);
  return times.find((time) => time > 0n && time <= MAX_NS) ?? nowNs;
}

const severityOf = ({ severityNumber, severityText }: OtlpLog): number =>
  severityNumber >= 1 && severityNumber <= MAX_SEVERITY ? severityNumber : severityOfName(severityText);

function textOf(message: unknown, log: OtlpLog): string {
  if (typeof message === 'string') return message;
  return log.body === null ? log.eventName : JSON.stringify(plainOf(log.body));
}

function spanOf(span: OtlpSpan, resource: OtlpResource, scope: OtlpScope, defaults: OtlpDefaults): LogRecord {
  const { fields, rest } = takeFields(span.attributes, resource.attributes, SPAN_NAMES, defaults);
  const { startTimeUnixNano: startNs, endTimeUnixNano: endNs } = span;
  // Before the sender's: of too many attributes the last are left out.
  const own = Object.create(null) as Record<string, PlainValue>;
  own['name'] = span.name;
  own['kind'] = span.kind;
  if (span.status.code !== 0) own['status_code'] = span.status.code;
  if (span.status.message !== '') own['status_message'] = span.status.message;
  if (span.traceState !== '') own['trace_state'] = span.traceState;
  if (span.events.length > 0)
    own['events'] = span.events.map(({ timeUnixNano, name, attributes }) => ({
      // As OTLP/JSON writes times: a number would not hold it.
      time_ns: String(timeUnixNano),
      name,
      ...withAttributes(attributes),
    }));
  if (span.links.length > 0)
    own['links'] = span.links.map(({ traceId, spanId, traceState, attributes }) => ({
      trace_id: traceId,
      span_id: spanId,
      ...(traceState !== '' && { trace_state: traceState }),
      ...withAttributes(attributes),
    }));
  const timeNs = timeOf([startNs, endNs], own, defaults);
  addSender(own, resource, scope);
  const isTimed = startNs > 0n && startNs <= MAX_NS && endNs > startNs;
  const durationNs = isTimed ? endNs - startNs : 0n;
  return {
    ...fields,
    seq: 0,
    kind: 'span',
    timeNs,
    severity: 0,
    message: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    status: 0,
    durationNs: Number(durationNs > MAX_NS ? MAX_NS : durationNs),
    attributes: jsonOf(Object.assign(own, rest)),
  };
}

const withAttributes = (attributes: Attributes): { attributes?: Record<string, PlainValue> } =>
  attributes.size === 0 ? {} : { attributes: plainAttributes(attributes) };

/** Moves what a record has a field for out of the attributes; the record's own word counts before the resource's. */
function takeFields(
  attributes: Attributes,
  resource: Attributes,
  reserved: ReadonlySet<string>,
  defaults: OtlpDefaults,
): {
  readonly fields: Record<Field, string> & { readonly source: string };
  readonly rest: Record<string, PlainValue>;
} {
  const fields = { requestId: '', replica: '', environment: '', deployment: '', source: 'api' };
  const taken = new Set<string>();
  for (const field of FIELDS)
    for (const from of [attributes, resource]) {
      const name = FIELD_NAMES[field].find((known) => isName(from.get(known)));
      if (name === undefined || fields[field] !== '') continue;
      fields[field] = from.get(name) as string;
      if (from === attributes) taken.add(name);
    }
  fields.deployment ||= defaults.deployment;
  const rest = Object.create(null) as Record<string, PlainValue>;
  for (const [name, value] of attributes)
    if (!taken.has(name)) rest[reserved.has(name) ? `attributes.${name}` : name] = plainOf(value);
  return { fields, rest };
}

const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';

function addSender(rest: Record<string, PlainValue>, resource: OtlpResource, scope: OtlpScope): void {
  if (resource.attributes.size > 0) rest['resource'] = plainAttributes(resource.attributes);
  if (scope.name === '' && scope.attributes.size === 0) return;
  rest['scope'] = {
    name: scope.name,
    ...(scope.version !== '' && { version: scope.version }),
    ...withAttributes(scope.attributes),
  };
}

const jsonOf = (attributes: Record<string, PlainValue>): string => {
  const text = JSON.stringify(attributes);
  return text === '{}' ? '' : text;
};
