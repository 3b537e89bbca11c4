// GET /v1/traces/{id}?shape=flat: the rows of a waterfall.
import { afterEach, describe, expect, it } from 'vitest';
import type { FlatTraceJson } from '../../../../src/control/admin/records/trace-json.ts';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { afterStart, expectJson, REQUEST_ID, requestRecord } from '../../../kit/request-record.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const OWN = '00f067aa0ba902b0';
const PHASES = {
  queue_ms: 10,
  leased_ms: 10,
  connected_ms: 12,
  head_ms: 20,
  first_byte_ms: 20,
  first_token_ms: 25,
};

const line = (message: string, ms: number, more: object = {}) => ({
  ...requestRecord(),
  kind: 'line' as const,
  source: 'stdout',
  message,
  timeNs: afterStart(ms),
  status: 0,
  durationNs: 0,
  attributes: '',
  ...more,
});
const spanOfOthers = (spanId: string, parentSpanId: string, ms: number, attributes: object = {}) =>
  line('', ms, {
    kind: 'span',
    source: 'api',
    requestId: '',
    traceId: TRACE,
    spanId,
    parentSpanId,
    severity: 0,
    durationNs: 1e6,
    attributes: JSON.stringify(attributes),
  });
const rows = ({ spans }: FlatTraceJson) => spans.map(({ depth, type, name }) => `${depth} ${type} ${name}`);

describe('the waterfall of a request', () => {
  it('without a trace has the time in the queue, of the connection and at the replica, and the first token', async () => {
    const server = await startAdmin();
    await server.logs.post([requestRecord(PHASES), line('prefill done', 22)]);
    const trace = await expectJson<FlatTraceJson>(server, `/v1/traces/${REQUEST_ID}?shape=flat`);
    expect(rows(trace)).toEqual([
      '0 request POST /v1/chat/completions',
      '1 queue weir.queue',
      '1 connect weir.connect',
      '1 replica POST',
    ]);
    expect(trace).toMatchObject({
      trace_id: null,
      request_id: REQUEST_ID,
      start_ns: String(afterStart(0)),
      duration_ms: 50,
      counts: { spans: 4, lines: 1, errors: 0, programs: 1 },
    });
    const [own, queue, connect, replica] = trace.spans;
    expect(own).toMatchObject({
      parent_span_id: null,
      children: 3,
      status: 200,
      request_id: REQUEST_ID,
      facts: { cause: 'ok', attempts: 1 },
      events: [
        { name: 'weir.first_byte', offset_ms: 20 },
        { name: 'weir.first_token', offset_ms: 25 },
      ],
      place: '1',
    });
    expect([queue, connect, replica].map((one) => [one!.offset_ms, one!.duration_ms])).toEqual([
      [0, 10],
      [10, 2],
      [12, 38],
    ]);
    expect(trace.lines).toEqual([
      expect.objectContaining({
        message: 'prefill done',
        offset_ms: 22,
        span_id: replica!.span_id,
        place: '2',
      }),
    ]);
    expect(own).not.toHaveProperty('attributes');
  });

  it('that reached no replica shows the connection as the error', async () => {
    const server = await startAdmin();
    const detail = 'connect ECONNREFUSED 10.0.4.12:8000';
    const failed = requestRecord({ cause: 'connect_failed', detail, leased_ms: 1 }, { status: 503 });
    await server.logs.post([failed]);
    const { spans, counts } = await expectJson<FlatTraceJson>(server, `/v1/traces/${REQUEST_ID}?shape=flat`);
    expect(spans.map(({ type, is_error: isError, error }) => [type, isError, error])).toEqual([
      ['request', true, detail],
      ['connect', true, detail],
    ]);
    expect(counts.errors).toBe(2);
  });

  it('of an asynchronous request has the runs below the submit, without a trace too', async () => {
    const server = await startAdmin();
    await server.logs.post([
      requestRecord({ path: '/production/async_predict', attempts: 0 }, { status: 201, replica: '' }),
      requestRecord(
        { async: true, async_wait_ms: 900, leased_ms: 0 },
        { timeNs: afterStart(1000), status: 500 },
      ),
      requestRecord({ async: true, leased_ms: 0 }, { timeNs: afterStart(2000) }),
    ]);
    const trace = await expectJson<FlatTraceJson>(server, `/v1/traces/${REQUEST_ID}?shape=flat`);
    expect(trace.spans.map(({ depth, type, offset_ms: at }) => [depth, type, at])).toEqual([
      [0, 'request', 0],
      [1, 'async_wait', 100],
      [1, 'request', 1000],
      [2, 'replica', 1000],
      [1, 'request', 2000],
      [2, 'replica', 2000],
    ]);
    expect(new Set(trace.spans.map((one) => one.span_id)).size).toBe(6);
  });

  it('in a trace has the spans of other programs, lines at their spans, and attributes when they are asked for', async () => {
    const server = await startAdmin();
    const inTrace = { traceId: TRACE, spanId: OWN, parentSpanId: '1'.repeat(16) };
    await server.logs.post([
      requestRecord({ leased_ms: 0 }, inTrace),
      spanOfOthers('1'.repeat(16), '', -5, { name: 'answer_ticket', big: 'x'.repeat(100) }),
      spanOfOthers('2'.repeat(16), '1'.repeat(16), 60, {
        name: 'search_docs',
        status_code: 2,
        status_message: 'no index',
        events: [{ name: 'retried', time_ns: String(afterStart(61)) }],
      }),
      line('of the tool', 60, { requestId: '', traceId: TRACE, spanId: '2'.repeat(16) }),
      line('of the request', 70),
      line('of another span', 70, { requestId: '', traceId: TRACE, spanId: '9'.repeat(16) }),
    ]);
    const path = `/v1/traces/${TRACE}?shape=flat`;
    const trace = await expectJson<FlatTraceJson>(server, path);
    expect(rows(trace)).toEqual([
      '0 span answer_ticket',
      '1 request POST /v1/chat/completions',
      '2 replica POST',
      '1 span search_docs',
    ]);
    expect(trace.spans[3]).toMatchObject({
      is_error: true,
      error: 'no index',
      offset_ms: 65,
      events: [{ name: 'retried', offset_ms: 66 }],
    });
    expect(trace.lines.map(({ message, span_id: span }) => [message, span])).toEqual([
      ['of the tool', '2'.repeat(16)],
      ['of the request', OWN],
      ['of another span', null],
    ]);
    // By the id of the request it is the same trace.
    expect(await expectJson(server, `/v1/traces/${REQUEST_ID}?shape=flat`)).toEqual({
      ...trace,
      request_id: REQUEST_ID,
    });
    const full = await expectJson<FlatTraceJson>(server, `${path}&with=attributes`);
    expect(full.spans[0]!.attributes).toMatchObject({ big: 'x'.repeat(100) });
    const one = await expectJson<FlatTraceJson>(server, `${path}&span=${'2'.repeat(16)}`);
    expect(one.spans.map(({ name, attributes }) => [name, attributes?.['status_message']])).toEqual([
      ['search_docs', 'no index'],
    ]);
    expect(one.lines.map(({ message }) => message)).toEqual(['of the tool']);
    await expectJson(server, `${path}&span=${'8'.repeat(16)}`, 404);
  });
});

