// Spans made from records: ids, times, names and statuses by the OpenTelemetry conventions.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { childSpanId, REPLICA_SPAN } from '../../../src/core/exchange/identity.ts';
import { deliverySpan } from '../../../src/telemetry/tracing/webhook-span.ts';
import { hasFailed } from '../../../src/telemetry/tracing/span-status.ts';
import type { GenAiNames } from '../../../src/telemetry/tracing/gen-ai.ts';
import { operationOf, routeOf } from '../../../src/telemetry/tracing/route-name.ts';
import type { Span } from '../../../src/telemetry/tracing/span.ts';
import { spansOf } from '../../../src/telemetry/tracing/request-spans.ts';
import type { LogRecord } from '../../../src/telemetry/logs/logs.ts';

const T = 1_790_000_000_000_000_000n;
const ms = (n: number) => T + BigInt(Math.round(n * 1e6));
const SPAN = 'b'.repeat(16);
const PARENT = 'c'.repeat(16);

const record = (attributes: object = {}, more: Partial<LogRecord> = {}): LogRecord => ({
  seq: 1,
  kind: 'request',
  timeNs: T,
  severity: 9,
  message: '',
  durationNs: 50_000_000,
  requestId: 'r1',
  traceId: 'a'.repeat(32),
  spanId: SPAN,
  parentSpanId: PARENT,
  deployment: 'dep1',
  environment: 'production',
  replica: 'abc12',
  source: 'weir',
  pod: '',
  modelId: '',
  status: 200,
  ...more,
  attributes: JSON.stringify({
    method: 'POST',
    path: '/production/predict',
    protocol: 'http',
    cause: 'ok',
    remote: '10.0.0.1',
    queue_ms: 0,
    leased_ms: 0.1,
    first_byte_ms: 40,
    request_bytes: 10,
    response_bytes: 20,
    attempts: 1,
    ...attributes,
  }),
});
const spans = (one: LogRecord, genAi: GenAiNames = 'common') =>
  spansOf(one, { modelId: 'mdl1', scheme: 'http', genAi });
const named = (all: readonly Span[], name: string) => all.find((span) => span.name === name)!;

