// Makes the spans of a request from its record: its own span, and child spans for the phases of the request.
// Invariant: a record always gives the same spans, with the ids that were sent to the replica while the request ran.
//
//   (client) ─► submission or request ─┬─ weir.queue    waiting for a free replica
//                    │                 ├─ weir.connect  opening a connection to it
//                    │                 └─ replica       parent of the replica's own spans (core/exchange/identity.ts)
//                    ├─ weir.async_wait, then the attempt of the task, with the same children
//                    └─ webhook delivery (webhook-span.ts)
// Conventions: docs/contracts/logs.md 5.
import { childSpanId, REPLICA_SPAN } from '../../core/exchange/identity.ts';
import { attributesOf, type LogRecord } from '../logs/logs.ts';
import { errorType, hasFailed, hasReplicaFailed, type SpanOutcome } from './span-status.ts';
import { genAiAttributes, type GenAiNames } from './gen-ai.ts';
import { operationOf, routeOf } from './route-name.ts';
import { KIND, STATUS, type Span, type SpanEvent, type SpanValue, withoutEmpty } from './span.ts';

/** Numbers of child spans, from which their ids are derived. REPLICA_SPAN is 1. */
const QUEUE_SPAN = 2;
const CONNECT_SPAN = 3;
const ASYNC_WAIT_SPAN = 4;

/** RFC 9110 section 9 and RFC 5789. Other methods become `_OTHER`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

/** The attributes of a request's record, by type. */
class RequestAttributes {
  readonly values: Readonly<Record<string, unknown>>;

  constructor(record: LogRecord) {
    this.values = attributesOf(record);
  }

  text(name: string): string {
    const value = this.values[name];
    return typeof value === 'string' ? value : '';
  }

  number(name: string): number | undefined {
    const value = this.values[name];
    return typeof value === 'number' ? value : undefined;
  }

  is(name: string): boolean {
    return this.values[name] === true;
  }
}

const ns = (ms: number): bigint => BigInt(Math.round(ms * 1e6));

/** Scheme of the data server. */
export type UrlScheme = 'http' | 'https';

/** What is the same in all spans. */
export interface TraceSubject {
  readonly modelId: string;
  readonly scheme: UrlScheme;
  readonly genAi: GenAiNames;
}

/** The span of the request is the first. Empty for other kinds of records, and for requests without a trace. */
export function spansOf(record: LogRecord, subject: TraceSubject): Span[] {
  if (record.kind !== 'request' || record.spanId === '') return [];
  const request = new RequestAttributes(record);
  const spans = [requestSpan(record, request, subject)];
  const child = (n: number, name: string, fromMs: number, toMs: number, more: Partial<Span> = {}) => {
    if (toMs < fromMs) return;
    spans.push({
      traceId: record.traceId,
      spanId: childSpanId(record.spanId, n),
      parentSpanId: record.spanId,
      name,
      kind: KIND.internal,
      startTimeUnixNano: record.timeNs + ns(fromMs),
      endTimeUnixNano: record.timeNs + ns(toMs),
      attributes: {},
      events: [],
      status: { code: STATUS.unset, message: '' },
      ...more,
    });
  };
  const asyncWaitMs = request.number('async_wait_ms');
  if (asyncWaitMs !== undefined)
    child(ASYNC_WAIT_SPAN, 'weir.async_wait', -asyncWaitMs, 0, {
      // A sibling of the attempt, which began when this span ended.
      parentSpanId: record.parentSpanId === '' ? record.spanId : record.parentSpanId,
    });
  const leasedMs = request.number('leased_ms');
  const waitedMs = request.number('queue_ms') ?? 0;
  const isOnce = (request.number('attempts') ?? 0) <= 1;
  // With several attempts only the sum of the waits is known. It is shown as one wait from the start of the request.
  if (waitedMs > 0)
    child(
      QUEUE_SPAN,
      'weir.queue',
      isOnce && leasedMs !== undefined ? leasedMs - waitedMs : 0,
      isOnce && leasedMs !== undefined ? leasedMs : waitedMs,
      {
        attributes: isOnce ? {} : { 'weir.is_sum': true },
      },
    );
  if (leasedMs === undefined || record.replica === '') return spans;
  const connectedMs = request.number('connected_ms');
  if (connectedMs !== undefined) child(CONNECT_SPAN, 'weir.connect', leasedMs, connectedMs);
  child(REPLICA_SPAN, ...replicaSpan(record, request, subject, Math.max(leasedMs, connectedMs ?? 0)));
  return spans;
}

const outcomeOf = (record: LogRecord, request: RequestAttributes): SpanOutcome => ({
  protocol: request.text('protocol'),
  status: record.status,
  cause: request.text('cause'),
  isFailedStream: request.is('is_stream') && request.values['response_error'] !== undefined,
});

/** The message of a span that is an error. */
const problemOf = (request: RequestAttributes): string =>
  request.text('detail') || request.text('response_error');

/** Service and method in the path of a gRPC call. */
const callOf = (path: string): readonly [service: string, method: string] | undefined => {
  const match = /^\/([\w.]{1,200})\/(\w{1,100})$/.exec(path);
  return match ? [match[1]!, match[2]!] : undefined;
};

