// From OTLP, as others post it, to records: lines of their logs and spans of their traces.
// Must stay true: nothing that was said is lost. What has a field of its own in a record is there, the rest is in its
// attributes under its own name, and what the sender says of itself stays apart under `resource`.
import type {
  LogsRequest,
  OtlpLog,
  OtlpResource,
  OtlpScope,
  OtlpSpan,
  TracesRequest,
} from '../otlp/messages.ts';
import { plainAttributes, plainOf, type Attributes, type Plain } from '../otlp/value.ts';
import type { LogRecord } from './record.ts';
import { severityOfName } from './severity.ts';

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
const LINE_NAMES: ReadonlySet<string> = new Set(['resource', 'scope', 'event_name']);
const SPAN_NAMES: ReadonlySet<string> = new Set([
  'resource',
  'scope',
  'name',
  'kind',
  'status_code',
  'status_message',
  'trace_state',
  'events',
  'links',
]);
const MAX_SEVERITY = 24;

/** What holds for all records of a request. */
export interface Intake {
  /** Nanoseconds since the epoch: the time of a line that has none. */
  readonly nowNs: bigint;
  /** The deployment of those who name none. */
  readonly deployment: string;
}

/** Every log as a line. Only its place in the store (`seq`) is still 0. */
export function recordsOfLogs({ resourceLogs }: LogsRequest, intake: Intake): LogRecord[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords }) =>
      logRecords.map((log) => lineOf(log, resource, scope, intake)),
    ),
  );
}

/** Every span. */
export function recordsOfSpans({ resourceSpans }: TracesRequest, intake: Intake): LogRecord[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) => spans.map((span) => spanOf(span, resource, scope, intake))),
  );
}

function lineOf(log: OtlpLog, resource: OtlpResource, scope: OtlpScope, intake: Intake): LogRecord {
  const { fields, rest } = takeFields(log.attributes, resource.attributes, LINE_NAMES, intake);
  const stack = log.attributes.get('exception.stacktrace');
  if (typeof stack === 'string' && !Object.hasOwn(rest, 'exc_info')) {
    rest['exc_info'] = stack;
    delete rest['exception.stacktrace'];
  }
  if (log.eventName !== '') rest['event_name'] = log.eventName;
  const message = log.body === null ? rest['message'] : log.body;
  // Some exporters, weir's among them, say the line in an attribute too.
  if (typeof rest['message'] === 'string' && rest['message'] === message) delete rest['message'];
  addSender(rest, resource, scope);
  return {
    ...fields,
    seq: 0,
    kind: 'line',
    timeNs: timeOf(log.timeUnixNano, log.observedTimeUnixNano, intake),
    severity: severityOf(log),
    message: textOf(message, log),
    traceId: log.traceId,
    spanId: log.spanId,
    parentSpanId: '',
    status: 0,
    durationNs: 0,
    attributes: jsonOf(rest),
  };
}

/** OTLP's times have 64 bits, those of the store 63: what lies beyond is none, as is 0. */
const isTime = (ns: bigint): boolean => ns > 0n && ns < 2n ** 63n;
const timeOf = (first: bigint, second: bigint, { nowNs }: Intake): bigint =>
  isTime(first) ? first : isTime(second) ? second : nowNs;

const severityOf = ({ severityNumber, severityText }: OtlpLog): number =>
  severityNumber >= 1 && severityNumber <= MAX_SEVERITY ? severityNumber : severityOfName(severityText);

function textOf(message: unknown, log: OtlpLog): string {
  if (typeof message === 'string') return message;
  return log.body === null ? log.eventName : JSON.stringify(plainOf(log.body));
}

function spanOf(span: OtlpSpan, resource: OtlpResource, scope: OtlpScope, intake: Intake): LogRecord {
  const { fields, rest } = takeFields(span.attributes, resource.attributes, SPAN_NAMES, intake);
  rest['name'] = span.name;
  rest['kind'] = span.kind;
  if (span.status.code !== 0) rest['status_code'] = span.status.code;
  if (span.status.message !== '') rest['status_message'] = span.status.message;
  if (span.traceState !== '') rest['trace_state'] = span.traceState;
  if (span.events.length > 0)
    rest['events'] = span.events.map(({ timeUnixNano, name, attributes }) => ({
      // As OTLP/JSON writes times: a number would not hold it.
      time_ns: String(timeUnixNano),
      name,
      ...withAttributes(attributes),
    }));
  if (span.links.length > 0)
    rest['links'] = span.links.map(({ traceId, spanId, traceState, attributes }) => ({
      trace_id: traceId,
      span_id: spanId,
      ...(traceState !== '' && { trace_state: traceState }),
      ...withAttributes(attributes),
    }));
  addSender(rest, resource, scope);
  const durationNs = Number(span.endTimeUnixNano - span.startTimeUnixNano);
  return {
    ...fields,
    seq: 0,
    kind: 'span',
    timeNs: timeOf(span.startTimeUnixNano, span.endTimeUnixNano, intake),
    severity: 0,
    message: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    status: 0,
    durationNs: span.startTimeUnixNano === 0n ? 0 : Math.max(0, durationNs),
    attributes: jsonOf(rest),
  };
}

const withAttributes = (attributes: Attributes): { attributes?: Record<string, Plain> } =>
  attributes.size === 0 ? {} : { attributes: plainAttributes(attributes) };

/** Moves what a record has a field for out of the attributes; the record's own word counts before the resource's. */
function takeFields(
  attributes: Attributes,
  resource: Attributes,
  reserved: ReadonlySet<string>,
  intake: Intake,
): {
  readonly fields: Record<Field, string> & { readonly source: string };
  readonly rest: Record<string, Plain>;
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
  fields.deployment ||= intake.deployment;
  const rest = Object.create(null) as Record<string, Plain>;
  for (const [name, value] of attributes)
    if (!taken.has(name)) rest[reserved.has(name) ? `attributes.${name}` : name] = plainOf(value);
  return { fields, rest };
}

const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';

function addSender(rest: Record<string, Plain>, resource: OtlpResource, scope: OtlpScope): void {
  if (resource.attributes.size > 0) rest['resource'] = plainAttributes(resource.attributes);
  if (scope.name === '' && scope.attributes.size === 0) return;
  rest['scope'] = {
    name: scope.name,
    ...(scope.version !== '' && { version: scope.version }),
    ...withAttributes(scope.attributes),
  };
}

const jsonOf = (attributes: Record<string, Plain>): string => {
  const text = JSON.stringify(attributes);
  return text === '{}' ? '' : text;
};
