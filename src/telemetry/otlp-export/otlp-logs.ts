// From records to OTLP: what a receiver is told of a line or a request.
// Must stay true: no attribute leaves that the destination does not name; ids and times are those of the record.
// Source: contracts/logplane.md C2 and C4, contracts/baseten.md 8.3.
import { attributesOf, SEVERITY, severityText, type LogRecord } from '../logs/logs.ts';
import {
  emptyLog,
  emptyOf,
  emptySpan,
  logsRequest,
  tracesRequest,
  type LogsRequest,
  type OtlpLog,
  type TracesRequest,
} from '../../protocol/otlp/messages.ts';
import { attributesFrom, anyValueOf, type AnyValue } from '../../protocol/otlp/any-value.ts';
import type { DestinationInput } from './destination.ts';
import { hopOf, markOf, SCOPE } from './hop-count.ts';

/** Who sends. */
export interface ExportOrigin {
  readonly modelId: string;
  readonly version: string;
}

export type ResourceSpans = TracesRequest['resourceSpans'];

/** The records as one request, in their order; without those that have come round. */
export function logsOf(
  records: readonly LogRecord[],
  said: DestinationInput,
  sender: ExportOrigin,
): LogsRequest {
  const group = emptyOf(logsRequest.resourceLogs[1].fields);
  const names = said.attributes.map((name) => ({ name, asKey: JSON.stringify(name) }));
  const byHop = new Map<number, OtlpLog[]>();
  for (const record of records) {
    const hop = hopOf(record);
    if (hop === undefined) continue;
    const log = logOf(record, names, sender.modelId);
    const others = byHop.get(hop);
    if (others) others.push(log);
    else byHop.set(hop, [log]);
  }
  if (byHop.size === 0) return { resourceLogs: [] };
  group.resource = { ...group.resource, attributes: new Map([['service.name', said.service_name]]) };
  group.scopeLogs = Array.from(byHop, ([hop, logRecords]) => {
    const inner = emptyOf(logsRequest.resourceLogs[1].fields.scopeLogs[1].fields);
    const attributes = attributesFrom(markOf(hop, SCOPE));
    inner.scope = { ...inner.scope, name: SCOPE, version: sender.version, attributes };
    inner.logRecords = logRecords;
    return inner;
  });
  return { resourceLogs: [group] };
}

/** Attributes that a record has a field for. */
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

/** `asKey`: as the name stands in the text of a record's attributes. */
type Named = readonly { readonly name: string; readonly asKey: string }[];

function logOf(record: LogRecord, names: Named, modelId: string): OtlpLog {
  const log = emptyLog();
  const attributes = new Map<string, AnyValue>();
  // Read only where one of the names is in it: most lines have none of them.
  let others: Record<string, unknown> | undefined;
  for (const { name, asKey } of names) {
    let value: AnyValue = '';
    if (Object.hasOwn(FIELDS, name)) value = FIELDS[name]!(record, modelId);
    else if (record.attributes.includes(asKey)) {
      others ??= attributesOf(record);
      if (Object.hasOwn(others, name)) value = anyValueOf(others[name]);
    }
    if (value !== '' && value !== null) attributes.set(name, value);
  }
  log.timeUnixNano = record.timeNs;
  log.observedTimeUnixNano = record.timeNs;
  // The contract's levels end at DEBUG.
  log.severityNumber = record.severity > 0 ? Math.max(record.severity, SEVERITY.debug) : 0;
  log.severityText = severityText(log.severityNumber);
  log.body = record.message;
  log.attributes = attributes;
  log.traceId = record.traceId;
  log.spanId = record.spanId;
  return log;
}

/** A line that says that it is a test, from weir itself. */
export const probeLine = (nowNs: bigint, deployment: string): LogRecord => ({
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

/** A span that says the same. */
export function probeSpans(
  nowNs: bigint,
  said: DestinationInput,
  ids: { traceId: string; spanId: string },
): ResourceSpans {
  const group = emptyOf(tracesRequest.resourceSpans[1].fields);
  const inner = emptyOf(tracesRequest.resourceSpans[1].fields.scopeSpans[1].fields);
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
  group.resource = { ...group.resource, attributes: new Map([['service.name', said.service_name]]) };
  group.scopeSpans = [inner];
  return [group];
}
