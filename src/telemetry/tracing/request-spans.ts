// From the record of a request to its spans: its own, and those of what it waited for.
// Must stay true: the same record gives the same spans whenever it is asked, with the very ids that others were told
// while it ran; nothing is in a span that the record does not say.
//
//   (caller) ─► submit or request ─┬─ weir.queue    in line for a replica
//                    │             ├─ weir.connect  a connection to it was made
//                    │             └─ the replica's time: what its own spans hang from (core/exchange/identity.ts)
//                    ├─ weir.async_wait, then the run of the task, with the same children
//                    └─ the delivery of its result (webhook-span.ts)
// Conventions: contracts/logplane.md C5.
import { childSpanId, REPLICA_SPAN } from '../../core/exchange/identity.ts';
import type { LogRecord } from '../logs/logs.ts';
import { errorType, hasFailed, hasReplicaFailed, type SpanOutcome } from './span-status.ts';
import { operationOf, routeOf, type OperationName } from './route-name.ts';
import {
  KIND,
  known,
  STATUS,
  type Span,
  type SpanAttributes,
  type SpanEvent,
  type SpanValue,
} from './span.ts';

/** Which child of the request's span is which; REPLICA_SPAN is the first. */
const QUEUE_SPAN = 2;
const CONNECT_SPAN = 3;
const ASYNC_WAIT_SPAN = 4;

/** RFC 9110 9 and RFC 5789; others are `_OTHER`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

/** What a request's record says besides, as far as spans need it. */
class Said {
  readonly #values: Record<string, unknown>;

  constructor(attributes: string) {
    this.#values = attributes === '' ? {} : (JSON.parse(attributes) as Record<string, unknown>);
  }

  text(name: string): string {
    const value = this.#values[name];
    return typeof value === 'string' ? value : '';
  }

  number(name: string): number | undefined {
    const value = this.#values[name];
    return typeof value === 'number' ? value : undefined;
  }

  is(name: string): boolean {
    return this.#values[name] === true;
  }
}

const ns = (ms: number): bigint => BigInt(Math.round(ms * 1e6));

/** What the data door speaks, one of them alone (src/data-plane/server/options.ts). */
export type UrlScheme = 'http' | 'https';

/** The spans of a request, its own first; none of what is no request, or took no part in a trace. */
export function spansOf(record: LogRecord, modelId: string, scheme: UrlScheme = 'http'): Span[] {
  if (record.kind !== 'request' || record.spanId === '') return [];
  const said = new Said(record.attributes);
  const spans = [requestSpan(record, said, modelId, scheme)];
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
  const asyncWaitMs = said.number('async_wait_ms');
  if (asyncWaitMs !== undefined)
    child(ASYNC_WAIT_SPAN, 'weir.async_wait', -asyncWaitMs, 0, {
      // Beside the run, which began when this ended.
      parentSpanId: record.parentSpanId === '' ? record.spanId : record.parentSpanId,
    });
  const leasedMs = said.number('leased_ms');
  const waitedMs = said.number('queue_ms') ?? 0;
  const isOnce = (said.number('attempts') ?? 0) <= 1;
  // Of several waits only the sum is known: as if they had been one, from the beginning on.
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
  const connectedMs = said.number('connected_ms');
  if (connectedMs !== undefined) child(CONNECT_SPAN, 'weir.connect', leasedMs, connectedMs);
  child(REPLICA_SPAN, ...replicaSpan(record, said, Math.max(leasedMs, connectedMs ?? 0)));
  return spans;
}

const outcomeOf = (record: LogRecord, said: Said): SpanOutcome => ({
  protocol: said.text('protocol'),
  status: record.status,
  cause: said.text('cause'),
});

/** `service` and `method` of the path of a gRPC call. */
const callOf = (path: string): readonly [service: string, method: string] | undefined => {
  const match = /^\/([\w.]{1,200})\/(\w{1,100})$/.exec(path);
  return match ? [match[1]!, match[2]!] : undefined;
};

function requestSpan(record: LogRecord, said: Said, modelId: string, scheme: UrlScheme): Span {
  const outcome = outcomeOf(record, said);
  const isAsync = said.is('async');
  const isError = hasFailed(outcome);
  const events: SpanEvent[] = [];
  const event = (name: string, ms: number | undefined): void => {
    if (ms !== undefined) events.push({ timeUnixNano: record.timeNs + ns(ms), name, attributes: {} });
  };
  const [headMs, firstByteMs] = [said.number('head_ms'), said.number('first_byte_ms')];
  // A head that came together with the first byte of the body, or an answer without a body, has only that event.
  if (headMs !== firstByteMs) event('weir.head', headMs);
  event('weir.first_byte', firstByteMs);
  return {
    traceId: record.traceId,
    spanId: record.spanId,
    parentSpanId: record.parentSpanId,
    name: nameOf(outcome, said, isAsync),
    kind: isAsync ? KIND.consumer : KIND.server,
    startTimeUnixNano: record.timeNs,
    endTimeUnixNano: record.timeNs + BigInt(Math.round(record.durationNs)),
    attributes: known({
      ...(outcome.protocol === 'grpc'
        ? callAttributes(outcome, said)
        : httpAttributes(outcome, said, isAsync, scheme)),
      'error.type': isError ? errorType(outcome) : undefined,
      'client.address': said.text('remote'),
      request_id: record.requestId,
      model_id: modelId,
      model_version_id: record.deployment,
      environment: record.environment,
      replica: record.replica,
      'weir.cause': outcome.cause,
      'weir.attempts': said.number('attempts'),
      'weir.retries': said.number('retries'),
    }),
    events,
    status: isError
      ? { code: STATUS.error, message: said.text('detail') }
      : { code: STATUS.unset, message: '' },
  };
}

