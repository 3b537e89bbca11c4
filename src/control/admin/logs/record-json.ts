// A record as JSON: one shape for search, live tail, downloads and traces. Missing fields are left out, never null.
import { formatTime } from '../../../core/time.ts';
import {
  attributesOf,
  formatTimePlace,
  severityText,
  type LogRecord,
  type TimePlace,
} from '../../../telemetry/logs/logs.ts';

/** Fields in the order of the output. */
export interface LogObject {
  readonly timestamp: string;
  /** Nanoseconds since the epoch, as text, since they exceed the precision of JSON numbers. */
  readonly timestamp_ns: string;
  readonly seq: number;
  readonly kind: string;
  readonly level?: string;
  readonly message: string;
  readonly request_id?: string;
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly parent_span_id?: string;
  readonly deployment?: string;
  readonly environment?: string;
  readonly replica?: string;
  readonly source?: string;
  readonly pod?: string;
  readonly model_id?: string;
  readonly status?: number;
  readonly duration_ms?: number;
  readonly attributes?: Record<string, unknown>;
}

const nonEmpty = (text: string): string | undefined => (text === '' ? undefined : text);

export function logObject(record: LogRecord): LogObject {
  const out = {
    timestamp: formatTime(record.timeNs),
    timestamp_ns: String(record.timeNs),
    seq: record.seq,
    kind: record.kind,
    level: nonEmpty(severityText(record.severity)),
    message: record.message,
    request_id: nonEmpty(record.requestId),
    trace_id: nonEmpty(record.traceId),
    span_id: nonEmpty(record.spanId),
    parent_span_id: nonEmpty(record.parentSpanId),
    deployment: nonEmpty(record.deployment),
    environment: nonEmpty(record.environment),
    replica: nonEmpty(record.replica),
    source: nonEmpty(record.source),
    pod: nonEmpty(record.pod),
    model_id: nonEmpty(record.modelId),
    // The status of a successful gRPC call is 0.
    status: record.kind === 'request' || record.status !== 0 ? record.status : undefined,
    duration_ms: record.kind === 'request' || record.kind === 'span' ? record.durationNs / 1e6 : undefined,
    attributes: record.attributes === '' ? undefined : attributesOf(record),
  };
  // JSON.stringify leaves out undefined fields.
  return out as LogObject;
}

export const cursorText = (place: TimePlace): string =>
  Buffer.from(formatTimePlace(place)).toString('base64url');
