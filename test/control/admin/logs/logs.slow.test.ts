// Tests of the other log routes: downloads, one record, context, counts, traces, and posted lines.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/logs.ts';
import { decode, encode } from '../../../../src/protocol/otlp/codec.ts';
import { logsRequest } from '../../../../src/protocol/otlp/messages.ts';
import { withChanges, closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { begin, call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { HOUR_AGO, messages, ns, post, search } from '../../../kit/log-api.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const REQUEST = '31255019cf83c4d0c7492a5006591e1f502a5';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

const record = (more: Partial<LogRecord>): LogRecord => ({
  seq: 0,
  kind: 'request',
  timeNs: BigInt(HOUR_AGO) * 1_000_000n,
  severity: 9,
  message: 'POST /predict 200',
  requestId: REQUEST,
  traceId: TRACE,
  spanId: '00f067aa0ba902b7',
  parentSpanId: '',
  deployment: 'dep1',
  environment: 'production',
  replica: 'abc12',
  source: 'weir',
  pod: '',
  modelId: '',
  status: 200,
  durationNs: 1_500_000,
  attributes: '{"method":"POST"}',
  ...more,
});

const get = async (server: OpenAdmin, path: string, status = 200): Promise<Record<string, unknown>> => {
  const response = await call(server.url, path);
  expect(response.status, response.text).toBe(status);
  return JSON.parse(response.text) as Record<string, unknown>;
};

describe('a download', () => {
  it('contains the same records as NDJSON, CSV and JSON', async () => {
    const server = await startAdmin();
    await post(server, [
      { timestamp: ns(HOUR_AGO), message: '=HYPERLINK("http://evil.example")', replica: '-1' },
      { timestamp: ns(HOUR_AGO + 1), message: 'two\nlines, "quoted"', level: 'info' },
    ]);
    const ndjson = await call(server.url, '/v1/logs?direction=asc', {
      headers: { accept: 'application/x-ndjson' },
    });
    expect(ndjson.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': expect.stringMatching(/^attachment; filename="weir-logs-.*\.ndjson"$/) as string,
      'x-weir-total-estimate': '2',
    });
    expect(ndjson.trailers).toEqual({ 'x-weir-rows': '2', 'x-weir-truncated': 'false' });
    const rows = ndjson.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { message: string; seq: number });
    expect(rows.map(({ message }) => message)).toEqual([
      '=HYPERLINK("http://evil.example")',
      'two\nlines, "quoted"',
    ]);
    expect(await get(server, '/v1/logs?direction=asc&format=json')).toEqual(rows);
    const csv = await call(server.url, '/v1/logs?direction=asc', { headers: { accept: 'text/csv' } });
    const lines = csv.text.split('\r\n');
    expect(lines[0]).toMatch(/^timestamp,timestamp_ns,seq,kind,level,message,request_id,/);
    // A spreadsheet must not run a cell as a formula.
    expect(lines[1]).toContain(`,line,,"'=HYPERLINK(""http://evil.example"")",`);
    expect(lines[2]).toContain(',line,INFO,"two\nlines, ""quoted""",');
    expect(await get(server, '/v1/logs?format=json&q=nothing')).toEqual([]);
  });

  it('ends at its limit with a cursor', async () => {
    const server = await startAdmin();
    await post(
      server,
      Array.from({ length: 30 }, (_, i) => ({ timestamp: ns(HOUR_AGO + i), message: `line ${i}` })),
    );
    const first = await call(server.url, '/v1/logs?format=ndjson&limit=20&direction=asc');
    expect(first.trailers).toMatchObject({ 'x-weir-rows': '20', 'x-weir-truncated': 'true' });
    const cursor = String(first.trailers['x-weir-cursor']);
    const rest = await call(server.url, `/v1/logs?format=ndjson&direction=asc&cursor=${cursor}`);
    expect(rest.trailers).toMatchObject({ 'x-weir-rows': '10', 'x-weir-truncated': 'false' });
    expect(rest.text).toMatch(/^\{.*"message":"line 20"/);
  });

  it('covers at most 7 days and 100,000 rows, unless a setting lifts that', async () => {
    const server = await startAdmin();
    const early = await get(server, '/v1/logs?format=csv&start=2020-01-01', 400);
    expect(early['error']).toContain('at most 7 days; logs.download_unlimited lifts that');
    await get(server, '/v1/logs?format=csv&limit=100001', 400);
    const other = await startAdmin({ args: ['--logs-download-unlimited'] });
    expect((await call(other.url, '/v1/logs?format=csv&start=2020-01-01&limit=100001')).status).toBe(200);
  });
});

describe('GET /v1/logs/{id}', () => {
  it('finds a record by sequence number, request id and trace id, with the number of its lines', async () => {
    const server = await startAdmin();
    await server.logs.post([record({})]);
    await post(server, [
      { message: 'a', request_id: REQUEST },
      { message: 'b', request_id: REQUEST },
    ]);
    const [{ seq }] = (await search(server, { kind: 'request' })).logs as unknown as [{ seq: number }];
    const expected = {
      seq,
      request_id: REQUEST,
      trace_id: TRACE,
      status: 200,
      duration_ms: 1.5,
      lines_count: 2,
    };
    for (const id of [String(seq), REQUEST, TRACE])
      expect(await get(server, `/v1/logs/${id}`)).toMatchObject(expected);
  });

  it('shows stored bodies', async () => {
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          bodies: async () => ({ request: Buffer.from('{"a":"ü"}'), response: Buffer.from([0xff, 0]) }),
        }),
    });
    await server.logs.post([record({})]);
    expect(await get(server, `/v1/logs/${REQUEST}`)).toMatchObject({
      request: { text: '{"a":"ü"}' },
      response: { base64: '/wA=' },
    });
  });

  it('returns 404 with the log lines of an unknown request', async () => {
    const server = await startAdmin();
    await post(server, [{ message: 'a', request_id: REQUEST }]);
    expect((await get(server, `/v1/logs/${REQUEST}`, 404))['error']).toContain(
      `its 1 log lines are at /v1/logs?request_id=${REQUEST}`,
    );
    expect((await get(server, '/v1/logs/nothing', 404))['error']).toContain('recorded when it ends');
    expect((await get(server, '/v1/logs/99999999', 404))['error_code']).toBe('client_error');
  });

  it('shows the records of its replica before and after', async () => {
    const server = await startAdmin();
    const at = (i: number, message: string) => ({ timestamp: ns(HOUR_AGO + i), message });
    await post(
      server,
      [1, 2, 3, 4, 5].map((i) => at(i, `mine ${i}`)),
    );
    await post(server, [at(3, 'other')], 'replica=xyz99');
    const { seq } = (await search(server, { q: '"mine 3"' })).logs[0]!;
    type Around = Record<'before' | 'after', { message: string }[]>;
    const texts = (response: unknown) => {
      const { before, after } = response as Around;
      return [before, after].map((logs) => logs.map(({ message }) => message));
    };
    expect(texts(await get(server, `/v1/logs/${seq}/context?before=1&after=9`))).toEqual([
      ['mine 2'],
      ['mine 4', 'mine 5'],
    ]);
    const all = texts(await get(server, `/v1/logs/${seq}/context?scope=all&before=2`)).flat();
    expect(all).toContain('other');
    await get(server, '/v1/logs/0/context', 404);
    await get(server, `/v1/logs/${seq}/context?before=-1`, 400);
  });
});

