// Tests of the routes of OTLP destinations over HTTP.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { Guard } from '../../../../src/control/admin/auth.ts';
import { dispatch } from '../../../../src/control/admin/endpoint.ts';
import { KeyStore } from '../../../../src/core/keys/key-store.ts';
import { destinationEndpoints } from '../../../../src/control/admin/routes/otlp-destinations.ts';
import { startConnections, stopConnections, type Bench } from '../../../kit/connections.ts';
import { begin, call, type CallOptions } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { answering, Receiver } from '../../../kit/otlp-receiver.ts';

const KEY = 'a-key-of-sixteen-letters';
const BASE = '/v1/otel/connections';
let bench: Bench;
let receiver: Receiver;
let server: Server;
let url = '';

beforeAll(async () => {
  bench = await startConnections();
  receiver = await new Receiver().start();
  const keys = new KeyStore(join(folder(), 'keys.json'), KEY);
  keys.start();
  const reports = {
    failed: () => undefined,
    changed: () => undefined,
    callerOf: () => ({ by: '', address: '' }),
  };
  const guard = new Guard(keys, false);
  server = createServer((req, res) => void dispatch(destinationEndpoints, bench, guard, reports, req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const { id } of bench.connections.list()) await bench.connections.remove(id);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await stopConnections();
  await receiver.stop();
  removeFolders();
});

interface Body {
  id: string;
  error: string;
  [name: string]: unknown;
}
async function send(method: string, path: string, body?: unknown, more: CallOptions = {}) {
  const response = await call(url, path, {
    method,
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...more,
  });
  return { ...response, json: (response.text === '' ? {} : JSON.parse(response.text)) as Body };
}
const make = (more: object = {}) =>
  send('POST', BASE, {
    name: 'honeycomb',
    endpoint_url: receiver.url,
    header_name: 'x-team',
    header_value: 'very-secret',
    ...more,
  });

it('creates, lists, shows, changes, tests and removes a connection, and reports its status', async () => {
  const made = await make();
  expect(made.status).toBe(201);
  expect(made.json).toEqual({
    id: expect.stringMatching(/^otel_[0-9a-f]{12}$/) as string,
    name: 'honeycomb',
    signal: 'logs',
    endpoint_url: receiver.url,
    header_name: 'x-team',
    header_value: '***',
    headers: {},
    encoding: 'protobuf',
    compression: 'gzip',
    attributes: [
      'message',
      'model_id',
      'model_version_id',
      'environment',
      'replica',
      'request_id',
      'training_job_id',
      'chainlet_id',
      'exc_info',
    ],
    min_level: '',
    query: '',
    service_name: 'baseten',
    start_from: 'now',
    enabled: true,
    from: 'api',
  });
  const one = `${BASE}/${made.json.id}`;
  expect((await send('GET', BASE)).json).toEqual({ connections: [made.json] });
  expect((await send('GET', one)).json).toEqual(made.json);
  const changed = await send('PATCH', one, { min_level: 'warn' });
  expect([changed.status, changed.json]).toEqual([200, { ...made.json, min_level: 'warn' }]);
  const tested = await send('POST', `${one}/test`);
  expect([tested.status, tested.json]).toMatchObject([200, { ok: true, status: 200 }]);
  expect(receiver.requests.at(-1)!.headers['x-team']).toBe('very-secret');
  expect((await send('GET', `${one}/status`)).json).toMatchObject({ state: 'running', queue_records: 0 });
  const removed = await send('DELETE', one);
  expect([removed.status, removed.text]).toEqual([204, '']);
  for (const [method, path] of [
    ['GET', one],
    ['PATCH', one],
    ['DELETE', one],
    ['POST', `${one}/test`],
    ['GET', `${one}/status`],
  ] as const) {
    const gone = await send(method, path, method === 'PATCH' ? {} : undefined);
    expect([gone.status, gone.json.error]).toEqual([404, `No such connection: ${made.json.id}`]);
  }
});

it('lists connections with their status and what they have not sent', async () => {
  const { json: made } = await make();
  const { json } = await send('GET', `${BASE}?with=status,waiting`);
  expect(json['connections']).toEqual([
    {
      ...made,
      status: (await send('GET', `${BASE}/${made.id}/status`)).json,
      waiting: { count: 0, is_exact: true },
    },
  ]);
  const wrong = await send('GET', `${BASE}?with=statu`);
  expect([wrong.status, wrong.json.error]).toEqual([
    400,
    'Invalid query: with: unknown part "statu"; did you mean "status"?',
  ]);
});

describe('an invalid request', () => {
  it.each([
    [
      '{"endpoint_url":',
      'The request is malformed: the body is not valid JSON: Unexpected end of JSON input',
    ],
    [
      '[]',
      'The request is malformed: a connection must be a JSON object such as {"endpoint_url": "https://otlp.example.com/v1/logs"}',
    ],
    [
      '{"endpoint_ur1":"https://x/"}',
      'The request is malformed: endpoint_url is missing, must be a URL such as https://otlp.example.com/v1/logs; unknown field "endpoint_ur1"; did you mean "endpoint_url"?',
    ],
    ['', 'The request is malformed: the body is not valid JSON: Unexpected end of JSON input'],
  ])('with body %s gets an error that names the problem', async (body, error) => {
    const response = await send('POST', BASE, body);
    expect([response.status, response.json.error]).toEqual([400, error]);
  });

  it('with a large body gets 413, with or without Content-Length', async () => {
    const long = await send('POST', BASE, 'x'.repeat(1024 ** 2 + 1));
    expect([long.status, long.json.error]).toEqual([
      413,
      'The payload exceeds the maximum size: the limit is 1048576 bytes, decompressed',
    ]);
    const chunked = begin(url, BASE, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    });
    chunked.on('error', () => undefined);
    for (let i = 0; i < 20; i++) chunked.write('x'.repeat(65_536));
    const [response] = (await once(chunked, 'response')) as [{ statusCode: number }];
    expect(response.statusCode).toBe(413);
    chunked.destroy();
  });

  it('with a type that web pages may send gets 415', async () => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'text/plain' };
    expect((await send('POST', BASE, '{}', { headers })).status).toBe(415);
  });

  it('with an unknown method gets 405', async () => {
    const response = await send('PUT', BASE, {});
    expect([response.status, response.headers.allow]).toEqual([405, 'GET, HEAD, POST']);
    const one = await send('POST', `${BASE}/x`, {});
    expect([one.status, one.headers.allow]).toEqual([405, 'GET, HEAD, PATCH, DELETE']);
  });
});

