// Asynchronous requests, seen by the client, the model and the receiver of webhooks.
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { begin, call, RawClient } from '../kit/client.ts';
import { closeReplicas, startReplica, onBody, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const SECRET = 'whsec_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN';
const OLD = 'whsec_0123456789012345678901234567890123456789';
const ID = /^[0-9a-f]{37}$/;

interface Seen {
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let model: Replica;
/** How the model responds. */
let respond: RequestListener;
let runs: Seen[];
let folder: string;
/** Arguments that select the lane. */
let lane: readonly string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-data-'));
  runs = [];
  respond = (_, res) => void res.setHeader('content-type', 'application/json').end('{"output":"done"}');
  model = await startReplica((req, res) => {
    void onBody(req, (body) => {
      if (req.method === 'POST') runs.push({ url: req.url!, headers: req.headers, body: body.toString() });
      respond(req, res);
    });
  });
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const start = (...args: string[]): Promise<Weir> =>
  startWeir([
    '--replica',
    model.url,
    '--data-dir',
    folder,
    '--async-submit-rate=0',
    '--async-status-rate=0',
    ...lane,
    ...args,
  ]);

/** What is tested in both lanes. */
const LANES: [string, readonly string[]][] = [
  ['in the fast lane', []],
  ['in the full lane', ['--proxy-fast-lane=false']],
];
const useLane = (args: readonly string[]) => {
  beforeEach(() => void (lane = args));
  afterEach(() => void (lane = []));
};

const submit = (weir: Weir, body: unknown, headers: Record<string, string> = {}, target = '/production') =>
  call(weir.url, `${target}/async_predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const expectAccepted = async (weir: Weir, body: unknown = { model_input: { n: 1 } }): Promise<string> => {
  const { status, text } = await submit(weir, body);
  expect(status, text).toBe(201);
  return (JSON.parse(text) as { request_id: string }).request_id;
};
interface Status {
  status: string;
  webhook_status: string;
  errors: { code: string; message: string }[];
}
const getStatus = async (weir: Weir, id: string) =>
  JSON.parse((await call(weir.url, `/async_request/${id}`)).text) as Status;
const expectStatus = (weir: Weir, id: string, status: string) =>
  until(`${id} is ${status}`, async () => {
    const seen = await getStatus(weir, id);
    return seen.status === status && seen;
  }).catch(async (error: unknown) => {
    throw new Error(`${String(error)}; it is ${JSON.stringify(await getStatus(weir, id))}`);
  });

describe('the curl examples of the contract', () => {
  const curl = async (...args: string[]) => (await promisify(execFile)('curl', ['-sS', ...args])).stdout;

  it('submits a task, gets its status, cancels it, and gets the queue status', async () => {
    const weir = await start();
    const made = await curl(
      '-i',
      '-X',
      'POST',
      `${weir.url}/production/async_predict`,
      '-H',
      'Authorization: Api-Key abcd1234.abcd1234',
      '-d',
      '{"model_input": {"prompt": "hello world!"}, "priority": 0, "max_time_in_queue_seconds": 600, "inference_retry_config": {"max_attempts": 3, "initial_delay_ms": 1000, "max_delay_ms": 5000}}',
    );
    expect(made).toMatch(/^HTTP\/1\.1 201 Created\r\n/);
    const id = (JSON.parse(made.split('\r\n\r\n')[1]!) as { request_id: string }).request_id;
    expect(id).toMatch(ID);
    expect(made.toLowerCase()).toContain(`x-baseten-request-id: ${id}\r\n`);
    await expectStatus(weir, id, 'SUCCEEDED');
    const seen = JSON.parse(await curl('-X', 'GET', `${weir.url}/async_request/${id}`)) as Record<
      string,
      unknown
    >;
    expect(seen).toMatchObject({
      request_id: id,
      model_id: 'local',
      deployment_id: 'local',
      status: 'SUCCEEDED',
      webhook_status: 'NO_WEBHOOK_PROVIDED',
      errors: [],
    });
    for (const time of ['created_at', 'status_at']) expect(seen[time]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(JSON.parse(await curl('-X', 'DELETE', `${weir.url}/async_request/${id}`))).toMatchObject({
      request_id: id,
      canceled: false,
    });
    expect(JSON.parse(await curl(`${weir.url}/production/async_queue_status`))).toEqual({
      model_id: 'local',
      deployment_id: 'local',
      num_queued_requests: 0,
      num_in_progress_requests: 0,
    });
    expect(runs).toMatchObject([
      {
        url: '/v1/models/model:predict',
        body: '{"prompt": "hello world!"}',
        headers: { 'x-baseten-request-id': id },
      },
    ]);
  });
});

describe.each(LANES)('POST …/async_predict %s', (_lane, args) => {
  useLane(args);

  it('reports all mistakes of a body in one error', async () => {
    const weir = await start();
    const { status, text } = await submit(weir, {
      model_input: 'text',
      webhook_endpoint: 'http://example.com/hook',
      priority: 3,
      max_time_in_queue_seconds: 9,
      inference_retry_config: { max_attempts: 11, initial_delay_ms: -1, max_delay_ms: 1.5, tries: 1 },
      webhok_endpoint: 'x',
    });
    expect(status).toBe(400);
    const { error, error_code } = JSON.parse(text) as { error: string; error_code: string };
    expect(error_code).toBe('client_error');
    for (const part of [
      'model_input must be an object, not a string',
      'webhook_endpoint must',
      'priority must be a whole number from 0 to 2',
      'max_time_in_queue_seconds must be a whole number from 10 to 259200',
      'max_attempts must be a whole number from 1 to 10',
      'initial_delay_ms must be a whole number from 0 to 10000',
      'max_delay_ms must be a whole number from 0 to 60000',
      'unknown field "inference_retry_config.tries"',
      'unknown field "webhok_endpoint"; did you mean "webhook_endpoint"?',
    ])
      expect(error).toContain(part);
    for (const body of ['', '{', '[]', '"x"', 'null', '{"model_input":{}', '{"priority":1}'])
      expect((await submit(weir, body)).status, body).toBe(400);
    expect(runs).toEqual([]);
  });

  it('uses the whole body as model input if it has no field of the contract', async () => {
    const weir = await start();
    const { status, headers, text } = await submit(weir, '{"prompt": "Hello"}');
    expect(status, text).toBe(201);
    const { request_id: id } = JSON.parse(text) as { request_id: string };
    expect([headers['x-baseten-request-id'], id]).toEqual([id, expect.stringMatching(ID)]);
    await expectStatus(weir, id, 'SUCCEEDED');
    expect(runs.map(({ body }) => body)).toEqual(['{"prompt": "Hello"}']);
    expect(runs[0]!.headers['x-request-id']).toBe(id);
  });

  it('returns the 413 of the contract for a body over the limit, with a length or in chunks', async () => {
    const weir = await start('--async-max-body=1000');
    const large = `{"model_input":{"x":"${'y'.repeat(1000)}"}}`;
    const { status, text } = await submit(weir, large);
    expect(status).toBe(413);
    expect(JSON.parse(text)).toMatchObject({
      error: `payload size of ${large.length} bytes exceeds maximum size of 1000 bytes`,
      error_code: 'payload_too_large',
    });
    const chunked = begin(weir.url, '/production/async_predict', {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked' },
    });
    chunked.on('error', () => undefined);
    const refused = new Promise((resolve) => chunked.on('response', (res) => resolve(res.statusCode)));
    chunked.write(large);
    expect(await refused).toBe(413);
    chunked.destroy();
    expect((await submit(weir, { model_input: {} })).status).toBe(201);
  });

  it('returns the same id for a repeated idempotency key, and runs the task once', async () => {
    const weir = await start();
    const headers = { 'idempotency-key': 'order-7' };
    const body = { model_input: { n: 7 } };
    const [first, ...others] = await Promise.all([1, 2, 3, 4].map(() => submit(weir, body, headers)));
    for (const other of others) {
      expect(other.text).toBe(first!.text);
      expect(other.headers['x-baseten-request-id']).toBe(first!.headers['x-baseten-request-id']);
    }
    await expectStatus(weir, JSON.parse(first!.text).request_id as string, 'SUCCEEDED');
    expect((await submit(weir, body, headers)).text).toBe(first!.text);
    expect(runs.length).toBe(1);
    const conflict = await submit(weir, { model_input: { n: 8 } }, headers);
    expect([conflict.status, conflict.headers['x-weir-cause']]).toEqual([422, 'idempotency_conflict']);
  });

  it('submits to the deployment of the target, and returns 404 for an unknown target', async () => {
    const weir = await start();
    expect((await submit(weir, { model_input: {} }, {}, '')).status).toBe(201);
    expect((await submit(weir, { model_input: {} }, {}, '/deployment/local')).status).toBe(201);
    expect((await submit(weir, { model_input: {} }, {}, '/environments/nope')).status).toBe(404);
    const chain = await call(weir.url, '/production/async_run_remote', { method: 'POST', body: '{"n": 1}' });
    expect(chain.status, chain.text).toBe(201);
    await expectStatus(weir, (JSON.parse(chain.text) as { request_id: string }).request_id, 'SUCCEEDED');
    expect(runs.at(-1)!.body).toBe('{"n": 1}');
    const unknown = await call(weir.url, '/deployment/nope/async_run_remote', { method: 'POST', body: '{}' });
    expect([unknown.status, unknown.headers['x-weir-cause']]).toEqual([404, 'unknown_target']);
    expect((await call(weir.url, '/async_request/nope')).status).toBe(404);
    expect((await call(weir.url, '/async_request/nope', { method: 'DELETE' })).status).toBe(404);
  });

  it.each([
    ['GET', '/production/async_predict', 'POST'],
    ['GET', '/production/async_run_remote', 'POST'],
    ['OPTIONS', '/production/wake', 'POST'],
    ['PUT', '/production/predict', 'POST, OPTIONS'],
    ['PUT', '/async_request/nope', 'GET, DELETE'],
    ['DELETE', '/async_request/nope/result', 'GET'],
    ['POST', '/production/async_queue_status', 'GET'],
  ])('returns 405 for %s %s with an Allow header', async (method, path, allow) => {
    const weir = await start();
    const { status, headers } = await call(weir.url, path, { method });
    expect([status, headers.allow]).toEqual([405, allow]);
  });

  it('limits the rate of submits and status requests with 429 and Retry-After', async () => {
    const weir = await startWeir([
      '--replica',
      model.url,
      '--data-dir',
      folder,
      '--async-submit-rate=3',
      '--async-status-rate=2',
      ...lane,
    ]);
    // At once, since on a slow machine the rate would allow all of them one after the other.
    const statuses = await Promise.all(Array.from({ length: 12 }, () => submit(weir, { model_input: {} })));
    expect(statuses.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(3);
    const refused = statuses.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]!.headers['retry-after']).toBe('1');
    expect(JSON.parse(refused[0]!.text)).toMatchObject({ error_code: 'rate_limited' });
    const asked = await Promise.all([1, 2, 3, 4].map(() => call(weir.url, '/async_request/x')));
    expect(asked.map(({ status }) => status).sort((a, b) => a - b)).toContain(429);
    expect((await call(weir.url, '/production/async_queue_status')).status).toBe(200);
  });

  it('returns 429 beyond the maximum number of tasks', async () => {
    respond = () => undefined;
    const weir = await start('--async-max-tasks=2');
    await expectAccepted(weir);
    await expectAccepted(weir);
    const full = await submit(weir, { model_input: {} });
    expect([full.status, full.headers['x-weir-cause'], full.headers['retry-after']]).toEqual([
      429,
      'queue_full',
      '1',
    ]);
    await weir.stop('SIGKILL');
  });
});

describe.each(LANES)('a failed submit %s', (_lane, args) => {
  useLane(args);

  it('leaves no open request when the client disconnects before the 201', async () => {
    const weir = await start();
    const clients = Array.from({ length: 20 }, () => {
      const body = '{"model_input":{}}';
      return new RawClient(weir.port).send(
        `POST /production/async_predict HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
    await Promise.all(clients.map(({ socket }) => once(socket, 'connect')));
    for (const { socket } of clients) socket.destroy();
    const halfway = new RawClient(weir.port).send(
      'POST /production/async_predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"model',
    );
    await once(halfway.socket, 'connect');
    halfway.socket.destroy();
    await expectAccepted(weir);
    // weir exits once no exchange is open.
    expect(await weir.stop()).toBe(0);
  });

  it.each([
    ['malformed', 'Transfer-Encoding: chunked\r\n\r\nZZ\r\n', 400],
    ['cut off', 'Content-Length: 100\r\n\r\n{"mod', 499],
  ])('never returns 200 for a body that is %s', async (_, rest, status) => {
    const weir = await start();
    const client = new RawClient(weir.port).send(
      `POST /production/async_predict HTTP/1.1\r\nHost: x\r\n${rest}`,
    );
    if (status === 499) {
      await once(client.socket, 'connect');
      await until('the body was sent', () => client.socket.bytesWritten > 50);
      client.socket.end();
    }
    await client.expectClosed();
    expect(client.received).not.toContain(' 200 ');
    if (status === 400) expect(client.received).toMatch(/^HTTP\/1\.1 400 [^]*"error_code":"client_error"/);
    await weir.expectLine(
      'the end of the request',
      (line) => line.event === 'exchange' && line['status'] === status,
    );
    expect(await weir.stop()).toBe(0);
  });

  it('returns 409 for a request id that exists, and accepts other submits at the same time', async () => {
    const weir = await start('--identity-trust-inbound');
    const mine = { 'x-baseten-request-id': 'my-own-1' };
    expect((await submit(weir, { model_input: {} }, mine)).status).toBe(201);
    const all = await Promise.all([
      ...Array.from({ length: 20 }, () => submit(weir, { model_input: {} })),
      ...Array.from({ length: 5 }, () => submit(weir, { model_input: {} }, mine)),
    ]);
    expect(all.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 20 }, () => 201),
      ...Array.from({ length: 5 }, () => 409),
    ]);
  });
});

