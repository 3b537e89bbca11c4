// A record as JSON: one shape for search, live tail, downloads and traces. Missing fields are left out, never null.
import { formatTime } from '../../../core/time.ts';
import {
  attributesOf,
  formatTimePlace,
  severityText,
  type LogRecord,
  type TimePlace,
} from '../../../telemetry/logs/logs.ts';
import type { LogObject } from './log-object-json.ts';

export type { LogObject };

const nonEmpty = (text: string): string | undefined => (text === '' ? undefined : text);

type Readers = { readonly [name in keyof LogObject]-?: (record: LogRecord) => LogObject[name] | undefined };

/** Field → its value; `undefined`: the record has none. */
const READERS: Readers = {
  timestamp: ({ timeNs }) => formatTime(timeNs),
  timestamp_ns: ({ timeNs }) => String(timeNs),
  seq: ({ seq }) => seq,
  kind: ({ kind }) => kind,
  level: ({ severity }) => nonEmpty(severityText(severity)),
  message: ({ message }) => message,
  request_id: ({ requestId }) => nonEmpty(requestId),
  trace_id: ({ traceId }) => nonEmpty(traceId),
  span_id: ({ spanId }) => nonEmpty(spanId),
  parent_span_id: ({ parentSpanId }) => nonEmpty(parentSpanId),
  deployment: ({ deployment }) => nonEmpty(deployment),
  environment: ({ environment }) => nonEmpty(environment),
  replica: ({ replica }) => nonEmpty(replica),
  source: ({ source }) => nonEmpty(source),
  pod: ({ pod }) => nonEmpty(pod),
  model_id: ({ modelId }) => nonEmpty(modelId),
  // The status of a successful gRPC call is 0.
  status: ({ kind, status }) => (kind === 'request' || status !== 0 ? status : undefined),
  duration_ms: ({ kind, durationNs }) =>
    kind === 'request' || kind === 'span' ? durationNs / 1e6 : undefined,
  attributes: (record) => (record.attributes === '' ? undefined : attributesOf(record)),
};

type Field = keyof LogObject;
export const LOG_FIELDS = Object.keys(READERS) as Field[];

export const isLogField = (name: string): name is Field => Object.hasOwn(READERS, name);

/** Some fields of a record; JSON.stringify leaves out those that it does not have. */
export const pickFields = (record: LogRecord, fields: readonly Field[]): Partial<LogObject> =>
  Object.fromEntries(fields.map((name) => [name, READERS[name](record)]));

export const logObject = (record: LogRecord): LogObject => pickFields(record, LOG_FIELDS) as LogObject;

export const cursorText = (place: TimePlace): string =>
  Buffer.from(formatTimePlace(place)).toString('base64url');
