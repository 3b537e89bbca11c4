// Converts records to OTLP log records (docs/contracts/logs.md 2 and 4, docs/contracts/serving.md 8.3).
// Invariant: only attributes that the destination names are sent; ids and times are those of the record. The pod and the
// model are attributes of the resource, so that a weir that receives the record stores them too.
import {
  attributesOf,
  MODEL_ATTRIBUTE,
  POD_ATTRIBUTE,
  SEVERITY,
  severityText,
  type LogRecord,
  type RecordWriter,
} from '../logs/logs.ts';
import {
  emptyLog,
  emptyMessage,
  emptySpan,
  logsRequest,
  tracesRequest,
  type LogsRequest,
  type OtlpLog,
  type TracesRequest,
} from '../../protocol/otlp/messages.ts';
import { attributesFrom, anyValueOf, type AnyValue } from '../../protocol/otlp/any-value.ts';
import { genAiValue } from '../tracing/tracing.ts';
import type { DestinationSettings } from './destination.ts';
import { hopAttributes, hopOf, SCOPE } from './hop-count.ts';

/** The weir that exports records. */
export interface ExportOrigin {
  readonly version: string;
  /** Pod and model of this weir, for stored records that have none. Called after the start only. */
  readonly own: () => RecordWriter;
}

/** Pod and model of a record. */
export function writerOf(record: LogRecord, own: RecordWriter): RecordWriter {
  return { pod: record.pod || own.pod, modelId: record.modelId || own.modelId };
}

/** Attributes of a resource that name the pod and the model. */
export const writerAttributes = ({ pod, modelId }: RecordWriter): Readonly<Record<string, string>> => ({
  ...(pod !== '' && { [POD_ATTRIBUTE]: pod }),
  ...(modelId !== '' && { [MODEL_ATTRIBUTE]: modelId }),
});

export type ResourceSpans = TracesRequest['resourceSpans'];

type ScopeLogs = LogsRequest['resourceLogs'][number]['scopeLogs'][number];

/** Log records of one pod and model, by hop count. */
interface LogGroup {
  readonly writer: RecordWriter;
  readonly byHop: Map<number, OtlpLog[]>;
}

/** One request with the records in order, without those that reached the hop limit. One resource per pod and model. */
export function logsOf(
  records: readonly LogRecord[],
  destination: Pick<DestinationSettings, 'attributes' | 'service_name'>,
  { version, own: ownWriter }: ExportOrigin,
): LogsRequest {
  const names = [...new Set(destination.attributes)].map(sentName);
  const own = ownWriter();
  const groups = new Map<string, LogGroup>();
  for (const record of records) {
    const hop = hopOf(record);
    if (hop === undefined) continue;
    const writer = writerOf(record, own);
    const key = `${writer.pod}\n${writer.modelId}`;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { writer, byHop: new Map() }));
    const log = logOf(record, names, writer);
    const sameHop = group.byHop.get(hop);
    if (sameHop) sameHop.push(log);
    else group.byHop.set(hop, [log]);
  }
  return {
    resourceLogs: Array.from(groups.values(), (group) => resourceLogsOf(group, destination, version)),
  };
}

export function resourceLogsOf(
  { writer, byHop }: LogGroup,
  { service_name }: Pick<DestinationSettings, 'service_name'>,
  version: string,
): LogsRequest['resourceLogs'][number] {
  const group = emptyMessage(logsRequest.resourceLogs[1].fields);
  const attributes = attributesFrom({ 'service.name': service_name, ...writerAttributes(writer) });
  group.resource = { ...group.resource, attributes };
  group.scopeLogs = Array.from(byHop, ([hop, logRecords]) => scopeLogsOf(hop, version, logRecords));
  return group;
}

/** The log records of one hop. */
export function scopeLogsOf(hop: number, version: string, logRecords: readonly OtlpLog[]): ScopeLogs {
  const inner = emptyMessage(logsRequest.resourceLogs[1].fields.scopeLogs[1].fields);
  const hops = attributesFrom(hopAttributes(hop, SCOPE));
  inner.scope = { ...inner.scope, name: SCOPE, version, attributes: hops };
  inner.logRecords = logRecords;
  return inner;
}

type ReadField = (record: LogRecord, writer: RecordWriter) => AnyValue;