describe('a task', () => {
  it('runs by priority, then in order, and can be cancelled only while it is queued', async () => {
    const pending: (() => void)[] = [];
    respond = (_, res) => void pending.push(() => res.end('{}'));
    const weir = await start('--async-concurrency=1');
    const first = await expectAccepted(weir, { model_input: { n: 'first' } });
    await until('the first task runs', () => pending.length === 1);
    const ids: Record<string, string> = {};
    for (const [name, priority] of [
      ['c', 2],
      ['b', 1],
      ['a1', 0],
      ['a2', 0],
      ['cancelled', 0],
    ] as const)
      ids[name] = await expectAccepted(weir, { model_input: { n: name }, priority });
    await weir.expectMetric('baseten_async_queue_size', 5);
    expect(JSON.parse((await call(weir.url, '/production/async_queue_status')).text)).toMatchObject({
      num_queued_requests: 5,
      num_in_progress_requests: 1,
    });
    const cancel = async (id: string) =>
      JSON.parse((await call(weir.url, `/async_request/${id}`, { method: 'DELETE' })).text) as {
        canceled: boolean;
      };
    expect((await cancel(ids['cancelled']!)).canceled).toBe(true);
    expect((await cancel(first)).canceled).toBe(false);
    expect(await getStatus(weir, ids['cancelled']!)).toMatchObject({ status: 'CANCELED' });
    for (let i = 0; i < 5; i++) {
      await until(`run ${i}`, () => pending.length === i + 1);
      pending[i]!();
    }
    await expectStatus(weir, ids['c']!, 'SUCCEEDED');
    expect(runs.map(({ body }) => (JSON.parse(body) as { n: string }).n)).toEqual([
      'first',
      'a1',
      'a2',
      'b',
      'c',
    ]);
    await weir.expectMetric('weir_async_requests_total{deployment_id="local",status="CANCELED"}', 1);
    await weir.expectMetric('weir_async_requests_total{deployment_id="local",status="SUCCEEDED"}', 5);
    await weir.expectMetric('baseten_inference_requests_total{status_code="200",is_async="true"}', 5);
    await weir.expectMetric('baseten_concurrent_requests', 0);
    const page = await weir.page();
    expect(page.sum('baseten_time_in_async_queue_seconds_count')).toBe(5);
  });

  it('runs after waiting synchronous requests', async () => {
    const pending: { url: string; end: () => void }[] = [];
    respond = (req, res) => void pending.push({ url: req.url!, end: () => res.end('{}') });
    const weir = await start('--deployment-concurrency-target=1');
    for (let i = 0; i < 3; i++) await expectAccepted(weir);
    await until('one task runs', () => pending.length === 1);
    const sync = [call(weir.url, '/sync1'), call(weir.url, '/sync2')];
    await weir.expectMetric('weir_queue_length{deployment_id="local"}', 2);
    for (let i = 0; i < 5; i++) {
      await until(`request ${i}`, () => pending.length === i + 1);
      pending[i]!.end();
    }
    await Promise.all(sync);
    expect(pending.map(({ url }) => url.startsWith('/sync'))).toEqual([false, true, true, false, false]);
  });

  it('is retried up to max_attempts with growing delays, and reports its error', async () => {
    const times: number[] = [];
    respond = (_, res) => {
      times.push(performance.now());
      res.writeHead(500).end('boom');
    };
    const weir = await start();
    const id = await expectAccepted(weir, {
      model_input: {},
      inference_retry_config: { max_attempts: 3, initial_delay_ms: 100, max_delay_ms: 150 },
    });
    const ended = await expectStatus(weir, id, 'FAILED');
    expect(ended.errors).toEqual([
      { code: 'MODEL_PREDICT_ERROR', message: 'Error making prediction: the model answered 500' },
    ]);
    expect(times.length).toBe(3);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(99);
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(149);
    await weir.expectMetric('weir_async_requests_total{deployment_id="local",status="FAILED"}', 1);
  });

  it.each([
    [400, 'MODEL_NOT_READY', 2],
    [404, 'MODEL_DOES_NOT_EXIST', 1],
    [422, 'MODEL_INVALID_INPUT', 1],
    [502, 'MODEL_UNAVAILABLE', 2],
    [503, 'MODEL_UNAVAILABLE', 2],
    [504, 'MODEL_PREDICT_TIMEOUT', 2],
  ])('fails on a response %d with %s after %d of two attempts', async (status, code, attempts) => {
    respond = (_, res) => void res.writeHead(status).end();
    const weir = await start();
    const retry = { max_attempts: 2, initial_delay_ms: 1, max_delay_ms: 1 };
    const id = await expectAccepted(weir, { model_input: {}, inference_retry_config: retry });
    expect((await expectStatus(weir, id, 'FAILED')).errors[0]!.code).toBe(code);
    expect(runs.length).toBe(attempts);
  });

  it('waits while the model returns 429, which does not count as an attempt', async () => {
    let left = 2;
    respond = (_, res) => void (left-- > 0 ? res.writeHead(429).end() : res.end('{}'));
    const weir = await start();
    const id = await expectAccepted(weir, { model_input: {}, inference_retry_config: { max_attempts: 1 } });
    await expectStatus(weir, id, 'SUCCEEDED');
    expect(runs.length).toBe(3);
  });

  it('fails after async.run_timeout, and its connection is closed', async () => {
    respond = () => undefined;
    const weir = await start('--async-run-timeout=300ms');
    const id = await expectAccepted(weir, { model_input: {}, inference_retry_config: { max_attempts: 1 } });
    expect((await expectStatus(weir, id, 'FAILED')).errors[0]!.code).toBe('MODEL_PREDICT_TIMEOUT');
    await until('the connection to the model is closed', () => model.open === 0);
  });

  it('fails when the model switches protocols or compresses its response unasked', async () => {
    const weir = await start('--async-keep-results');
    const once_ = { max_attempts: 1 };
    respond = (req) =>
      void req.socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    await expectStatus(
      weir,
      await expectAccepted(weir, { model_input: {}, inference_retry_config: once_ }),
      'FAILED',
    );
    respond = (_, res) => void res.setHeader('content-encoding', 'gzip').end('not even');
    await expectStatus(
      weir,
      await expectAccepted(weir, { model_input: {}, inference_retry_config: once_ }),
      'FAILED',
    );
    expect(runs[1]!.headers['accept-encoding']).toBe('identity');
  });

  it('fails when its result exceeds the store, and does not block the next task', async () => {
    respond = (_, res) => void res.end(runs.length === 1 ? Buffer.alloc(3 * 1024 ** 2, 'x') : '{}');
    const weir = await start('--async-max-store-bytes=1MiB', '--async-keep-results', '--async-concurrency=1');
    const large = await expectAccepted(weir);
    const next = await expectAccepted(weir);
    expect((await expectStatus(weir, large, 'FAILED')).errors[0]!.code).toBe('INTERNAL_SERVER_ERROR');
    await expectStatus(weir, next, 'SUCCEEDED');
  });

  it('waits for a replica that is not up yet', async () => {
    await model.close();
    const weir = await start('--pool-probe-retry-interval=50ms');
    const id = await expectAccepted(weir);
    expect(await getStatus(weir, id)).toMatchObject({ status: 'QUEUED' });
    await startReplica((_, res) => void res.end('{}'), model.port);
    await expectStatus(weir, id, 'SUCCEEDED');
  });

  it('survives a kill and a drain, and does not run again when it is done', async () => {
    const pending: (() => void)[] = [];
    respond = (_, res) => void pending.push(() => res.end('{}'));
    let weir = await start('--async-concurrency=1');
    const done = await expectAccepted(weir, { model_input: { n: 'done' } });
    await until('the task runs', () => pending.length === 1);
    pending[0]!();
    await expectStatus(weir, done, 'SUCCEEDED');
    const ran = await expectAccepted(weir, { model_input: { n: 'ran' } });
    await until('the next task runs', () => pending.length === 2);
    const waits = await expectAccepted(weir, { model_input: { n: 'waits' } });
    await weir.stop('SIGKILL');
    respond = (_, res) => void res.end('{}');
    weir = await start('--async-concurrency=1');
    await expectStatus(weir, waits, 'SUCCEEDED');
    await expectStatus(weir, ran, 'SUCCEEDED');
    expect(await getStatus(weir, done)).toMatchObject({ status: 'SUCCEEDED' });
    const names = runs.map(({ body }) => (JSON.parse(body) as { n: string }).n);
    expect(names).toEqual(['done', 'ran', 'ran', 'waits']);
    // A drain lets running tasks end, and starts no new ones.
    respond = (_, res) => void setTimeout(() => res.end('{}'), 300);
    const last = await expectAccepted(weir);
    await until('the task runs', () => runs.length === 5);
    expect(await weir.stop()).toBe(0);
    weir = await start();
    expect(await getStatus(weir, last)).toMatchObject({ status: 'SUCCEEDED' });
    expect(runs.length).toBe(5);
  });

  it('returns its result if results are kept, and says how to keep them otherwise', async () => {
    respond = (_, res) => void res.setHeader('content-type', 'text/plain; charset=utf-8').end('seven');
    const weir = await start('--async-keep-results');
    const id = await expectAccepted(weir);
    await expectStatus(weir, id, 'SUCCEEDED');
    const result = await call(weir.url, `/async_request/${id}/result`);
    expect([result.status, result.text, result.headers['content-type']]).toEqual([
      200,
      'seven',
      'text/plain; charset=utf-8',
    ]);
    expect((await call(weir.url, '/async_request/nope/result')).status).toBe(404);
    await weir.stop();
    const without = await startWeir([
      '--replica',
      model.url,
      '--data-dir',
      mkdtempSync(join(tmpdir(), 'weir-data-')),
    ]);
    const dropped = await expectAccepted(without);
    await expectStatus(without, dropped, 'SUCCEEDED');
    const none = await call(without.url, `/async_request/${dropped}/result`);
    expect(none.status).toBe(404);
    expect((JSON.parse(none.text) as { error: string }).error).toBe(
      'No result stored: this request is SUCCEEDED. Set async.keep_results to keep results, or use a webhook',
    );
  });

  it('is deleted after async.retention', async () => {
    const weir = await start('--async-retention=1s');
    const id = await expectAccepted(weir);
    await expectStatus(weir, id, 'SUCCEEDED');
    await until(
      'the task is deleted',
      async () => (await call(weir.url, `/async_request/${id}`)).status === 404,
    );
  });
});

