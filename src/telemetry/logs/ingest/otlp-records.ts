// Converts posted OTLP logs and spans to records. Data without a field in a record becomes an attribute of its own
// name; resource and scope become the attributes `resource` and `scope`. The ingester limits and redacts them later.
// Invariant: no data of a log or a span is lost here.
import { LATEST_NS } from '../../../core/time.ts';
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
  plainValueOf,
  type Attributes,
  type PlainValue,
} from '../../../protocol/otlp/any-value.ts';
import type { LogRecord, RecordWriter } from '../log-record.ts';
import { severityOfName } from '../severity.ts';

/**
 * Attributes of a resource in which a weir sends the pod and the model of a record. They are not stored beside the other
 * attributes of the resource, since they are fields of the record.
 */
export const POD_ATTRIBUTE = 'weir.pod';
export const MODEL_ATTRIBUTE = 'weir.model_id';

/** Attributes of senders for fields of a record, in order of preference. */
const FIELD_NAMES = {
  requestId: ['request_id', 'x-baseten-request-id', 'baseten.request_id'],
  replica: ['replica'],
  environment: ['environment', 'deployment.environment.name', 'deployment.environment'],
  deployment: ['model_version_id', 'deployment_id'],
  // Not service.instance.id, which many SDKs set to a random text.
  pod: [POD_ATTRIBUTE, 'k8s.pod.name'],
  modelId: [MODEL_ATTRIBUTE, 'model_id'],
} as const;
type Field = keyof typeof FIELD_NAMES;
const FIELDS = Object.keys(FIELD_NAMES) as Field[];

/** Reserved names in a record's attributes. A sender's attribute with such a name gets RESERVED_PREFIX. */
const LINE_NAMES: ReadonlySet<string> = new Set(['resource', 'scope', 'event_name', 'time_unix_nano']);
export const SPAN_NAMES: ReadonlySet<string> = new Set([
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
export const RESERVED_PREFIX = 'attributes.';
const MAX_SEVERITY = 24;

/** Values for records that lack them. */
export interface OtlpDefaults {
  /** Time of a record without a time, nanoseconds since the epoch. */
  readonly nowNs: bigint;
  /** Deployment of a record without one. */
  readonly deployment: string;
}

/** Converts each log to a record of kind `line`. `seq` is 0, since the store assigns it. */
export function recordsOfLogs({ resourceLogs }: LogsRequest, defaults: OtlpDefaults): LogRecord[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords }) =>
      logRecords.map((log) => lineOf(log, resource, scope, defaults)),
    ),
  );
}

/** Converts each span to a record of kind `span`. `seq` is 0, since the store assigns it. */
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
  // Before the sender's attributes, since the last ones are dropped if there are too many.
  const own = Object.create(null) as Record<string, PlainValue>;
  if (log.eventName !== '') own['event_name'] = log.eventName;
  const message = log.body === null ? rest['message'] : log.body;
  // Some exporters, such as weir's, send the message as an attribute too.
  if (typeof rest['message'] === 'string' && rest['message'] === message) delete rest['message'];
  const timeNs = timeOf([log.timeUnixNano, log.observedTimeUnixNano], own, defaults);
  addSender(own, resource, scope, fields);
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

/** The first valid time. A time beyond the range of the store is kept as text in an attribute. */
function timeOf(times: readonly bigint[], rest: Record<string, PlainValue>, { nowNs }: OtlpDefaults): bigint {
  const impossible = times.find((time) => time > LATEST_NS);
  if (impossible !== undefined) rest['time_unix_nano'] = String(impossible);
  return times.find((time) => time > 0n && time <= LATEST_NS) ?? nowNs;
}

const severityOf = ({ severityNumber, severityText }: OtlpLog): number =>
  severityNumber >= 1 && severityNumber <= MAX_SEVERITY ? severityNumber : severityOfName(severityText);

function textOf(message: unknown, log: OtlpLog): string {
  if (typeof message === 'string') return message;
  return log.body === null ? log.eventName : JSON.stringify(plainValueOf(log.body));
}

function spanOf(span: OtlpSpan, resource: OtlpResource, scope: OtlpScope, defaults: OtlpDefaults): LogRecord {
  const { fields, rest } = takeFields(span.attributes, resource.attributes, SPAN_NAMES, defaults);
  const { startTimeUnixNano: startNs, endTimeUnixNano: endNs } = span;
  // Before the sender's attributes, since the last ones are dropped if there are too many.
  const own = Object.create(null) as Record<string, PlainValue>;
  own['name'] = span.name;
  own['kind'] = span.kind;
  if (span.status.code !== 0) own['status_code'] = span.status.code;
  if (span.status.message !== '') own['status_message'] = span.status.message;
  if (span.traceState !== '') own['trace_state'] = span.traceState;
  if (span.events.length > 0)
    own['events'] = span.events.map(({ timeUnixNano, name, attributes }) => ({
      // Text, as in OTLP/JSON, since a number cannot hold all digits.
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
  addSender(own, resource, scope, fields);
  const isTimed = startNs > 0n && startNs <= LATEST_NS && endNs > startNs;
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
    durationNs: Number(durationNs > LATEST_NS ? LATEST_NS : durationNs),
    attributes: jsonOf(Object.assign(own, rest)),
  };
}

const withAttributes = (attributes: Attributes): { attributes?: Record<string, PlainValue> } =>
  attributes.size === 0 ? {} : { attributes: plainAttributes(attributes) };

/** Separates the fields of a record from the attributes. Attributes of the record have priority over the resource's. */
function takeFields(
  attributes: Attributes,
  resource: Attributes,
  reserved: ReadonlySet<string>,
  defaults: OtlpDefaults,
): {
  readonly fields: Record<Field, string> & { readonly source: string };
  readonly rest: Record<string, PlainValue>;
} {
  const fields = { requestId: '', replica: '', environment: '', deployment: '', pod: '', modelId: '', source: 'api' }; // prettier-ignore
  const used = new Set<string>();
  for (const field of FIELDS)
    for (const from of [attributes, resource]) {
      const name = FIELD_NAMES[field].find((known) => isNonEmptyText(from.get(known)));
      if (name === undefined || fields[field] !== '') continue;
      fields[field] = from.get(name) as string;
      if (from === attributes) used.add(name);
    }
  fields.deployment ||= defaults.deployment;
  const rest = Object.create(null) as Record<string, PlainValue>;
  for (const [name, value] of attributes)
    if (!used.has(name)) rest[reserved.has(name) ? RESERVED_PREFIX + name : name] = plainValueOf(value);
  return { fields, rest };
}

const isNonEmptyText = (value: unknown): boolean => typeof value === 'string' && value !== '';

function addSender(
  rest: Record<string, PlainValue>,
  resource: OtlpResource,
  scope: OtlpScope,
  { pod, modelId }: RecordWriter,
): void {
  const attributes = plainAttributes(resource.attributes);
  if (attributes[POD_ATTRIBUTE] === pod) delete attributes[POD_ATTRIBUTE];
  if (attributes[MODEL_ATTRIBUTE] === modelId) delete attributes[MODEL_ATTRIBUTE];
  if (Object.keys(attributes).length > 0) rest['resource'] = attributes;
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