describe('a count', () => {
  it.each([
    ['totals per minute', 'kind:line'],
    ['records', 'kind:line line'],
  ])('is a histogram by level, from %s', async (_, q) => {
    const server = await startAdmin();
    const minute = Math.floor(HOUR_AGO / 60_000) * 60_000;
    await post(server, [
      ...[0, 1, 2].map((i) => ({ timestamp: ns(minute + i), level: 'info', message: `line ${i}` })),
      { timestamp: ns(minute + 60_000), level: 'error', message: 'line 3' },
      { timestamp: ns(minute + 60_001), message: 'line 4' },
    ]);
    const start = new Date(minute).toISOString();
    const end = new Date(minute + 119_000).toISOString();
    expect(
      await get(server, `/v1/logs/hits?step=1m&start=${start}&end=${end}&q=${encodeURIComponent(q)}`),
    ).toEqual({
      step_ms: 60_000,
      start: start.replace(/Z$/, '000000Z'),
      end: `${new Date(minute + 119_999).toISOString().slice(0, -1)}999999Z`,
      hits: [
        { timestamp: start, timestamp_ms: minute, total: 3, levels: { INFO: 3 } },
        {
          timestamp: new Date(minute + 60_000).toISOString(),
          timestamp_ms: minute + 60_000,
          total: 2,
          levels: { ERROR: 1, NONE: 1 },
        },
      ],
      total: 5,
    });
    await get(server, '/v1/logs/hits?step=1s&since=30d', 400);
    await get(server, '/v1/logs/hits?step=soon', 400);
  });

  it('lists the values of a field and of an attribute', async () => {
    const server = await startAdmin();
    await post(server, [
      { level: 'info', message: 'a', gpu: 1 },
      { level: 'info', message: 'b', gpu: 2 },
    ]);
    await post(server, [{ level: 'error', message: 'c', gpu: 2 }], 'replica=xyz99');
    expect(await get(server, '/v1/logs/fields/level/values')).toMatchObject({
      values: [
        { value: 'INFO', count: 2 },
        { value: 'ERROR', count: 1 },
      ],
    });
    expect(await get(server, '/v1/logs/fields/gpu/values?q=level:info')).toMatchObject({
      values: [
        { value: '1', count: 1 },
        { value: '2', count: 1 },
      ],
      missing_count: 0,
    });
    expect(await get(server, '/v1/logs/fields/replica/values?limit=1')).toMatchObject({
      values: [{ value: 'abc12', count: 2 }],
      other_count: 1,
    });
    expect(await get(server, '/v1/logs/fields')).toMatchObject({
      attributes: [{ name: 'gpu', count: 3 }],
      sampled: 3,
    });
  });

  it('of a field does not use attributes with the name of the field', async () => {
    const server = await startAdmin();
    const names = ['pod', 'modelId', 'traceId', 'deployment', 'level'];
    const attributes = Object.fromEntries(names.map((name) => [name, 'x']));
    const blank = { deployment: '', severity: 0, traceId: '', requestId: 'r1' };
    await server.logs.post([record({ ...blank, attributes: JSON.stringify({ ...attributes, path: '/' }) })]);
    for (const name of ['traceId', 'deployment', 'level', 'trace_id'])
      expect(await get(server, `/v1/logs/fields/${name}/values`)).toMatchObject({
        values: [],
        missing_count: 1,
      });
    for (const [name, value] of [
      ['request_id', 'r1'],
      ['requestId', 'r1'],
      ['path', '/'],
      ['pod', 'pod1-0a1b2c3d'],
      ['modelId', 'mdl1'],
      ['model_id', 'mdl1'],
    ])
      // prettier-ignore
      expect(await get(server, `/v1/logs/fields/${name}/values`)).toMatchObject({
        values: [{ value, count: 1 }],
      });
  });

  it('of values has only the records of its time span', async () => {
    const server = await startAdmin();
    const minute = Math.floor(HOUR_AGO / 60_000) * 60_000;
    const seconds = [10, 50, 130, 170];
    await post(
      server,
      seconds.map((second) => ({ timestamp: ns(minute + second * 1000), message: `${second}` })),
    );
    const span = `start=${minute + 20_000}&end=${minute + 140_000}`;
    for (const q of ['', '&q=kind:line', '&q=message:*'])
      expect(await get(server, `/v1/logs/fields/kind/values?${span}${q}`)).toMatchObject({
        values: [{ value: 'line', count: 2 }],
      });
    expect(await get(server, '/v1/logs/fields/kind/values?since=2h')).toMatchObject({
      values: [{ value: 'line', count: 4 }],
    });
  });
});