it('a trace of 5,000 spans comes in pages of 1,000, each span and line once', async () => {
  const server = await startAdmin();
  const id = (i: number) => i.toString(16).padStart(16, '0');
  await server.logs.post(
    Array.from({ length: 5000 }, (_, i) =>
      spanOfOthers(id(i + 1), i === 0 ? '' : id(i >> 1 || 1), i, { name: `s${i}`, text: 'x'.repeat(500) }),
    ),
  );
  await server.logs.post([line('late', 4999, { requestId: '', traceId: TRACE, spanId: id(5000) })]);
  const path = `/v1/traces/${TRACE}?shape=flat`;
  const pages: FlatTraceJson[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; cursor = pages.at(-1)!.cursor)
    pages.push(await expectJson<FlatTraceJson>(server, `${path}&cursor=${cursor}`));
  expect(pages.map(({ spans }) => spans.length)).toEqual([1000, 1000, 1000, 1000, 1000]);
  expect(new Set(pages.flatMap(({ spans }) => spans.map((one) => one.name))).size).toBe(5000);
  expect(pages.flatMap(({ lines }) => lines.map(({ message }) => message))).toEqual(['late']);
  expect(pages[0]!.counts).toEqual({ spans: 5000, lines: 1, errors: 0, programs: 1 });
  const few = await expectJson<FlatTraceJson>(server, `${path}&with=attributes&limit=3`);
  expect(few.spans.map(({ attributes }) => typeof attributes)).toEqual(['object', 'object', 'object']);
});

it('a wrong parameter and an unknown id are refused', async () => {
  const server = await startAdmin();
  const refusal = async (path: string, status: number) =>
    (await expectJson<{ error: string }>(server, path, status)).error;
  expect(await refusal(`/v1/traces/${TRACE}?shape=flt`, 400)).toContain('shape: must be flat or tree');
  expect(await refusal(`/v1/traces/${TRACE}?shape=flat&limit=5000`, 400)).toContain('limit:');
  expect(await refusal(`/v1/traces/${TRACE}?shape=flat&cursor=x`, 400)).toContain('invalid cursor');
  expect(await refusal(`/v1/traces/${TRACE}?limit=5`, 400)).toContain('unknown parameter');
  expect(await refusal(`/v1/traces/${TRACE}?shape=flat`, 404)).toContain(
    'a request is recorded when it ends',
  );
});