function requestSpan(record: LogRecord, request: RequestAttributes, { modelId, scheme }: TraceSubject): Span {
  const outcome = outcomeOf(record, request);
  const isAsync = request.is('async');
  const isError = hasFailed(outcome);
  const events: SpanEvent[] = [];
  const event = (name: string, ms: number | undefined): void => {
    if (ms !== undefined) events.push({ timeUnixNano: record.timeNs + ns(ms), name, attributes: {} });
  };
  const [headMs, firstByteMs] = [request.number('head_ms'), request.number('first_byte_ms')];
  // If the head came with the first byte of the body, or there is no body, there is only weir.first_byte.
  if (headMs !== firstByteMs) event('weir.head', headMs);
  event('weir.first_byte', firstByteMs);
  event('weir.first_token', request.number('first_token_ms'));
  return {
    traceId: record.traceId,
    spanId: record.spanId,
    parentSpanId: record.parentSpanId,
    name: nameOf(outcome, request, isAsync),
    kind: isAsync ? KIND.consumer : KIND.server,
    startTimeUnixNano: record.timeNs,
    endTimeUnixNano: record.timeNs + BigInt(Math.round(record.durationNs)),
    attributes: withoutEmpty({
      ...(outcome.protocol === 'grpc'
        ? callAttributes(outcome, request)
        : httpAttributes(outcome, request, isAsync, scheme)),
      'error.type': isError ? errorType(outcome) : undefined,
      'client.address': request.text('remote'),
      request_id: record.requestId,
      model_id: modelId,
      model_version_id: record.deployment,
      environment: record.environment,
      replica: record.replica,
      'weir.cause': outcome.cause,
      'weir.attempts': request.number('attempts'),
      'weir.retries': request.number('retries'),
    }),
    events,
    status: isError
      ? { code: STATUS.error, message: problemOf(request) }
      : { code: STATUS.unset, message: '' },
  };
}

function nameOf({ protocol, status }: SpanOutcome, request: RequestAttributes, isAsync: boolean): string {
  const path = request.text('path');
  if (protocol === 'grpc') {
    const call = callOf(path);
    // An unimplemented method has no name, so clients cannot create names.
    return call === undefined || status === UNIMPLEMENTED ? 'grpc' : call.join('/');
  }
  if (isAsync) return `async ${path}`;
  const method = METHODS.has(request.text('method')) ? request.text('method') : 'HTTP';
  const route = routeOf(path);
  return route === undefined ? method : `${method} ${route}`;
}

const UNIMPLEMENTED = 12;

type Attributes = Record<string, SpanValue | undefined>;

function httpAttributes(
  { protocol, status, cause }: SpanOutcome,
  request: RequestAttributes,
  isAsync: boolean,
  scheme: UrlScheme,
): Attributes {
  const method = request.text('method');
  const isKnown = METHODS.has(method);
  const path = request.text('path');
  const isWebSocket = protocol === 'websocket';
  return {
    'http.request.method': isKnown ? method : '_OTHER',
    'http.request.method_original': isKnown ? undefined : method,
    'url.path': path,
    'network.protocol.version': request.text('http_version') || undefined,
    'url.scheme': scheme,
    'http.route': isAsync ? path : routeOf(path),
    // A client that disconnected received no status.
    'http.response.status_code': isWebSocket || status === 0 || cause === 'client_gone' ? undefined : status,
    'weir.websocket.close_code': isWebSocket ? status : undefined,
    'http.request.body.size': request.number('request_bytes'),
    'http.response.body.size': request.number('response_bytes'),
  };
}

function callAttributes({ status }: SpanOutcome, request: RequestAttributes): Attributes {
  const [service, method] = callOf(request.text('path')) ?? [];
  return {
    'rpc.system': 'grpc',
    'rpc.service': service,
    'rpc.method': method,
    'rpc.grpc.status_code': status,
  };
}

/** The span of the request to the replica. */
function replicaSpan(
  record: LogRecord,
  request: RequestAttributes,
  subject: TraceSubject,
  fromMs: number,
): [name: string, fromMs: number, toMs: number, more: Partial<Span>] {
  const outcome = outcomeOf(record, request);
  const isError = hasReplicaFailed(outcome);
  const operation = operationOf(request.text('path'));
  const model = request.text('model');
  const resends = (request.number('attempts') ?? 1) - 1;
  const method = request.text('method');
  const isCall = outcome.protocol === 'grpc';
  const attributes = withoutEmpty({
    ...(isCall
      ? callAttributes(outcome, request)
      : {
          'http.request.method': METHODS.has(method) ? method : '_OTHER',
          'http.response.status_code':
            outcome.cause === 'ok' && outcome.protocol === 'http' ? outcome.status : undefined,
          'http.request.resend_count': resends > 0 ? resends : undefined,
        }),
    'error.type': isError ? errorType(outcome) : undefined,
    replica: record.replica,
    ...genAiAttributes(request.values, operation, subject.genAi),
  });
  const plainName = isCall ? nameOf(outcome, request, false) : METHODS.has(method) ? method : 'HTTP';
  return [
    operation && model !== '' ? `${operation.name} ${model}` : plainName,
    fromMs,
    record.durationNs / 1e6,
    {
      kind: KIND.client,
      attributes,
      status: isError
        ? { code: STATUS.error, message: problemOf(request) }
        : { code: STATUS.unset, message: '' },
    },
  ];
}