/** Attributes that are fields of a record. The empty text means that the attribute is not sent. */
const FIELDS: Readonly<Record<string, ReadField>> = {
  message: ({ message }) => message,
  model_id: (_, { modelId }) => modelId,
  pod: (_, { pod }) => pod,
  model_version_id: ({ deployment }) => deployment,
  environment: ({ environment }) => environment,
  replica: ({ replica }) => replica,
  request_id: ({ requestId }) => requestId,
  source: ({ source }) => source,
  kind: ({ kind }) => kind,
  status: ({ status }) => (status === 0 ? '' : BigInt(status)),
  duration_ms: ({ durationNs }) => (durationNs === 0 ? '' : durationNs / 1e6),
};

/** An attribute that a destination names. */
export interface SentName {
  readonly name: string;
  /** The name as it is written in the JSON text of a record's attributes. */
  readonly asKey: string;
  /** A name of the GenAI conventions, which a request has under another name. */
  readonly isGenAi: boolean;
  /** Of an attribute that is a field of a record. */
  readonly field: ReadField | undefined;
}

export const sentName = (name: string): SentName => ({
  name,
  asKey: JSON.stringify(name),
  isGenAi: name.startsWith('gen_ai.'),
  field: Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined,
});

/** True if the attributes of a request may be those of one to a language model. */
const hasModel = (attributes: string): boolean =>
  attributes.includes('"model"') || attributes.includes('_tokens"');

/** Reads the attributes of one record. */
export class SentAttributes {
  readonly #record: LogRecord;
  readonly #writer: RecordWriter;
  #parsed: Record<string, unknown> | undefined;

  constructor(record: LogRecord, writer: RecordWriter) {
    this.#record = record;
    this.#writer = writer;
  }

  /** `null` and '': it is not sent. */
  value({ name, asKey, isGenAi, field }: SentName): AnyValue {
    if (field !== undefined) return field(this.#record, this.#writer);
    const { kind, attributes } = this.#record;
    if (isGenAi && kind === 'request')
      return hasModel(attributes) ? sentValue(genAiValue(name, this.#attributes)) : '';
    // Parsed only if the text contains the name, since most lines do not.
    if (!attributes.includes(asKey)) return '';
    return sentValue(Object.hasOwn(this.#attributes, name) ? this.#attributes[name] : undefined);
  }

  get #attributes(): Record<string, unknown> {
    return (this.#parsed ??= attributesOf(this.#record));
  }
}

const sentValue = (value: unknown): AnyValue => (value === undefined ? '' : anyValueOf(value));

/** DEBUG is the lowest level of the contract. 0: the record has none. */
export const sentSeverity = ({ severity }: LogRecord): number =>
  severity > 0 ? Math.max(severity, SEVERITY.debug) : 0;

function logOf(record: LogRecord, names: readonly SentName[], writer: RecordWriter): OtlpLog {
  const log = emptyLog();
  const attributes = new Map<string, AnyValue>();
  const sent = new SentAttributes(record, writer);
  for (const name of names) {
    const value = sent.value(name);
    if (value !== '' && value !== null) attributes.set(name.name, value);
  }
  log.timeUnixNano = record.timeNs;
  log.observedTimeUnixNano = record.timeNs;
  log.severityNumber = sentSeverity(record);
  log.severityText = severityText(log.severityNumber);
  log.body = record.message;
  log.attributes = attributes;
  log.traceId = record.traceId;
  log.spanId = record.spanId;
  return log;
}

/** A log record for testing a destination. */
export const testLine = (nowNs: bigint, deployment: string): LogRecord => ({
  seq: 0,
  kind: 'line',
  timeNs: nowNs,
  severity: SEVERITY.info,
  message: 'weir: this is a test of the connection',
  deployment,
  environment: '',
  replica: '',
  source: 'weir',
  pod: '',
  modelId: '',
  requestId: '',
  traceId: '',
  spanId: '',
  parentSpanId: '',
  status: 0,
  durationNs: 0,
  attributes: '',
});

/** A span for testing a destination. */
export function testSpans(
  nowNs: bigint,
  destination: DestinationSettings,
  ids: { traceId: string; spanId: string },
): ResourceSpans {
  const group = emptyMessage(tracesRequest.resourceSpans[1].fields);
  const inner = emptyMessage(tracesRequest.resourceSpans[1].fields.scopeSpans[1].fields);
  inner.scope = { ...inner.scope, name: SCOPE };
  inner.spans = [
    {
      ...emptySpan(),
      ...ids,
      name: 'weir connection test',
      kind: 1,
      startTimeUnixNano: nowNs,
      endTimeUnixNano: nowNs,
    },
  ];
  group.resource = { ...group.resource, attributes: new Map([['service.name', destination.service_name]]) };
  group.scopeSpans = [inner];
  return [group];
}