describe('the spans of a request', () => {
  it('are its own span and a replica span, in the client’s trace, with the ids that the replica received', () => {
    const [own, replica, ...others] = spans(record());
    expect(others).toEqual([]);
    expect(own).toEqual({
      traceId: 'a'.repeat(32),
      spanId: SPAN,
      parentSpanId: PARENT,
      name: 'POST /production/predict',
      kind: 2,
      startTimeUnixNano: T,
      endTimeUnixNano: ms(50),
      attributes: {
        'http.request.method': 'POST',
        'url.path': '/production/predict',
        'url.scheme': 'http',
        'http.route': '/production/predict',
        'http.response.status_code': 200,
        'http.request.body.size': 10,
        'http.response.body.size': 20,
        'client.address': '10.0.0.1',
        request_id: 'r1',
        model_id: 'mdl1',
        model_version_id: 'dep1',
        environment: 'production',
        replica: 'abc12',
        'weir.cause': 'ok',
        'weir.attempts': 1,
      },
      events: [{ timeUnixNano: ms(40), name: 'weir.first_byte', attributes: {} }],
      status: { code: 0, message: '' },
    });
    expect(replica).toMatchObject({
      spanId: childSpanId(SPAN, REPLICA_SPAN),
      parentSpanId: SPAN,
      name: 'POST',
      kind: 3,
      startTimeUnixNano: ms(0.1),
      endTimeUnixNano: ms(50),
      attributes: { 'http.request.method': 'POST', 'http.response.status_code': 200, replica: 'abc12' },
    });
  });

  it('show queueing, connecting and the replica one after the other', () => {
    const all = spans(record({ queue_ms: 10, leased_ms: 10.5, connected_ms: 12 }));
    expect(named(all, 'weir.queue')).toMatchObject({
      parentSpanId: SPAN,
      startTimeUnixNano: ms(0.5),
      endTimeUnixNano: ms(10.5),
    });
    expect(named(all, 'weir.connect')).toMatchObject({
      startTimeUnixNano: ms(10.5),
      endTimeUnixNano: ms(12),
    });
    expect(named(all, 'POST')).toMatchObject({ startTimeUnixNano: ms(12), endTimeUnixNano: ms(50) });
    expect(new Set(all.map(({ spanId }) => spanId)).size).toBe(all.length);
  });

  it('show the number of attempts, and one queue span with the sum of the waits', () => {
    const all = spans(record({ queue_ms: 10, leased_ms: 30, attempts: 3, retries: 1 }));
    expect(named(all, 'weir.queue')).toMatchObject({
      startTimeUnixNano: T,
      endTimeUnixNano: ms(10),
      attributes: { 'weir.is_sum': true },
    });
    expect(all[0]!.attributes).toMatchObject({ 'weir.attempts': 3, 'weir.retries': 1 });
    expect(named(all, 'POST').attributes).toMatchObject({ 'http.request.resend_count': 2 });
  });

  it('have an event for the response head if it came before the first byte', () => {
    const events = (attributes: object) =>
      spans(record(attributes))[0]!.events.map(({ name, timeUnixNano }) => [name, timeUnixNano]);
    expect(events({ head_ms: 2, first_byte_ms: 40 })).toEqual([
      ['weir.head', ms(2)],
      ['weir.first_byte', ms(40)],
    ]);
    expect(events({ head_ms: 40, first_byte_ms: 40 })).toEqual([['weir.first_byte', ms(40)]]);
    expect(events({ head_ms: 2, first_byte_ms: undefined })).toEqual([['weir.head', ms(2)]]);
  });

  it('are its own span and a queue span if no replica was free', () => {
    const all = spans(
      record(
        {
          queue_ms: 50,
          leased_ms: undefined,
          first_byte_ms: undefined,
          attempts: 0,
          cause: 'queue_timeout',
          detail: 'too long',
        },
        { replica: '', status: 500 },
      ),
    );
    expect(all.map(({ name }) => name)).toEqual(['POST /production/predict', 'weir.queue']);
    expect(all[0]).toMatchObject({
      status: { code: 2, message: 'too long' },
      attributes: { 'error.type': 'queue_timeout', 'http.response.status_code': 500 },
      events: [],
    });
  });

  it('of an asynchronous attempt include the wait in the queue, as a sibling under the submission', () => {
    const [own, wait] = spans(record({ async: true, async_wait_ms: 1500, path: '/v1/models/model:predict' }));
    expect(own).toMatchObject({ name: 'async /v1/models/model:predict', kind: 5, parentSpanId: PARENT });
    expect(wait).toMatchObject({
      name: 'weir.async_wait',
      parentSpanId: PARENT,
      startTimeUnixNano: ms(-1500),
      endTimeUnixNano: T,
    });
  });

  it('of a language model have the model and its token counts', () => {
    const one = record({
      path: '/environments/production/sync/v1/chat/completions',
      model: 'llama-3',
      response_model: 'llama-3-8b',
      input_tokens: 3,
      output_tokens: 4,
      cached_tokens: 1,
      reasoning_tokens: 2,
      finish_reason: 'stop',
      response_id: 'c1',
      is_stream: true,
      first_token_ms: 250,
    });
    const common = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'llama-3',
      'gen_ai.response.id': 'c1',
      'gen_ai.response.model': 'llama-3-8b',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': 3,
      'gen_ai.usage.output_tokens': 4,
    };
    const added = {
      'gen_ai.request.stream': true,
      'gen_ai.usage.cache_read.input_tokens': 1,
      'gen_ai.usage.reasoning.output_tokens': 2,
      'gen_ai.response.time_to_first_chunk': 0.25,
    };
    const genAiOf = (names: GenAiNames) =>
      Object.fromEntries(
        Object.entries(named(spans(one, names), 'chat llama-3').attributes).filter(([name]) =>
          name.startsWith('gen_ai'),
        ),
      );
    expect(spans(one)[0]).toMatchObject({
      name: 'POST /environments/{env}/sync/v1/chat/completions',
      events: [{ name: 'weir.first_byte' }, { name: 'weir.first_token', timeUnixNano: ms(250) }],
    });
    expect(named(spans(one), 'chat llama-3')).toMatchObject({
      spanId: childSpanId(SPAN, REPLICA_SPAN),
      kind: 3,
    });
    expect(genAiOf('common')).toEqual(common);
    expect(genAiOf('latest')).toEqual({ ...common, ...added });
    expect(genAiOf('off')).toEqual({});
    expect(Object.keys(spans(record())[1]!.attributes).some((name) => name.startsWith('gen_ai'))).toBe(false);
  });

  it('of a gRPC call have the service, the method and the status code', () => {
    const call = { protocol: 'grpc', path: '/inference.Model/Predict' };
    const [own] = spans(record(call, { status: 14 }));
    expect(own).toMatchObject({
      name: 'inference.Model/Predict',
      status: { code: 2 },
      attributes: {
        'rpc.system': 'grpc',
        'rpc.service': 'inference.Model',
        'rpc.method': 'Predict',
        'rpc.grpc.status_code': 14,
        'error.type': '14',
      },
    });
    expect(own!.attributes).not.toHaveProperty('http.response.status_code');
    // Unknown paths share one name.
    expect(spans(record(call, { status: 12 }))[0]!.name).toBe('grpc');
  });

  it('do not exist without a trace, or for a record that is not a request', () => {
    expect(spans(record({}, { spanId: '' }))).toEqual([]);
    expect(spans(record({}, { kind: 'line' }))).toEqual([]);
  });

  it('end after they start and have a parent among them, for any record', () => {
    const some = fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.record({
          queue_ms: some,
          leased_ms: some,
          connected_ms: some,
          head_ms: some,
          first_byte_ms: some,
          async_wait_ms: some,
        }),
        fc.nat(3),
        fc.nat(1e9),
        (times, attempts, durationNs) => {
          const all = spans(record({ ...times, attempts }, { durationNs }));
          const ids = new Set([PARENT, ...all.map(({ spanId }) => spanId)]);
          for (const span of all) {
            expect(span.endTimeUnixNano >= span.startTimeUnixNano).toBe(true);
            expect(ids.has(span.parentSpanId)).toBe(true);
          }
        },
      ),
    );
  });
});