function nameOf({ protocol, status }: SpanOutcome, said: Said, isAsync: boolean): string {
  const path = said.text('path');
  if (protocol === 'grpc') {
    const call = callOf(path);
    // A method that nobody has is one that a client thought of.
    return call === undefined || status === UNIMPLEMENTED ? 'grpc' : call.join('/');
  }
  if (isAsync) return `async ${path}`;
  const method = METHODS.has(said.text('method')) ? said.text('method') : 'HTTP';
  const route = routeOf(path);
  return route === undefined ? method : `${method} ${route}`;
}

const UNIMPLEMENTED = 12;

type Attributes = Record<string, SpanValue | undefined>;

function httpAttributes(
  { protocol, status, cause }: SpanOutcome,
  said: Said,
  isAsync: boolean,
  scheme: UrlScheme,
): Attributes {
  const method = said.text('method');
  const isKnown = METHODS.has(method);
  const path = said.text('path');
  const isWebSocket = protocol === 'websocket';
  return {
    'http.request.method': isKnown ? method : '_OTHER',
    'http.request.method_original': isKnown ? undefined : method,
    'url.path': path,
    'url.scheme': scheme,
    'http.route': isAsync ? path : routeOf(path),
    // Who left was told nothing.
    'http.response.status_code': isWebSocket || status === 0 || cause === 'client_gone' ? undefined : status,
    'weir.websocket.close_code': isWebSocket ? status : undefined,
    'http.request.body.size': said.number('request_bytes'),
    'http.response.body.size': said.number('response_bytes'),
  };
}

function callAttributes({ status }: SpanOutcome, said: Said): Attributes {
  const [service, method] = callOf(said.text('path')) ?? [];
  return {
    'rpc.system': 'grpc',
    'rpc.service': service,
    'rpc.method': method,
    'rpc.grpc.status_code': status,
  };
}

/** The time at the replica: its name, when it was, and what it was asked for. */
function replicaSpan(
  record: LogRecord,
  said: Said,
  fromMs: number,
): [name: string, fromMs: number, toMs: number, more: Partial<Span>] {
  const outcome = outcomeOf(record, said);
  const isError = hasReplicaFailed(outcome);
  const operation = operationOf(said.text('path'));
  const model = said.text('model');
  const resends = (said.number('attempts') ?? 1) - 1;
  const method = said.text('method');
  const isCall = outcome.protocol === 'grpc';
  const attributes = known({
    ...(isCall
      ? callAttributes(outcome, said)
      : {
          'http.request.method': METHODS.has(method) ? method : '_OTHER',
          'http.response.status_code':
            outcome.cause === 'ok' && outcome.protocol === 'http' ? outcome.status : undefined,
          'http.request.resend_count': resends > 0 ? resends : undefined,
        }),
    'error.type': isError ? errorType(outcome) : undefined,
    replica: record.replica,
    ...genAiAttributes(said, operation, model),
  });
  const plainName = isCall ? nameOf(outcome, said, false) : METHODS.has(method) ? method : 'HTTP';
  return [
    operation && model !== '' ? `${operation.name} ${model}` : plainName,
    fromMs,
    record.durationNs / 1e6,
    {
      kind: KIND.client,
      attributes,
      status: isError
        ? { code: STATUS.error, message: said.text('detail') }
        : { code: STATUS.unset, message: '' },
    },
  ];
}

/** Nothing where nothing is known of a language model. */
function genAiAttributes(said: Said, operation: OperationName | undefined, model: string): SpanAttributes {
  const [input, output] = [said.number('input_tokens'), said.number('output_tokens')];
  if (model === '' && input === undefined && output === undefined) return {};
  const finish = said.text('finish_reason');
  return known({
    'gen_ai.operation.name': operation?.name,
    'gen_ai.provider.name': operation?.provider,
    'gen_ai.request.model': model,
    'gen_ai.request.stream': said.is('is_stream') || undefined,
    'gen_ai.response.id': said.text('response_id'),
    'gen_ai.response.model': said.text('response_model') || model,
    'gen_ai.response.finish_reasons': finish === '' ? undefined : [finish],
    'gen_ai.usage.input_tokens': input,
    'gen_ai.usage.output_tokens': output,
    'gen_ai.usage.cache_read.input_tokens': said.number('cached_tokens'),
    'gen_ai.usage.reasoning.output_tokens': said.number('reasoning_tokens'),
  });
}
