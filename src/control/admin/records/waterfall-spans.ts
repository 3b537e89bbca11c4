// The spans of records for a waterfall: those of weir, made from the records of requests, and those of other programs.
// Invariant: each request has spans, also one without a trace: these have ids that follow from its record.
import { hash } from 'node:crypto';
import { attributesOf, projectSource, type LogRecord } from '../../../telemetry/logs/logs.ts';
import { STATUS, type Span } from '../../../telemetry/tracing/tracing.ts';
import type { FlatSpanType } from './trace-json.ts';
import { isDelivery } from './task-json.ts';

type Attributes = Readonly<Record<string, unknown>>;
type Facts = Readonly<Record<string, string | number | boolean>>;

/** A span of a waterfall. Times in nanoseconds since the epoch. */
export interface WaterfallSpan {
  readonly spanId: string;
  /** '' for none. */
  readonly parentSpanId: string;
  readonly type: FlatSpanType;
  readonly name: string;
  readonly startNs: bigint;
  readonly durationNs: number;
  readonly isError: boolean;
  /** Why it is an error; '' if that is unknown, or it is none. */
  readonly error: string;
  readonly status: number | undefined;
  readonly facts: Facts;
  readonly events: readonly { readonly name: string; readonly timeNs: bigint }[];
  readonly attributes: Attributes;
  readonly record: LogRecord;
}

/** Spans of a request's record: its own first, then its children. */
export type SpansOfRecord = (record: LogRecord) => readonly Span[];

const ERROR_SEVERITY = 17;
const MAX_EVENTS = 20;
const MAX_ERROR = 1000;
const PROJECT = projectSource('');

const TYPES: Readonly<Record<string, FlatSpanType>> = {
  'weir.queue': 'queue',
  'weir.connect': 'connect',
  'weir.async_wait': 'async_wait',
};

/** Attributes that are facts of spans of their type. */
const FACTS: Readonly<Record<FlatSpanType, readonly string[]>> = {
  request: [
    'cause',
    'attempts',
    'retries',
    'protocol',
    'model',
    'input_tokens',
    'output_tokens',
    'finish_reason',
    'is_stream',
  ],
  queue: ['weir.is_sum'],
  connect: [],
  replica: ['http.request.resend_count'],
  async_wait: [],
  delivery: ['weir.webhook.attempt', 'weir.webhook.result', 'server.address'],
  span: ['gen_ai.operation.name', 'gen_ai.request.model'],
  row: [],
};
const SHORT: Readonly<Record<string, string>> = {
  'weir.is_sum': 'is_sum',
  'http.request.resend_count': 'resends',
  'weir.webhook.attempt': 'attempt',
  'weir.webhook.result': 'result',
  'server.address': 'host',
  'gen_ai.operation.name': 'operation',
  'gen_ai.request.model': 'model',
};

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function factsOf(type: FlatSpanType, attributes: Attributes): Facts {
  const facts: Record<string, string | number | boolean> = {};
  for (const name of FACTS[type]) {
    const value = attributes[name];
    if (
      typeof value === 'number' ||
      typeof value === 'boolean' ||
      (typeof value === 'string' && value !== '')
    )
      facts[SHORT[name] ?? name] = value;
  }
  return facts;
}

/** The spans of one record; `parentSpanId`: of a request that names no parent, '' for none. */
export function waterfallSpans(
  record: LogRecord,
  spansOf: SpansOfRecord,
  parentSpanId = '',
): readonly WaterfallSpan[] {
  const attributes = attributesOf(record);
  if (record.kind !== 'request') return [spanOf(record, attributes)];
  return requestSpans(withSpanId(record, parentSpanId), attributes, spansOf);
}

/**
 * A request's record with a span id. Without tracing it has none; then its id follows from its request id and sequence
 * number, since the submit and the runs of a task share a request id.
 */
export function withSpanId(record: LogRecord, parentSpanId: string): LogRecord {
  if (record.spanId !== '') return record;
  const spanId = hash('sha256', `${record.requestId} ${record.seq}`).slice(0, 16);
  return { ...record, spanId, parentSpanId: record.parentSpanId || parentSpanId };
}

function requestSpans(record: LogRecord, attributes: Attributes, spansOf: SpansOfRecord): WaterfallSpan[] {
  const { annotations } = attributes;
  const isUnconnected = attributes['cause'] === 'connect_failed';
  return spansOf(record).map((span, i): WaterfallSpan => {
    const own = i === 0;
    const usual: FlatSpanType = own ? 'request' : (TYPES[span.name] ?? 'replica');
    // Without a connection the time at the replica is that of connecting.
    const type = usual === 'replica' && isUnconnected ? 'connect' : usual;
    return {
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      type,
      name: type === 'connect' ? 'weir.connect' : span.name,
      startNs: span.startTimeUnixNano,
      durationNs: Number(span.endTimeUnixNano - span.startTimeUnixNano),
      isError: span.status.code === STATUS.error,
      error: span.status.message.slice(0, MAX_ERROR),
      status: own ? record.status : undefined,
      facts: factsOf(type, own ? attributes : span.attributes),
      events: span.events.map(({ name, timeUnixNano }) => ({ name, timeNs: timeUnixNano })),
      attributes: own && annotations !== undefined ? { ...span.attributes, annotations } : span.attributes,
      record,
    };
  });
}

function spanOf(record: LogRecord, attributes: Attributes): WaterfallSpan {
  const type = isDelivery(attributes) ? 'delivery' : record.source.startsWith(PROJECT) ? 'row' : 'span';
  const status = attributes['http.response.status_code'];
  const { error } = attributes;
  const isError = record.severity >= ERROR_SEVERITY || attributes['status_code'] === STATUS.error;
  return {
    spanId: record.spanId,
    parentSpanId: record.parentSpanId,
    type,
    name: textOf(attributes['name']) || record.message,
    startNs: record.timeNs,
    durationNs: record.durationNs,
    isError,
    error: isError
      ? (textOf(attributes['status_message']) || textOf(error) || jsonText(error)).slice(0, MAX_ERROR)
      : '',
    status: typeof status === 'number' ? status : undefined,
    facts: type === 'row' ? rowFacts(attributes) : factsOf(type, attributes),
    events: eventsOf(attributes['events']),
    attributes,
    record,
  };
}

const jsonText = (value: unknown): string =>
  value === undefined || value === null ? '' : JSON.stringify(value);

/** The type of a row (`llm`, `tool`, `score`, …) and its scores. */
function rowFacts({ span_attributes: own, scores }: Attributes): Facts {
  const facts: Record<string, string | number | boolean> = {};
  const type = typeof own === 'object' && own !== null ? textOf((own as Attributes)['type']) : '';
  if (type !== '') facts['type'] = type;
  const named = typeof scores === 'object' && scores !== null ? Object.entries(scores).slice(0, 5) : [];
  for (const [name, score] of named) if (typeof score === 'number') facts[`scores.${name}`] = score;
  return facts;
}

/** Events of a span of another program (telemetry/logs/ingest/otlp-records.ts). */
function eventsOf(events: unknown): WaterfallSpan['events'] {
  if (!Array.isArray(events)) return [];
  return (events as unknown[]).slice(0, MAX_EVENTS).flatMap((event) => {
    const { name, time_ns: time } = (event ?? {}) as { readonly name?: unknown; readonly time_ns?: unknown };
    return typeof name === 'string' && typeof time === 'string' && /^\d{1,19}$/.test(time)
      ? [{ name, timeNs: BigInt(time) }]
      : [];
  });
}