describe('span status', () => {
  it('is an error if weir or the replica failed, but not if the client did', () => {
    const http = (status: number, cause = 'ok') => hasFailed({ protocol: 'http', status, cause });
    expect([200, 404, 429, 499].map((status) => http(status))).toEqual([false, false, false, false]);
    expect([500, 502, 529].map((status) => http(status))).toEqual([true, true, true]);
    expect(http(499, 'client_gone')).toBe(false);
    const grpc = (status: number) => hasFailed({ protocol: 'grpc', status, cause: 'ok' });
    expect([0, 1, 3, 5, 7, 8].map(grpc)).toEqual([false, false, false, false, false, false]);
    expect([2, 4, 12, 13, 14, 15].map(grpc)).toEqual([true, true, true, true, true, true]);
    const socket = (status: number, cause = 'ok') => hasFailed({ protocol: 'websocket', status, cause });
    expect([socket(1000), socket(1006, 'client_gone'), socket(1011), socket(1006, 'reset_midway')]).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it('of a stream that reports an error is an error in both spans', () => {
    for (const cause of ['ok', 'client_gone']) {
      const attributes = { is_stream: true, response_error: 'out of memory', cause };
      for (const { status, attributes: values } of spans(record(attributes))) {
        expect(status).toEqual({ code: 2, message: 'out of memory' });
        expect(values['error.type']).toBe(cause === 'ok' ? 'stream_error' : cause);
      }
    }
    const isCode0 = spans(record({ is_stream: true })).map(({ status }) => status.code === 0);
    expect(isCode0).toEqual([true, true]);
  });

  it('of a 404 is an error in the replica span only', () => {
    const [own, replica] = spans(record({}, { status: 404 }));
    expect(own).toMatchObject({ status: { code: 0 } });
    expect(own!.attributes).not.toHaveProperty('error.type');
    expect(replica).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': '404' } });
    // Who left did not make the replica fail, and was told nothing.
    const [left, its] = spans(record({ cause: 'client_gone' }, { status: 499 }));
    expect(left!.attributes).not.toHaveProperty('http.response.status_code');
    expect([left!.status.code, its!.status.code]).toEqual([0, 0]);
  });
});

describe('route names', () => {
  it('are few, for any number of paths', () => {
    for (const [path, route] of [
      ['/predict', '/predict'],
      ['/production/predict', '/production/predict'],
      ['/environments/my-env/predict', '/environments/{env}/predict'],
      ['/deployment/abc/async_predict', '/deployment/{id}/async_predict'],
      ['/production/run_remote', '/production/run_remote'],
      ['/async_run_remote', '/async_run_remote'],
      ['/development/sync/v1/completions', '/development/sync/v1/completions'],
      ['/development/sync/any/thing/1', '/development/sync/{path}'],
      ['/sync/v1/models', '/sync/v1/models'],
      ['/async_request/0123', '/async_request/{id}'],
      ['/async_request/0123/result', '/async_request/{id}/result'],
      ['/v1/chat/completions', '/v1/chat/completions'],
      ['/v1/chat/completions/1', undefined],
      ['/environments/x/else', undefined],
      ['/', undefined],
    ] as const)
      expect(routeOf(path), path).toBe(route);
    const seen = new Set<string | undefined>();
    const segment = fc.constantFrom(
      'predict',
      'sync',
      'production',
      'environments',
      'v1',
      'x',
      'async_request',
      '',
      'y',
    );
    fc.assert(
      fc.property(
        fc.array(segment, { maxLength: 5 }),
        (segments) => void seen.add(routeOf(`/${segments.join('/')}`)),
      ),
      { numRuns: 3000 },
    );
    expect(seen.size).toBeLessThan(40);
  });

  it('give the operation of a language model path', () => {
    expect(operationOf('/deployment/x/sync/v1/messages')).toEqual({ name: 'chat', provider: 'anthropic' });
    expect(operationOf('/v1/embeddings')).toEqual({ name: 'embeddings', provider: 'openai' });
    expect(operationOf('/constructor')).toBeUndefined();
    expect(operationOf('/sync/toString')).toBeUndefined();
  });
});

describe('a webhook delivery', () => {
  const delivery = {
    requestId: 'r1',
    deployment: 'dep1',
    traceparent: `00-${'a'.repeat(32)}-${PARENT}-01`,
    url: 'https://user:pass@hooks.example/secret/path?token=x',
    startEpochMs: 1_790_000_000_000.5,
    durationMs: 12.5,
    attempt: 1,
    result: 'ok',
    status: 200,
    problem: '',
  };

  it('is a span under the submission, with only the host of the URL', () => {
    const span = deliverySpan(delivery, 'production', true)!;
    expect(span).toMatchObject({
      kind: 'span',
      timeNs: 1_790_000_000_000_500_000n,
      durationNs: 12_500_000,
      traceId: 'a'.repeat(32),
      parentSpanId: PARENT,
      requestId: 'r1',
      environment: 'production',
    });
    expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(JSON.parse(span.attributes)).toEqual({
      name: 'POST',
      kind: 3,
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': 'hooks.example',
      'url.scheme': 'https',
      'weir.webhook.result': 'ok',
      'weir.webhook.attempt': 1,
    });
    expect(span.attributes).not.toMatch(/secret|token|pass/);
  });

  it('has a span if its trace is sampled, or if it failed and failures are always sampled', () => {
    const unsampled = { ...delivery, traceparent: `00-${'a'.repeat(32)}-${PARENT}-00` };
    const failed = { ...unsampled, result: 'unavailable', status: 503, problem: 'it answered 503' };
    expect(deliverySpan(unsampled, '', true)).toBeUndefined();
    expect(deliverySpan(failed, '', false)).toBeUndefined();
    expect(JSON.parse(deliverySpan(failed, '', true)!.attributes)).toMatchObject({
      status_code: 2,
      status_message: 'it answered 503',
      'error.type': '503',
    });
    expect(deliverySpan({ ...delivery, traceparent: '' }, '', true)).toBeUndefined();
  });
});