it('handles forged cursors, extreme times and names of object properties', async () => {
  const server = await startAdmin();
  await post(server, [{ message: 'one', timestamp: ns(HOUR_AGO) }]);
  const cursor = (text: string) => Buffer.from(text).toString('base64url');
  for (const direction of ['asc', 'desc'])
    await get(server, `/v1/logs?direction=${direction}&cursor=${cursor('9999999999999999999-5')}`, 400);
  expect((await search(server, { end: '9999-12-31T23:59:59Z' })).logs).toHaveLength(1);
  expect(await get(server, '/v1/logs?start=2500-01-01T00:00:00Z')).toEqual({ logs: [] });
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
    expect(await get(server, `/v1/logs/fields/${name}/values`)).toMatchObject({
      values: [],
      missing_count: 1,
    });
});

it('shows a trace as a tree of spans, with the lines of its requests', async () => {
  const server = await startAdmin();
  const span = (spanId: string, parentSpanId: string, name: string) =>
    record({
      kind: 'span',
      spanId,
      parentSpanId,
      requestId: '',
      source: 'api',
      attributes: JSON.stringify({ name }),
    });
  await server.logs.post([
    record({}),
    span('1'.repeat(16), '00f067aa0ba902b7', 'predict'),
    span('2'.repeat(16), '1'.repeat(16), 'tokenize'),
    span('3'.repeat(16), 'f'.repeat(16), 'orphan'),
    // A cycle, which a client may post.
    span('4'.repeat(16), '5'.repeat(16), 'four'),
    span('5'.repeat(16), '4'.repeat(16), 'five'),
  ]);
  await post(server, [{ message: 'of the request', request_id: REQUEST }, { message: 'of none' }]);
  const trace = (await get(server, `/v1/traces/${TRACE.toUpperCase()}`)) as {
    spans: { name: string; children: { name: string }[] }[];
    logs: { message: string }[];
  };
  type Tree = { name: string; children: Tree[] };
  const names = (spans: Tree[]): unknown[] => spans.map(({ name, children }) => [name, ...names(children)]);
  expect(names(trace.spans as Tree[])).toEqual([
    ['POST', ['predict', ['tokenize']]],
    ['orphan'],
    ['five', ['four']],
  ]);
  expect(trace.logs.map(({ message }) => message)).toEqual(['of the request']);
  await get(server, '/v1/traces/xyz', 400);
  await get(server, `/v1/traces/${'e'.repeat(32)}`, 404);
});

