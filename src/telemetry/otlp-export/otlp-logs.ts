// Converts records to OTLP log records (docs/contracts/logs.md 2 and 4, docs/contracts/serving.md 8.3).
// Invariant: only attributes that the destination names are sent; ids and times are those of the record.
import { attributesOf, SEVERITY, severityText, type LogRecord } from '../logs/logs.ts';
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

/** The model and the weir version that records are exported for. */
export interface ExportOrigin {
  readonly modelId: string;
  readonly version: string;
}

export type ResourceSpans = TracesRequest['resourceSpans'];

/** One request with the records in order, without those that reached the hop limit. */
export function logsOf(
  records: readonly LogRecord[],
  destination: DestinationSettings,
  sender: ExportOrigin,
): LogsRequest {
  const group = emptyMessage(logsRequest.resourceLogs[1].fields);
  const names = destination.attributes.map((name) => ({ name, asKey: JSON.stringify(name) }));
  const byHop = new Map<number, OtlpLog[]>();
  for (const record of records) {
    const hop = hopOf(record);
    if (hop === undefined) continue;
    const log = logOf(record, names, sender.modelId);
    const sameHop = byHop.get(hop);
    if (sameHop) sameHop.push(log);
    else byHop.set(hop, [log]);
  }
  if (byHop.size === 0) return { resourceLogs: [] };
  group.resource = { ...group.resource, attributes: new Map([['service.name', destination.service_name]]) };
  group.scopeLogs = Array.from(byHop, ([hop, logRecords]) => {
    const inner = emptyMessage(logsRequest.resourceLogs[1].fields.scopeLogs[1].fields);
    const attributes = attributesFrom(hopAttributes(hop, SCOPE));
    inner.scope = { ...inner.scope, name: SCOPE, version: sender.version, attributes };
    inner.logRecords = logRecords;
    return inner;
  });
  return { resourceLogs: [group] };
}

/** Attributes that are fields of a record. The empty text means that the attribute is not sent. */
const FIELDS: Readonly<Record<string, (record: LogRecord, modelId: string) => AnyValue>> = {
  message: ({ message }) => message,
  model_id: (_, modelId) => modelId,
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

function logOf(record: LogRecord, names: AttributeNames, modelId: string): OtlpLog {
  const log = emptyLog();
  const attributes = new Map<string, AnyValue>();
  // Parsed only if the text contains one of the names, since most lines do not.
  let parsed: Record<string, unknown> | undefined;
  for (const { name, asKey } of names) {
    let value: AnyValue = '';
    if (Object.hasOwn(FIELDS, name)) value = FIELDS[name]!(record, modelId);
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
