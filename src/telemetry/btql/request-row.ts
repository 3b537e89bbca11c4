// A request that weir served, as a row of the project whose trace it is in.
// Invariant: a row has the trace, the parent and the times of the request, so that it takes its place between the rows
// that the application logged.
import { formatTime } from '../../core/time.ts';
import { attributesOf, SEVERITY, transactionOf, type LogRecord, type LogStore } from '../logs/logs.ts';

/** A row as the API returns it. */
export type ShownRow = Record<string, unknown>;

type StoredBodies = Awaited<ReturnType<LogStore['bodies']>>;

/** Metric of the row → attribute of the request. */
const METRICS: Readonly<Record<string, string>> = {
  prompt_tokens: 'input_tokens',
  completion_tokens: 'output_tokens',
  tokens: 'total_tokens',
  prompt_cached_tokens: 'cached_tokens',
  completion_reasoning_tokens: 'reasoning_tokens',
  estimated_cost: 'cost',
};
/** Attributes of the request that its metadata has. */
const METADATA = [
  'model',
  'response_model',
  'finish_reason',
  'cause',
  'detail',
  'attempts',
  'queue_ms',
] as const;

const seconds = (ns: bigint): number => Number(ns / 1000n) / 1e6;
const nonEmpty = (text: string): string | null => (text === '' ? null : text);

/** The row of a request. `spanName`: of its span, if it has one. `bodies`: those that were stored. */
export function requestRow(
  record: LogRecord,
  project: string,
  spanName: string | undefined,
  bodies: StoredBodies,
): ShownRow {
  const attributes = attributesOf(record);
  const { annotations } = attributes;
  const { scores, tags, expected, comments, metadata } = (annotations ?? {}) as Record<string, unknown>;
  const [request, response] = [jsonIn(bodies?.request), jsonIn(bodies?.response)];
  const isModel = attributes['model'] !== undefined || attributes['total_tokens'] !== undefined;
  return {
    id: record.requestId,
    _xact_id: transactionOf(record.seq),
    _pagination_key: transactionOf(record.seq),
    project_id: project,
    log_id: 'g',
    created: formatTime(record.timeNs),
    // With trace.enabled off a request has no span of its own.
    span_id: record.spanId === '' ? record.requestId : record.spanId,
    root_span_id: record.traceId,
    span_parents: record.parentSpanId === '' ? null : [record.parentSpanId],
    is_root: record.parentSpanId === '',
    span_attributes: { name: spanName ?? nameOf(attributes), type: isModel ? 'llm' : 'task' },
    input: firstOf(request, ['messages', 'input', 'prompt']) ?? null,
    output: firstOf(response, ['choices', 'output', 'content']) ?? null,
    expected: expected ?? null,
    error: record.severity >= SEVERITY.error || record.status >= 400 ? errorText(record, attributes) : null,
    scores: scores ?? null,
    tags: tags ?? null,
    comments: Array.isArray(comments) ? comments.map((text: unknown) => ({ comment: { text } })) : null,
    metadata: {
      ...Object.fromEntries(
        METADATA.flatMap((name) => (attributes[name] === undefined ? [] : [[name, attributes[name]]])),
      ),
      status: record.status,
      deployment: nonEmpty(record.deployment),
      environment: nonEmpty(record.environment),
      replica: nonEmpty(record.replica),
      ...(metadata as object | undefined),
    },
    metrics: metricsOf(record, attributes),
    context: { span_origin: { name: 'weir' } },
  };
}

const nameOf = ({ method, path }: Readonly<Record<string, unknown>>): string =>
  [method, path].filter((part) => typeof part === 'string').join(' ');

function metricsOf(record: LogRecord, attributes: Readonly<Record<string, unknown>>): Record<string, number> {
  const metrics: Record<string, number> = {
    start: seconds(record.timeNs),
    end: seconds(record.timeNs + BigInt(Math.round(record.durationNs))),
  };
  for (const [metric, name] of Object.entries(METRICS)) {
    const value = attributes[name];
    if (typeof value === 'number') metrics[metric] = value;
  }
  const firstTokenMs = attributes['first_token_ms'];
  if (typeof firstTokenMs === 'number') metrics['time_to_first_token'] = firstTokenMs / 1000;
  return metrics;
}

function errorText(
  { message }: LogRecord,
  { response_error: ofResponse, detail }: Readonly<Record<string, unknown>>,
): string {
  const more = ofResponse ?? detail;
  return typeof more === 'string' && more !== '' ? `${message}: ${more}` : message;
}

/** A stored body as JSON; `undefined` if it is none, for example since only its beginning was stored. */
function jsonIn(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The first of these members that a body has, or the whole body. */
function firstOf(body: unknown, names: readonly string[]): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const name = names.find((one) => Object.hasOwn(body, one));
  return name === undefined ? body : (body as Record<string, unknown>)[name];
}