it('shows the annotations of a trace in the spans that they are for', async () => {
  const server = await startAdmin();
  const spanId = '2'.repeat(16);
  const attributes = JSON.stringify({ name: 'tokenize' });
  await server.logs.post([record({ kind: 'span', spanId, parentSpanId: '', attributes })]);
  await server.logs.annotate({ traceId: TRACE, spanId }, { scores: { quality: 0.5 } });
  expect(await get(server, `/v1/traces/${TRACE}`)).toMatchObject({
    spans: [{ name: 'tokenize', attributes: { annotations: { scores: { quality: 0.5 } } }, children: [] }],
    logs: [],
  });
});

it('shows a deep trace and its failed spans', async () => {
  const server = await startAdmin();
  const id = (i: number) => String(i).padStart(16, '0');
  const DEPTH = 4900;
  const spans = Array.from({ length: DEPTH }, (_, i) =>
    record({
      kind: 'span',
      severity: 0,
      spanId: id(i + 1),
      parentSpanId: i === 0 ? '' : id(i),
      requestId: '',
      source: 'api',
      // Inner spans first.
      timeNs: BigInt(DEPTH - i),
      attributes: JSON.stringify({ name: `s${i}`, ...(i === 0 && { status_code: 2 }) }),
    }),
  );
  await server.logs.post(spans);
  type Tree = { span_id: string; parent_span_id: string; is_error: boolean; children: Tree[] };
  const { spans: roots } = (await get(server, `/v1/traces/${TRACE}`)) as { spans: Tree[] };
  const seen = new Map<string, Tree>();
  const walk = (one: Tree): unknown => (seen.set(one.span_id, one), one.children.forEach(walk));
  roots.forEach(walk);
  expect(roots).toHaveLength(1);
  expect(seen.size).toBe(DEPTH);
  expect(seen.get(id(4000))!.parent_span_id).toBe(id(3999));
  expect([seen.get(id(1))!.is_error, seen.get(id(2))!.is_error]).toEqual([true, false]);
});