it('rejects a request without a key and does not name routes', async () => {
  const made = await make();
  for (const headers of [{}, { authorization: 'Bearer wrong' }])
    for (const [method, path] of [
      ['GET', BASE],
      ['POST', BASE],
      ['DELETE', `${BASE}/${made.json.id}`],
      ['GET', '/v1/nothing'],
    ] as const) {
      const response = await send(method, path, undefined, { headers });
      expect([response.status, response.text.includes('otel')]).toEqual([401, false]);
    }
  expect(bench.connections.list()).toHaveLength(1);
});

it('rejects a change from a web page of another origin', async () => {
  const made = await make();
  const headers = { authorization: `Bearer ${KEY}`, origin: 'https://evil.example' };
  expect((await send('DELETE', `${BASE}/${made.json.id}`, undefined, { headers })).status).toBe(403);
  expect(bench.connections.list()).toHaveLength(1);
});

it('returns the result of a failed test', async () => {
  const made = await make();
  receiver.script.push(answering(401, 'what is very-secret?', { 'content-type': 'text/plain' }));
  const tested = await send('POST', `${BASE}/${made.json.id}/test`);
  expect([tested.status, tested.json]).toMatchObject([
    200,
    { ok: false, status: 401, message: 'receiver returned 401: what is ***?' },
  ]);
});
