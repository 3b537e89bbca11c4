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

/** Log records of one pod and model, by hop count. */
interface LogGroup {
  readonly writer: RecordWriter;
  readonly byHop: Map<number, OtlpLog[]>;
}

/** One request with the records in order, without those that reached the hop limit. One resource per pod and model. */
export function logsOf(
  records: readonly LogRecord[],
  destination: DestinationSettings,
  { version, own: ownWriter }: ExportOrigin,
): LogsRequest {
  const names = destination.attributes.map((name) => ({ name, asKey: JSON.stringify(name) }));
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

function resourceLogsOf(
  { writer, byHop }: LogGroup,
  { service_name }: DestinationSettings,
  version: string,
): LogsRequest['resourceLogs'][number] {
  const group = emptyMessage(logsRequest.resourceLogs[1].fields);
  const attributes = attributesFrom({ 'service.name': service_name, ...writerAttributes(writer) });
  group.resource = { ...group.resource, attributes };
  group.scopeLogs = Array.from(byHop, ([hop, logRecords]) => {
    const inner = emptyMessage(logsRequest.resourceLogs[1].fields.scopeLogs[1].fields);
    const hops = attributesFrom(hopAttributes(hop, SCOPE));
    inner.scope = { ...inner.scope, name: SCOPE, version, attributes: hops };
    inner.logRecords = logRecords;
    return inner;
  });
  return group;
}

/** Attributes that are fields of a record. The empty text means that the attribute is not sent. */
const FIELDS: Readonly<Record<string, (record: LogRecord, writer: RecordWriter) => AnyValue>> = {
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

/** `asKey`: the name as it is written in the JSON text of a record's attributes. */
type AttributeNames = readonly { readonly name: string; readonly asKey: string }[];

function logOf(record: LogRecord, names: AttributeNames, writer: RecordWriter): OtlpLog {
  const log = emptyLog();
  const attributes = new Map<string, AnyValue>();
  // Parsed only if the text contains one of the names, since most lines do not.
  let parsed: Record<string, unknown> | undefined;
  for (const { name, asKey } of names) {
    let value: AnyValue = '';
    if (Object.hasOwn(FIELDS, name)) value = FIELDS[name]!(record, writer);
    else if (record.attributes.includes(asKey)) {
      parsed ??= attributesOf(record);
      if (Object.hasOwn(parsed, name)) value = anyValueOf(parsed[name]);
    }
    if (value !== '' && value !== null) attributes.set(name, value);
  }
  log.timeUnixNano = record.timeNs;
  log.observedTimeUnixNano = record.timeNs;
  // DEBUG is the lowest level of the contract.
  log.severityNumber = record.severity > 0 ? Math.max(record.severity, SEVERITY.debug) : 0;
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