describe('POST /v1/logs', () => {
  const send = (server: OpenAdmin, body: string | Buffer, headers: Record<string, string>, query = '') =>
    call(server.url, `/v1/logs${query}`, { method: 'POST', body, headers });

  it('stores lines before it responds, plain or compressed', async () => {
    const server = await startAdmin();
    const plain = await send(
      server,
      'WARNING one\nINFO two\n',
      { 'content-type': 'text/plain' },
      '?source=cron',
    );
    expect(JSON.parse(plain.text)).toEqual({ stored: 2 });
    const compressed = gzipSync('{"message":"three"}\n{"message":"four"}');
    const gzip = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' };
    expect(JSON.parse((await send(server, compressed, gzip)).text)).toEqual({ stored: 2 });
    expect((await search(server, {})).logs).toHaveLength(4);
    expect(messages(await search(server, { source: 'cron', direction: 'asc' }))).toEqual([
      'WARNING one',
      'INFO two',
    ]);
  });

  it('stores more lines than fit into one chunk', async () => {
    const server = await startAdmin();
    const lines = Array.from({ length: 30_000 }, (_, i) =>
      JSON.stringify({ message: `line ${i} ${'x'.repeat(60)}` }),
    );
    const response = await send(server, gzipSync(lines.join('\n')), { 'content-encoding': 'gzip' });
    expect(JSON.parse(response.text)).toEqual({ stored: 30_000 });
  });

  it('accepts millions of empty lines and very short lines', async () => {
    const server = await startAdmin();
    const gzip = { 'content-encoding': 'gzip' };
    const empty = await send(server, gzipSync('\n'.repeat(10_000_000)), gzip);
    expect(JSON.parse(empty.text)).toEqual({ stored: 0 });
    const short = await send(server, gzipSync(`${'a\n\n'.repeat(150_000)}b`), gzip);
    expect(JSON.parse(short.text)).toEqual({ stored: 150_001 });
  }, 30_000);

  it('stores more OTLP records than fit into one chunk', async () => {
    const server = await startAdmin();
    const logRecords = Array.from({ length: 150_000 }, () => ({}));
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    const { status, text } = await send(server, body, { 'content-type': 'application/json' });
    expect([status, text]).toEqual([200, '{}']);
    expect(await get(server, '/v1/logs/hits')).toMatchObject({ total: 150_000 });
  }, 30_000);

  it('limits the memory of all bodies, and accepts bodies again later', async () => {
    const server = await startAdmin();
    const large = Buffer.alloc(60 * 1024 ** 2, 'x');
    const headers = { 'content-type': 'text/plain' };
    // Two unfinished bodies use nearly all of the memory.
    const endless = [0, 1].map(() => begin(server.url, '/v1/logs', { method: 'POST', headers }));
    for (const req of endless) {
      req.on('error', () => undefined);
      await new Promise((resolve) => req.write(large, resolve));
    }
    const bomb = gzipSync(large);
    const gzip = { ...headers, 'content-encoding': 'gzip' };
    const refused = await send(server, bomb, gzip);
    expect([refused.status, refused.text]).toEqual([
      429,
      expect.stringContaining('Too many bodies are being received'),
    ]);
    expect((await send(server, 'a short one', headers)).status).toBe(200);
    for (const req of endless) req.destroy();
    await until('a body is accepted again', async () => (await send(server, bomb, gzip)).status === 200);
  }, 30_000);

  it.each([
    [{ 'content-type': 'application/xml' }, 'x', 415, 'send application/x-ndjson'],
    [{ 'content-encoding': 'br' }, 'x', 415, 'send gzip or no encoding'],
    [{ 'content-encoding': 'gzip' }, 'x', 400, 'not valid gzip'],
    [
      { 'content-encoding': 'gzip' },
      gzipSync(Buffer.alloc(65 * 1024 ** 2)),
      413,
      '67108864 bytes, decompressed',
    ],
    [{ 'content-length': String(65 * 1024 ** 2) }, '', 413, '67108864 bytes'],
    [{ 'content-type': 'application/x-protobuf' }, 'x', 400, 'is not a valid protobuf message'],
  ])('rejects a body with %j', async (headers, body, status, why) => {
    const server = await startAdmin();
    const response = await send(server, body, headers);
    expect({ status: response.status, why: response.text }).toEqual({
      status,
      why: expect.stringContaining(why) as string,
    });
  });

  it('does not read a body beyond the limit', async () => {
    const server = await startAdmin();
    const req = begin(server.url, '/v1/logs', { method: 'POST', headers: { 'content-type': 'text/plain' } });
    const response = once(req, 'response') as Promise<[IncomingMessage]>;
    const piece = Buffer.alloc(1024 ** 2, 'x\n');
    const seen: { status?: number | undefined } = {};
    void response.then(([res]) => {
      seen.status = res.statusCode;
      res.resume();
    });
    req.on('error', () => undefined);
    for (let sent = 0; sent < 80 && seen.status === undefined; sent++)
      await new Promise((resolve) => req.write(piece, resolve));
    await until('the response has arrived', () => seen.status !== undefined);
    expect(seen.status).toBe(413);
    req.destroy();
  });

  it('rejects an unknown parameter, and lines while the store is busy', async () => {
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          postLines: async () => ({ problem: 'queue_full' }),
        }),
    });
    expect((await send(server, 'x', {}, '?replcia=a')).status).toBe(400);
    const full = await send(server, 'x', {});
    expect(full.status).toBe(429);
    expect(full.headers['retry-after']).toBe('1');
    expect(full.text).toContain('nothing was stored');
  });

  it('accepts OTLP in both encodings and responds in the same one', async () => {
    const server = await startAdmin();
    const body = (text: string) => ({
      resourceLogs: [
        {
          scopeLogs: [{ logRecords: [{ severityNumber: 13, body: { stringValue: text }, traceId: TRACE }] }],
        },
      ],
    });
    const json = await send(server, JSON.stringify(body('in JSON')), {
      'content-type': 'application/json; charset=utf-8',
    });
    expect(json).toMatchObject({ status: 200, text: '{}' });
    const read = decode('json', logsRequest, Buffer.from(JSON.stringify(body('in protobuf'))));
    if ('problem' in read) throw new Error(read.problem);
    const packed = encode('protobuf', logsRequest, read.message);
    const response = await send(server, packed, { 'content-type': 'application/x-protobuf' });
    expect(response).toMatchObject({ status: 200, text: '' });
    expect(messages(await search(server, { q: `trace:${TRACE} level:warn` }))).toEqual([
      'in protobuf',
      'in JSON',
    ]);
    const wrong = await send(server, '{"resourceLogs":7}', { 'content-type': 'application/json' });
    expect(wrong.status).toBe(400);
    expect(JSON.parse(wrong.text)).toMatchObject({
      code: 3,
      message: expect.stringContaining('resourceLogs'),
    });
  });

  it('stores posted spans in their trace', async () => {
    const server = await startAdmin();
    const at = BigInt(Date.now()) * 1_000_000n;
    const span = (spanId: string, parentSpanId: string, name: string) => ({
      traceId: TRACE,
      spanId,
      parentSpanId,
      name,
      kind: 1,
      startTimeUnixNano: String(at),
      endTimeUnixNano: String(at + 5_000_000n),
    });
    const spans = [
      span('00000000000000a1', '', 'predict'),
      span('00000000000000a2', '00000000000000a1', 'call'),
    ];
    const { status } = await call(server.url, '/v1/traces', {
      method: 'POST',
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
      headers: { 'content-type': 'application/json' },
    });
    expect(status).toBe(200);
    const { text } = await call(server.url, `/v1/traces/${TRACE}`);
    expect(JSON.parse(text)).toMatchObject({
      trace_id: TRACE,
      spans: [{ name: 'predict', duration_ms: 5, children: [{ name: 'call' }] }],
    });
  });
});

