// A record as clients of the log routes get it. Must stay true: one shape for search, tail, downloads and traces; what
// a record does not have is left out of it, never null.
import {
  attributesOf,
  formatPosition,
  severityText,
  type LogRecord,
  type PagePosition,
} from '../../../telemetry/logs/logs.ts';
import { formatTime } from './time.ts';

/** Names in the order in which they are written. */
export interface LogObject {
  readonly timestamp: string;
  /** Nanoseconds since the epoch: no number of JSON holds them. */
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
  readonly status?: number;
  readonly duration_ms?: number;
  readonly attributes?: Record<string, unknown>;
}

const some = (text: string): string | undefined => (text === '' ? undefined : text);

export function logObject(record: LogRecord): LogObject {
  const out = {
    timestamp: formatTime(record.timeNs),
    timestamp_ns: String(record.timeNs),
    seq: record.seq,
    kind: record.kind,
    level: some(severityText(record.severity)),
    message: record.message,
    request_id: some(record.requestId),
    trace_id: some(record.traceId),
    span_id: some(record.spanId),
    parent_span_id: some(record.parentSpanId),
    deployment: some(record.deployment),
    environment: some(record.environment),
    replica: some(record.replica),
    source: some(record.source),
    // A gRPC call that went well has the status 0.
    status: record.kind === 'request' || record.status !== 0 ? record.status : undefined,
    duration_ms: record.kind === 'line' || record.kind === 'event' ? undefined : record.durationNs / 1e6,
    attributes: record.attributes === '' ? undefined : attributesOf(record),
  };
  // JSON leaves out what is undefined; so does whoever looks at the object itself.
  return out as LogObject;
}

export const cursorText = (position: PagePosition): string =>
  Buffer.from(formatPosition(position)).toString('base64url');