describe('a webhook', () => {
  let deliveries: Seen[];
  let receive: RequestListener;
  let receiver: Replica;

  beforeEach(async () => {
    deliveries = [];
    receive = (_, res) => void res.end();
    receiver = await startReplica((req, res) => {
      void onBody(req, (body) => {
        deliveries.push({ url: req.url!, headers: req.headers, body: body.toString() });
        receive(req, res);
      });
    });
  });
  const submitWithWebhook = (weir: Weir, path = '/hook') =>
    expectAccepted(weir, {
      model_input: {},
      webhook_endpoint: `http://localhost:${receiver.port}${path}`,
      inference_retry_config: { max_attempts: 1 },
    });

  it('delivers the result of the task, signed with every secret', async () => {
    const weir = await start(`--webhook-secrets=${SECRET},${OLD}`);
    const id = await submitWithWebhook(weir);
    await until('the webhook arrived', () => deliveries.length === 1);
    const [{ headers, body, url }] = deliveries as [Seen];
    expect([url, headers['content-type'], headers['x-baseten-request-id']]).toEqual([
      '/hook',
      'application/json',
      id,
    ]);
    const sign = (secret: string) => `v1=${createHmac('sha256', secret).update(body).digest('hex')}`;
    expect(headers['x-baseten-signature']).toBe(`${sign(SECRET)},${sign(OLD)}`);
    const payload = JSON.parse(body) as { time: string };
    expect(payload).toMatchObject({
      request_id: id,
      model_id: 'local',
      deployment_id: 'local',
      type: 'async_request_completed',
      data: { output: 'done' },
      errors: [],
    });
    expect(payload.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(await expectStatus(weir, id, 'SUCCEEDED')).toMatchObject({
      webhook_status: expect.stringMatching(/PENDING|SUCCEEDED/) as string,
    });
    await weir.expectMetric('baseten_async_webhook_requests_total', 1);
    expect((await weir.page()).sum('baseten_async_webhook_latency_seconds_count')).toBe(1);
    const text = JSON.stringify(weir.lines);
    expect(text).not.toContain(SECRET);
  });

  it('reports a failure with data null, and has no signature without a secret', async () => {
    respond = (_, res) => void res.writeHead(422).end();
    const weir = await start();
    await submitWithWebhook(weir);
    await until('the webhook arrived', () => deliveries.length === 1);
    expect(deliveries[0]!.headers['x-baseten-signature']).toBeUndefined();
    expect(JSON.parse(deliveries[0]!.body)).toMatchObject({
      data: null,
      errors: [{ code: 'MODEL_INVALID_INPUT' }],
    });
  });

  it('fails after two deliveries', async () => {
    receive = (_, res) => void res.writeHead(503).end();
    const weir = await start();
    const id = await submitWithWebhook(weir);
    expect(await expectStatus(weir, id, 'WEBHOOK_FAILED')).toMatchObject({ webhook_status: 'FAILED' });
    expect(deliveries.length).toBe(2);
  });

  it.each<[string, RequestListener]>([
    ['redirects', (_, res) => void res.writeHead(307, { location: '/elsewhere' }).end()],
    ['refuses', (_, res) => void res.writeHead(400).end()],
  ])('is not sent again when the receiver %s it', async (_, handler) => {
    receive = handler;
    const weir = await start();
    const id = await submitWithWebhook(weir);
    await expectStatus(weir, id, 'WEBHOOK_FAILED');
    expect(deliveries.map(({ url }) => url)).toEqual(['/hook']);
  });

  it.each<[string, RequestListener]>([
    ['hangs', () => undefined],
    ['returns garbage', (req) => void req.socket.end('SSH-2.0-nothing\r\n')],
    [
      'sends its response slowly',
      (_, res) => {
        res.writeHead(200);
        const drip = setInterval(() => res.write('x'), 20);
        res.on('close', () => clearInterval(drip));
      },
    ],
  ])('does not delay tasks and cancellations when the receiver %s', async (_, handler) => {
    receive = handler;
    const weir = await start('--webhook-timeout=1s', '--webhook-concurrency=2', '--async-concurrency=2');
    const stuck: string[] = [];
    for (let i = 0; i < 4; i++) stuck.push(await submitWithWebhook(weir));
    await until('two deliveries have begun', () => deliveries.length >= 2);
    const free = await expectAccepted(weir);
    await expectStatus(weir, free, 'SUCCEEDED');
    const pending: (() => void)[] = [];
    respond = (_, res) => void pending.push(() => res.end('{}'));
    for (let i = 0; i < 2; i++) await expectAccepted(weir);
    await until('both tasks run', () => pending.length === 2);
    const queued = await expectAccepted(weir);
    const cancelled = await call(weir.url, `/async_request/${queued}`, { method: 'DELETE' });
    expect(JSON.parse(cancelled.text)).toMatchObject({ canceled: true });
    for (const end of pending) end();
    await until(
      'all deliveries have ended',
      async () => (await getStatus(weir, stuck.at(-1)!)).webhook_status !== 'PENDING',
      20_000,
    );
  });

  it('is not delayed by many deliveries to another receiver that hangs', async () => {
    receive = ({ url }, res) => {
      if (url !== '/dead') res.end();
    };
    const living = await startReplica((_, res) => res.end());
    const weir = await start('--webhook-timeout=60s', '--webhook-concurrency=4');
    for (let i = 0; i < 6; i++) await submitWithWebhook(weir, '/dead');
    await until('the limit for one receiver is reached', () => deliveries.length === 3);
    const others: string[] = [];
    for (let i = 0; i < 5; i++)
      others.push(
        await expectAccepted(weir, { model_input: {}, webhook_endpoint: `HTTP://localhost:${living.port}/` }),
      );
    for (const id of others)
      await until(
        'the webhook was delivered',
        async () => (await getStatus(weir, id)).webhook_status === 'SUCCEEDED',
      );
    expect(deliveries).toHaveLength(3);
    await weir.stop('SIGKILL');
  });

  it('does not block the next one if its payload is too large for a string', async () => {
    // As JSON it is six times as long, which exceeds the maximum length of a string.
    respond = (_, res) => void res.end(Buffer.alloc(runs.length === 1 ? 60 * 1024 ** 2 : 1));
    const weir = await start('--async-max-result=64MiB');
    const huge = await submitWithWebhook(weir);
    await until(
      'the task has ended',
      async () => ['WEBHOOK_FAILED', 'SUCCEEDED'].includes((await getStatus(weir, huge)).status),
      20_000,
    );
    const next = await submitWithWebhook(weir);
    await until('the next webhook arrived', () =>
      deliveries.some(({ headers }) => headers['x-baseten-request-id'] === next),
    );
    expect((await fetch(`${weir.admin}/livez`)).status).toBe(200);
  });

  it('is delivered after a restart if the process was killed before', async () => {
    receive = () => undefined;
    let weir = await start();
    const id = await submitWithWebhook(weir);
    await until('the delivery has begun', () => deliveries.length === 1);
    await weir.stop('SIGKILL');
    receive = (_, res) => void res.end();
    weir = await start();
    expect(
      await until('the webhook was delivered', async () => {
        const seen = await getStatus(weir, id);
        return seen.webhook_status === 'SUCCEEDED' && seen;
      }),
    ).toMatchObject({ status: 'SUCCEEDED' });
    expect(deliveries.length).toBe(2);
    expect(deliveries[1]!.body.replace(/"time":"[^"]+"/, '')).toBe(
      deliveries[0]!.body.replace(/"time":"[^"]+"/, ''),
    );
    expect(runs.length).toBe(1);
  });

  it('is refused for private addresses and for the addresses of weir itself', async () => {
    const weir = await start();
    for (const url of [
      'https://10.0.0.1/x',
      'https://169.254.169.254/latest',
      'http://192.168.1.1/x',
      `http://localhost:${weir.adminPort}/v1/replicas/local/r0/drain`,
      `http://127.0.0.1:${weir.port}/x`,
      'file:///etc/passwd',
    ]) {
      const { status, text } = await submit(weir, { model_input: {}, webhook_endpoint: url });
      expect(status, url).toBe(400);
      expect(text).toContain('webhook_endpoint');
    }
    // Loopback webhooks are allowed only if the data server listens on loopback.
    const open = await startWeir([
      '--replica',
      model.url,
      '--data-dir',
      mkdtempSync(join(tmpdir(), 'weir-data-')),
      '--listen=0.0.0.0:0',
    ]);
    const { status } = await submit(open, {
      model_input: {},
      webhook_endpoint: `http://localhost:${receiver.port}/x`,
    });
    expect(status).toBe(400);
  });
});
