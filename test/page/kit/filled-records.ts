// Records as weir stores them: requests to models, the runs of an asynchronous request, and the spans of a long trace.
// Invariant: trace id and span id of a request follow from its id, as those of a request that weir served do.
import { derivedSpanId, derivedTraceId } from '../../../src/core/exchange/identity.ts';
import type { LogRecord } from '../../../src/telemetry/logs/log-record.ts';
import { deliverySpan } from '../../../src/telemetry/tracing/webhook-span.ts';
import type { Random } from './random.ts';

/** What a request was. Times in milliseconds: `timeMs` since the epoch, others since its begin. */
export interface RequestFacts {
  readonly timeMs: number;
  readonly random: Random;
  readonly replica: string;
  readonly deployment: string;
  readonly environment: string;
  readonly path: string;
  readonly model: string;
  readonly tier: string;
  readonly queueMs: number;
  readonly firstTokenMs: number;
  readonly msPerToken: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly status: number;
  readonly cause: string;
  readonly detail: string;
}

const PRICES: Readonly<Record<string, readonly [input: number, output: number]>> = {
  'llama-3-70b': [0.59, 0.79],
  'llama-3-8b': [0.05, 0.08],
};

export const traceIdOf = (requestId: string): string => derivedTraceId(requestId)!;
const spanIdOf = (requestId: string): string => derivedSpanId(requestId)!;
/** Microseconds are as exact as a record is. */
const round = (ms: number): number => Math.round(ms * 1000) / 1000;
const nsOf = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n;
const idAt = (timeMs: number, random: Random): string =>
  Math.floor(timeMs).toString(16).padStart(12, '0') + random.hex(25);

function severityOf({ status, cause }: RequestFacts): number {
  if (cause === 'client_gone' || cause === 'bad_request') return 13;
  return status >= 500 ? 17 : status >= 400 ? 13 : 9;
}

/** The attributes of a request that a model has answered. */
function modelAttributes(facts: RequestFacts, endMs: number): Record<string, unknown> {
  const { model, inputTokens, outputTokens, firstTokenMs } = facts;
  const price = PRICES[model];
  return {
    model,
    finish_reason: outputTokens > 900 ? 'length' : 'stop',
    is_stream: true,
    is_finished: true,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    cached_tokens: Math.floor(inputTokens / 4),
    content_events: outputTokens,
    first_token_ms: round(firstTokenMs),
    token_gap_ms: round(facts.msPerToken),
    tokens_per_second: Math.round(outputTokens / ((endMs - facts.queueMs) / 1000)),
    ...(price && {
      cost: (inputTokens * price[0] + outputTokens * price[1]) / 1e6,
      currency: 'USD',
      price_input: price[0],
      price_output: price[1],
    }),
  };
}

/** The record of a request; `more`: further attributes. */
export function requestRecord(facts: RequestFacts, more: Readonly<Record<string, unknown>> = {}): LogRecord {
  const { timeMs, random, status, cause, detail, path, queueMs, firstTokenMs } = facts;
  const requestId = idAt(timeMs, random);
  const isAnswered = status === 200;
  const isRefused = cause === 'queue_full' || cause === 'rate_limited' || cause === 'bad_request';
  const endMs = isAnswered
    ? firstTokenMs + facts.msPerToken * facts.outputTokens
    : cause === 'first_byte_timeout'
      ? 60_000
      : isRefused
        ? 0.3
        : firstTokenMs;
  const attributes = {
    method: 'POST',
    path,
    protocol: 'http',
    cause,
    ...(detail === '' ? {} : { detail }),
    remote: `10.0.${Math.floor(random.next() * 4)}.${Math.floor(random.next() * 250)}`,
    ...(isRefused
      ? { attempts: 0 }
      : {
          queue_ms: round(queueMs),
          leased_ms: round(queueMs),
          connected_ms: round(queueMs + 0.2),
          attempts: 1,
        }),
    ...(isAnswered ? { head_ms: round(firstTokenMs - 1), first_byte_ms: round(firstTokenMs) } : {}),
    request_bytes: facts.inputTokens * 4,
    response_bytes: isAnswered ? facts.outputTokens * 210 : 160,
    is_sampled: true,
    ...(isAnswered ? modelAttributes(facts, endMs) : { model: facts.model }),
    metadata: { tier: facts.tier, user: `user-${Math.floor(random.next() * 400)}` },
    ...more,
  };
  return {
    seq: 0,
    kind: 'request',
    timeNs: nsOf(timeMs),
    severity: severityOf(facts),
    message: `POST ${path} ${status}${cause === 'ok' ? '' : ` ${cause}`}${detail === '' ? '' : `: ${detail}`}`,
    requestId,
    traceId: traceIdOf(requestId),
    spanId: spanIdOf(requestId),
    parentSpanId: '',
    deployment: facts.deployment,
    environment: facts.environment,
    replica: isRefused ? '' : facts.replica,
    source: 'weir',
    pod: '',
    modelId: '',
    status,
    durationNs: Math.round(endMs * 1000) * 1000,
    attributes: JSON.stringify(attributes),
  };
}