describe('the log API of the contract', () => {
  const url = '/v1/models/mdl1/deployments/dep1/logs';

  it('returns the keys of the contract only, newest first', async () => {
    const server = await startAdmin();
    await post(server, [
      { timestamp: ns(Date.now() - 2000), level: 'warning', message: 'first', request_id: REQUEST },
      { timestamp: ns(Date.now() - 1000), message: 'second' },
    ]);
    await post(server, [{ message: 'elsewhere' }], 'deployment=dep2');
    const second = { message: 'second', replica: 'abc12', request_id: null, level: null };
    const first = { message: 'first', replica: 'abc12', request_id: REQUEST, level: 'WARNING' };
    const stamped = (line: object) => ({ timestamp: expect.stringMatching(/^\d{19}$/) as string, ...line });
    expect(await get(server, url)).toEqual({ logs: [stamped(second), stamped(first)] });
    expect(await get(server, `${url}?direction=asc&limit=1`)).toEqual({ logs: [stamped(first)] });
    expect(await get(server, `${url}?min_level=DEBUG`)).toEqual({ logs: [stamped(first)] });
    expect(await get(server, `${url}?includes=sec&excludes=x`)).toEqual({ logs: [stamped(second)] });
    expect(await get(server, '/v1/models/mdl1/environments/production/logs?search_pattern=%5Ef')).toEqual({
      logs: [stamped(first)],
    });
    const posted = await call(server.url, url, {
      method: 'POST',
      body: JSON.stringify({ direction: 'asc', limit: 1, min_level: null, includes: ['fir'] }),
      headers: { 'content-type': 'application/json' },
    });
    expect(JSON.parse(posted.text)).toEqual({ logs: [stamped(first)] });
  });

  it('includes the record of a request if request_id is given', async () => {
    const server = await startAdmin();
    await server.logs.post([record({ timeNs: BigInt(Date.now()) * 1_000_000n })]);
    await post(server, [{ message: 'mine', request_id: REQUEST }]);
    expect((await get(server, url))['logs']).toHaveLength(1);
    expect((await get(server, `${url}?request_id=${REQUEST}`))['logs']).toHaveLength(2);
  });

  it('includes the whole last millisecond, so that clients can page by it', async () => {
    const server = await startAdmin();
    const ms = Date.now() - 60_000;
    await post(server, [
      { timestamp: ns(ms, 999_999), message: 'in' },
      { timestamp: ns(ms + 1), message: 'out' },
    ]);
    const { logs } = (await get(server, `${url}?end_epoch_millis=${ms}`)) as { logs: { message: string }[] };
    expect(logs.map(({ message }) => message)).toEqual(['in']);
  });

  it.each([
    ['limit=1001', 'limit'],
    ['limit=0', 'limit'],
    ['start_epoch_millis=0', 'at most 7 days'],
    ['start_epoch_millis=9&end_epoch_millis=8', 'end_epoch_millis'],
    ['min_level=LOUD', 'min_level'],
    ['search_pattern=(', 'search_pattern'],
    [`replica=${'x'.repeat(257)}`, 'replica'],
    [Array.from({ length: 9 }, () => 'includes=a').join('&'), 'includes'],
    ['direction=down', 'direction'],
    ['replcia=a', 'unknown parameter "replcia"; did you mean "replica"?'],
    ['cursor=a', 'unknown parameter "cursor"; known parameters: start_epoch_millis, '],
    ['limit=1&limit=2', 'limit is given more than once'],
  ])('rejects %s', async (query, what) => {
    const server = await startAdmin();
    expect((await get(server, `${url}?${query}`, 400))['error']).toContain(what);
  });

  it('rejects an unknown field of a JSON body', async () => {
    const server = await startAdmin();
    const { status, text } = await call(server.url, url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"direction": "asc", "min_levle": "ERROR", "x": 1}',
    });
    expect(status).toBe(400);
    const { error } = JSON.parse(text) as { error: string };
    expect(error).toContain('unknown field "min_levle"; did you mean "min_level"?');
    expect(error).toContain('unknown field "x"; known fields: start_epoch_millis, end_epoch_millis, ');
  });

  it('returns 404 for an unknown model, deployment or environment', async () => {
    const server = await startAdmin();
    for (const path of [
      '/v1/models/other/deployments/dep1/logs',
      '/v1/models/mdl1/deployments/other/logs',
      '/v1/models/mdl1/environments/staging/logs',
    ])
      expect((await get(server, path, 404))['error_code']).toBe('model_does_not_exist');
    // A removed deployment whose lines are still stored.
    await post(server, [{ message: 'gone' }], 'deployment=other');
    expect((await get(server, '/v1/models/mdl1/deployments/other/logs'))['logs']).toHaveLength(1);
  });
});
