// Decodes OTLP messages with the code that OpenTelemetry generates from the official .proto files.
// Invariant: weir's codec is not used here, so that the same mistake cannot be on both sides.
import { createRequire } from 'node:module';

export interface Value {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string;
  doubleValue?: number;
  arrayValue?: { values: Value[] };
  kvlistValue?: { values: Pair[] };
  bytesValue?: string;
}
export interface Pair {
  key: string;
  value: Value;
}
export interface SentLog {
  timeUnixNano: string;
  severityNumber?: number;
  severityText?: string;
  body?: Value;
  attributes?: Pair[];
  traceId?: string;
  spanId?: string;
}
export interface SentSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind?: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: Pair[];
  status?: { code?: number; message?: string };
}
export interface SentLogs {
  resourceLogs: { resource: { attributes: Pair[] }; scopeLogs: { logRecords: SentLog[] }[] }[];
}
export interface SentSpans {
  resourceSpans: { resource: { attributes: Pair[] }; scopeSpans: { spans: SentSpan[] }[] }[];
}

interface Generated<T> {
  decode(bytes: Uint8Array): unknown;
  toObject(message: unknown, options: object): T;
  encode(message: object): { finish(): Uint8Array };
  fromObject(object: object): object;
}
interface Collector<Request> {
  v1: { [name: string]: Generated<Request> };
}

const { collector } = (
  createRequire(import.meta.url)('otlp-transformer-generated/build/src/generated/root.js') as {
    opentelemetry: { proto: { collector: { logs: Collector<SentLogs>; trace: Collector<SentSpans> } } };
  }
).opentelemetry.proto;

const AS_TEXT = { longs: String, bytes: String };
const base64ToHex = (id: string | undefined): string => Buffer.from(id ?? '', 'base64').toString('hex');

/** Decodes a logs request in protobuf. Ids are in hex. */
export function readLogs(bytes: Uint8Array): SentLogs {
  const type = collector.logs.v1['ExportLogsServiceRequest']!;
  const request = type.toObject(type.decode(bytes), AS_TEXT);
  for (const { scopeLogs } of request.resourceLogs ?? [])
    for (const { logRecords } of scopeLogs ?? [])
      for (const log of logRecords ?? []) {
        log.traceId = base64ToHex(log.traceId);
        log.spanId = base64ToHex(log.spanId);
      }
  return request;
}

/** Decodes a traces request in protobuf. Ids are in hex. */
export function readSpans(bytes: Uint8Array): SentSpans {
  const type = collector.trace.v1['ExportTraceServiceRequest']!;
  const request = type.toObject(type.decode(bytes), AS_TEXT);
  for (const { scopeSpans } of request.resourceSpans ?? [])
    for (const { spans } of scopeSpans ?? [])
      for (const span of spans ?? []) {
        span.traceId = base64ToHex(span.traceId);
        span.spanId = base64ToHex(span.spanId);
        span.parentSpanId = base64ToHex(span.parentSpanId);
      }
  return request;
}

/** The response to logs of which some were rejected. */
export function partialSuccess(rejectedLogRecords: number, errorMessage: string): Buffer {
  const type = collector.logs.v1['ExportLogsServiceResponse']!;
  const response = type.fromObject({ partialSuccess: { rejectedLogRecords, errorMessage } });
  return Buffer.from(type.encode(response).finish());
}