/** A submit, a run that failed, one that succeeded, and two deliveries of the result, of which the first failed. */
export function asyncRecords(
  random: Random,
  timeMs: number,
): { readonly requestId: string; readonly records: readonly LogRecord[] } {
  const usual = {
    random,
    deployment: 'dep1',
    environment: 'production',
    model: 'llama-3-70b',
    tier: 'enterprise',
    queueMs: 0.4,
    firstTokenMs: 420,
    msPerToken: 10,
    inputTokens: 900,
    outputTokens: 120,
  };
  const submit = requestRecord(
    {
      ...usual,
      timeMs,
      replica: '',
      path: '/production/async_predict',
      status: 201,
      cause: 'ok',
      detail: '',
    },
    { attempts: 0 },
  );
  const { requestId, traceId, spanId } = submit;
  const run = (atMs: number, waitedMs: number, status: number, replica: string): LogRecord => ({
    ...requestRecord(
      {
        ...usual,
        timeMs: timeMs + atMs,
        replica,
        path: '/v1/models/model:predict',
        status,
        cause: 'ok',
        detail: '',
      },
      { async: true, async_wait_ms: waitedMs },
    ),
    requestId,
    traceId,
    spanId: random.hex(16),
    parentSpanId: spanId,
  });
  const delivery = (attempt: number, atMs: number, status: number): LogRecord => ({
    ...deliverySpan(
      {
        requestId,
        deployment: 'dep1',
        traceparent: `00-${traceId}-${spanId}-01`,
        url: 'https://hooks.example/results',
        startEpochMs: timeMs + atMs,
        durationMs: 84,
        attempt,
        result: status === 200 ? 'ok' : 'status',
        status,
        problem: status === 200 ? '' : `the receiver answered ${status}`,
      },
      'production',
      true,
    )!,
    spanId: random.hex(16),
  });
  return {
    requestId,
    records: [
      submit,
      run(1200, 1200, 500, 'jm2q4'),
      run(9200, 7500, 200, 'abc12'),
      delivery(1, 11_000, 503),
      delivery(2, 16_000, 200),
    ],
  };
}

/** Spans of an application below a request: a tree of agents, tools and models, and a long list in one of them. */
export function longTrace(random: Random, owner: LogRecord, count: number): LogRecord[] {
  const traceId = owner.traceId;
  const beginMs = Number(owner.timeNs / 1000n) / 1000;
  const spans: LogRecord[] = [];
  const parents = [owner.spanId];
  for (let i = 0; i < count; i++) {
    const spanId = random.hex(16);
    const parentSpanId = i < 40 ? parents[Math.floor(random.next() * parents.length)]! : parents.at(-1)!;
    if (i < 40) parents.push(spanId);
    const isFailed = i % 700 === 699;
    spans.push({
      seq: 0,
      kind: 'span',
      timeNs: nsOf(beginMs + i * 1.5),
      severity: isFailed ? 17 : 9,
      message: `step ${i}`,
      requestId: '',
      traceId,
      spanId,
      parentSpanId,
      deployment: 'dep1',
      environment: 'production',
      replica: 'abc12',
      source: 'api',
      pod: '',
      modelId: '',
      status: 0,
      durationNs: i < 40 ? 7_600_000_000 - i * 1_500_000 : Math.round(random.next() * 40_000) * 1000,
      attributes: JSON.stringify({
        name: i % 3 === 0 ? `tool.lookup ${i}` : `step ${i}`,
        kind: 1,
        status_code: isFailed ? 2 : 1,
        ...(isFailed ? { status_message: 'lookup failed: no such key' } : {}),
        'step.index': i,
      }),
    });
  }
  return spans;
}
