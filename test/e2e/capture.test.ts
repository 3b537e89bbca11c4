// Body capture with the real binary: which bodies are stored, how much of them, redacted, and invisible to the client.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, RawClient, type ClientResponse } from '../kit/client.ts';
import { folder, removeFolders, write } from '../kit/folder.ts';
import { recordsIn, expectRequestRecord } from '../kit/stored-records.ts';
import { freePort } from '../kit/port.ts';
import { closeReplicas, startReplica, onBody } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { ROOT, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const ID = 'x-baseten-request-id';
const idOf = ({ headers }: ClientResponse): string => String(headers[ID]);
let data: string;

/** Starts weir with a configuration file. Its log store is in `data`. */
const start = async (url: string, logs: object, ...args: string[]): Promise<Weir> => {
  const config = folder();
  write(config, { 'weir.yaml': JSON.stringify({ logs }) });
  return startWeir(['--replica', url, '--data-dir', data, '--config', `${config}/weir.yaml`, ...args]);
};
const json = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

beforeEach(() => {
  data = folder();
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

describe('body capture in front of a language model', () => {
  let model: ChildProcess;
  let url: string;
  beforeAll(async () => {
    // The model prints the port that it was given, not the one that it got.
    model = spawn(process.execPath, ['examples/replica/server.ts', String(await freePort())], {
      cwd: ROOT,
      env: { ...process.env, TOKEN_MS: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: model.stdout! }).on('line', (line) => {
      const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) url = `http://127.0.0.1:${port}`;
    });
    await until('the model listens', () => url !== undefined);
  });
  afterAll(async () => {
    model.kill('SIGKILL');
    await once(model, 'exit');
  });
  const ask = { model: 'weir-ngram', max_tokens: 12, seed: 1 };
  const messages = [{ role: 'user' as const, content: 'the water of the river' }];
  const full = { routes: [{ path: '*/v1/chat/*', capture: 'full' }] };

  it('stores a streamed chat of an unmodified client as one response with usage and model', async () => {
    const weir = await start(url, { ...full, max_body: '4KiB' });
    const client = new OpenAI({ baseURL: `${weir.url}/environments/production/sync/v1`, apiKey: 'none' });
    const { data: stream, response } = await client.chat.completions
      .create({ ...ask, messages, stream: true, stream_options: { include_usage: true } })
      .withResponse();
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    const record = await expectRequestRecord(data, response.headers.get(ID)!);
    expect(record.fields).toMatchObject({
      model: 'weir-ngram',
      input_tokens: 5,
      output_tokens: 12,
      total_tokens: 17,
      finish_reason: 'length',
      is_stream: true,
      is_assembled: true,
      has_bodies: true,
    });
    expect(JSON.parse(record.request!)).toMatchObject({ ...ask, messages });
    expect(JSON.parse(record.response!)).toMatchObject({
      object: 'chat.completion',
      model: 'weir-ngram',
      choices: [{ message: { role: 'assistant', content: text } }],
      usage: { prompt_tokens: 5, completion_tokens: 12 },
    });
    // A chat that is not streamed, over the same connection pool.
    const plain = await client.chat.completions.create({ ...ask, messages }).withResponse();
    const second = await expectRequestRecord(data, plain.response.headers.get(ID)!);
    expect(JSON.parse(second.response!)).toEqual(plain.data);
    expect(second.fields).toMatchObject({ output_tokens: 12, model: 'weir-ngram' });
    // The bodies of other routes are not stored.
    const other = await client.completions.create({ ...ask, prompt: 'the water' }).withResponse();
    const third = await expectRequestRecord(data, other.response.headers.get(ID)!);
    expect(third).toMatchObject({ request: undefined, response: undefined, status: 200 });
    expect(third.fields).not.toHaveProperty('has_bodies');
    expect(third.fields).not.toHaveProperty('model');
  });

  it('stores no bodies of a request with x-portkey-debug: false', async () => {
    const weir = await start(url, full);
    const path = '/v1/chat/completions';
    const ids = [];
    for (const debug of ['false', 'False', ['true', 'false'], 'true', undefined]) {
      const { method, headers, body } = json({ ...ask, messages });
      const sent = debug === undefined ? headers : { ...headers, 'x-portkey-debug': debug };
      const response = await call(weir.url, path, { method, headers: sent, body });
      ids.push(idOf(response));
    }
    const records = await Promise.all(ids.map((id) => expectRequestRecord(data, id)));
    expect(records.map(({ fields }) => fields['has_bodies'])).toEqual([
      undefined,
      undefined,
      undefined,
      true,
      true,
    ]);
    expect(records.map(({ response }) => response !== undefined)).toEqual([false, false, false, true, true]);
  });

  it('stores the bodies of an asynchronous run under the id of its submit, unless the submit opted out', async () => {
    const weir = await start(url, { routes: [{ path: '/v1/models/', capture: 'full' }] });
    const submit = async (headers: Record<string, string>) => {
      const { text } = await call(weir.url, '/production/async_predict', {
        method: 'POST',
        headers,
        body: '{"model_input":{"prompt":"the river","max_tokens":3,"seed":1}}',
      });
      return (JSON.parse(text) as { request_id: string }).request_id;
    };
    const ids = [await submit({}), await submit({ 'x-portkey-debug': 'false' })];
    const [open, closed] = await Promise.all(
      ids.map((id) => expectRequestRecord(data, id, ({ fields }) => fields['async'] === true)),
    );
    expect(open!.request).toBe('{"prompt":"the river","max_tokens":3,"seed":1}');
    expect(JSON.parse(open!.response!)).toMatchObject({ tokens: 3 });
    expect(open!.fields['async_wait_ms']).toBeGreaterThanOrEqual(0);
    expect(closed).toMatchObject({ request: undefined, response: undefined });
  });
});

describe('body capture in front of a server', () => {
  const SECRET = 'sk-a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4';
  const echo = () =>
    startReplica((req, res) => {
      void onBody(req, (body) => {
        const isCompressed = req.url!.includes('gzip');
        const response = Buffer.from(`${req.method} ${req.url} ${body.toString()}`);
        res.setHeader('content-type', 'text/plain');
        if (isCompressed) res.setHeader('content-encoding', 'gzip');
        res.end(isCompressed ? gzipSync(response) : response);
      });
    });

  it('serves requests of both lanes in turn on one connection, also when they are pipelined', async () => {
    const replica = await echo();
    const weir = await start(replica.url, { routes: [{ path: '/full/', capture: 'full' }] });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const paths = ['/plain/1', '/plain/2', '/full/1', '/plain/3', '/full/2'];
    for (const path of paths) {
      const response = await call(weir.url, path, { ...json({ path }), agent });
      expect(response.text).toBe(`POST ${path} ${JSON.stringify({ path })}`);
      const record = await expectRequestRecord(data, idOf(response));
      expect(record.request).toBe(path.startsWith('/full/') ? JSON.stringify({ path }) : undefined);
    }
    agent.destroy();
    // Pipelined: the head of the full lane's request arrives together with the request before it.
    const raw = new RawClient(weir.port);
    const ask = (path: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi`;
    raw.send(ask('/plain/a') + ask('/full/b') + ask('/plain/c'));
    const received = await raw.expectReceived('POST /plain/c hi');
    expect(received.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
    expect(received.indexOf('/plain/a')).toBeLessThan(received.indexOf('POST /full/b'));
    raw.socket.destroy();
    const kept = await until('all three are stored', () => {
      const records = recordsIn(data).filter(({ fields }) => /[abc]$/.test(String(fields['path'])));
      return records.length === 3 && records;
    });
    expect(kept.filter(({ request }) => request !== undefined).map(({ fields }) => fields['path'])).toEqual([
      '/full/b',
    ]);
  });

  it('decompresses bodies, redacts secrets, and cuts long bodies', async () => {
    const replica = await echo();
    const weir = await start(replica.url, { capture: 'full', max_body: '1KiB' });
    const compressed = await call(weir.url, '/gzip', { ...json({ token: SECRET }) });
    const record = await expectRequestRecord(data, idOf(compressed));
    expect(record.response).toMatch(/^POST \/gzip \{"token":/);
    for (const text of [record.request, record.response]) expect(text).not.toContain(SECRET);
    const long = await call(weir.url, '/long', { method: 'POST', body: 'x'.repeat(500_000) });
    expect(long.body.length).toBe(500_000 + 'POST /long '.length);
    const cut = await expectRequestRecord(data, idOf(long));
    expect(cut.fields).toMatchObject({ request_body: 'cut', response_body: 'cut', request_bytes: 500_000 });
    expect(cut.request).toHaveLength(1024);
    expect(cut.response).toHaveLength(1024);
  });

  it('stores no record of a route that is off, and partial bodies of a client that disconnects', async () => {
    const replica = await startReplica((req, res) => {
      if (req.url === '/hangs') res.writeHead(200, { 'content-type': 'text/plain' }).write('so far');
      else res.end('ok');
    });
    const weir = await start(replica.url, { capture: 'full', routes: [{ path: '/health', capture: 'off' }] });
    const silent = await call(weir.url, '/health');
    const raw = new RawClient(weir.port).send(
      'POST /hangs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf',
    );
    await raw.expectReceived('so far');
    raw.socket.destroy();
    const left = await until('the request of the client that disconnected is stored', () =>
      recordsIn(data).find(({ fields }) => fields['path'] === '/hangs'),
    );
    expect(left).toMatchObject({ request: 'half', response: 'so far' });
    expect(left.fields['cause']).toBe('client_gone');
    expect(recordsIn(data).some(({ requestId }) => requestId === idOf(silent))).toBe(false);
  });

  it('stores a retried request once, with the response that the client got', async () => {
    let asked = 0;
    const replica = await startReplica((req, res) => {
      void onBody(req, (body) => {
        if (++asked === 1) res.writeHead(503).end('not now');
        else res.end(`fine: ${body.toString()}`);
      });
    });
    const weir = await start(replica.url, { capture: 'full' }, '--proxy-retry-methods=POST');
    const response = await call(weir.url, '/x', { method: 'POST', body: 'once' });
    expect(response.text).toBe('fine: once');
    const record = await expectRequestRecord(data, idOf(response));
    expect(record).toMatchObject({ request: 'once', response: 'fine: once' });
    expect(record.fields).toMatchObject({ attempts: 2, retries: 1 });
  });

  it('stores a stream that reports an error after its 200 with level ERROR, and error searches find it', async () => {
    const file = readFileSync(`${ROOT}/test/fixtures/streams/sse_error_mid.resp`, 'latin1');
    const stream = file.slice(file.indexOf('\r\n\r\n') + 4);
    const replica = await startReplica((req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      // Without the last blank line.
      if (req.url === '/breaks') res.write(stream.slice(0, -3), () => res.destroy());
      else if (req.url === '/fine')
        res.end('data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}');
      else res.end(stream);
    });
    const weir = await start(replica.url, { capture: 'full' });
    for (const path of ['/error', '/breaks', '/fine']) {
      const raw = new RawClient(weir.port).send(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      await raw.expectClosed();
    }
    const fine = await until(
      'all three are stored',
      () =>
        recordsIn(data, 'kind:request').length === 3 &&
        recordsIn(data, 'kind:request').find(({ fields }) => fields['path'] === '/fine'),
    );
    // The last event counts even if no blank line follows.
    expect(fine).toMatchObject({ severity: 9, fields: { input_tokens: 1 } });
    for (const query of ['level>=error', '"engine died"', 'response_error:"engine died"']) {
      const paths = recordsIn(data, `kind:request ${query}`).map(({ fields }) => fields['path']);
      expect([query, new Set(paths)]).toEqual([query, new Set(['/breaks', '/error'])]);
    }
    const [error] = recordsIn(data, 'path:/error');
    expect(error).toMatchObject({ status: 200, message: 'GET /error 200 stream error: engine died' });
    expect(error!.fields).toMatchObject({ response_error_type: 'internal_error', is_assembled: false });
  });

  it('stores only the one route whose capture is on', async () => {
    const replica = await echo();
    const weir = await start(replica.url, { capture: 'off', routes: [{ path: '/kept', capture: 'full' }] });
    const ids = [];
    for (const path of ['/a', '/kept/b', '/c']) ids.push(idOf(await call(weir.url, path)));
    expect(await expectRequestRecord(data, ids[1]!)).toMatchObject({ response: 'GET /kept/b ' });
    // Requests are stored in order: once this one is stored, the others would be too.
    const last = idOf(await call(weir.url, '/kept/d'));
    await expectRequestRecord(data, last);
    expect(recordsIn(data).map(({ requestId }) => requestId)).toEqual([ids[1], last]);
    expect((await weir.page()).value('weir_log_bodies_skipped_total')).toBe(0);
  });

  it('does not change the bytes that the client gets', async () => {
    const pieces = ['data: {"a":1}\n\n', 'data: {"b":', '2}\n\ndata: [DONE]\n\n'];
    const replica = await startReplica((req, res) => {
      void onBody(req, (body) => {
        res.sendDate = false;
        res.writeHead(200, { 'content-type': 'text/event-stream', 'x-echo': body.toString() });
        for (const piece of pieces.slice(0, -1)) res.write(piece);
        if (req.url === '/breaks') res.write(pieces.at(-1)!, () => res.destroy());
        else res.end(pieces.at(-1));
      });
    });
    const weirs = [
      await start(replica.url, { capture: 'metadata' }, '--proxy-fast-lane=false'),
      await (async () => {
        data = folder();
        return start(replica.url, { capture: 'full', max_body: '1KiB' }, '--proxy-fast-lane=false');
      })(),
    ];
    const incidental = /^(?:x-baseten-request-id|server-timing|date): .*\r\n/gim;
    const bodies = ['', '5\r\nhello\r\n0\r\n\r\n'];
    for (const path of ['/', '/breaks', '/?q=1'])
      for (const body of bodies) {
        const framing = body === '' ? '' : 'Transfer-Encoding: chunked\r\n';
        const outcomes = [];
        for (const weir of weirs) {
          const raw = new RawClient(weir.port);
          raw.send(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${framing}\r\n${body}`);
          outcomes.push((await raw.expectClosed()).replaceAll(incidental, ''));
        }
        expect(outcomes[1]).toBe(outcomes[0]);
        expect(outcomes[0]).toContain('HTTP/1.1 200');
      }
  });
});
