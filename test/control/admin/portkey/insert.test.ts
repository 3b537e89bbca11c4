// POST /v1/logs with logs of Portkey's clients, over HTTP with a real store.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Prices } from '../../../../src/telemetry/llm/prices.ts';
import { closeAdmins, startAdmin, type OpenAdmin, withChanges } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { search, type Log } from '../../../kit/log-api.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const CHAT = {
  request: {
    url: 'https://api.openai.com/v1/chat/completions?key=secret',
    provider: 'openai',
    headers: { 'content-type': 'application/json' },
    body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] },
  },
  response: {
    status: 200,
    response_time: 120,
    body: {
      id: 'chatcmpl-1',
      model: 'gpt-4o-2024',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
    },
  },
};

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly json: {
    status: string;
    ids: string[];
    message: string;
    error: { message: string; type: string; param: string | null; code: string };
  };
}

async function insert(
  { url }: Pick<OpenAdmin, 'url'>,
  body: unknown,
  headers: Record<string, string> = { 'x-portkey-api-key': 'k' },
  path = '/v1/logs',
): Promise<Answer> {
  const {
    status,
    text,
    headers: sent,
  } = await call(url, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status, headers: sent, json: JSON.parse(text) as Answer['json'] };
}

async function setPrices({ url }: OpenAdmin, prices: readonly object[]): Promise<void> {
  const { status, text } = await call(url, '/v1/prices', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prices }),
  });
  expect(status, text).toBe(200);
}

const requests = async (server: OpenAdmin): Promise<Log[]> =>
  (await search(server, { kind: 'request', direction: 'asc' })).logs;

/** The insert is refused with 400 and this message, and nothing is stored. */
async function expectRefused(
  server: OpenAdmin,
  body: unknown,
  message: string,
  param: string,
): Promise<void> {
  const { status, json } = await insert(server, body);
  expect(json.message).toBe(message);
  expect(status).toBe(400);
  expect(json.error).toEqual({
    message,
    type: 'invalid_request',
    param: param === '' ? null : param,
    code: '400',
  });
  expect(await requests(server)).toEqual([]);
}

describe('inserting a log', () => {
  it('stores a request with model, tokens, cost and metadata, as if weir had forwarded it', async () => {
    const server = await startAdmin();
    await setPrices(server, [{ model: 'gpt-4o', input: 10, output: 100 }]);
    const { status, headers, json } = await insert(server, {
      ...CHAT,
      metadata: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', _user: 'u1' },
    });
    expect(status).toBe(200);
    expect(json.status).toBe('success');
    expect(headers['x-portkey-trace-id']).toMatch(/./);
    const [log] = await requests(server);
    expect(log).toMatchObject({
      kind: 'request',
      source: 'api',
      level: 'INFO',
      message: 'POST /v1/chat/completions 200',
      request_id: json.ids[0],
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      span_id: 'b7ad6b7169203331',
      status: 200,
      duration_ms: 120,
      attributes: {
        method: 'POST',
        path: '/v1/chat/completions',
        url: 'https://api.openai.com/v1/chat/completions',
        provider: 'openai',
        model: 'gpt-4o',
        response_model: 'gpt-4o-2024',
        response_id: 'chatcmpl-1',
        finish_reason: 'stop',
        input_tokens: 9,
        output_tokens: 3,
        total_tokens: 12,
        cost: 0.00039,
        currency: 'USD',
        metadata: { _user: 'u1' },
      },
    });
  });

  it('reads the tokens of a stream, given as events or as a list of chunks', async () => {
    const server = await startAdmin();
    const chunks = [
      { id: 'c', model: 'm', choices: [{ index: 0, delta: { content: 'Hi' } }] },
      { id: 'c', model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'length' }] },
      {
        id: 'c',
        model: 'm',
        choices: [],
        usage: { prompt_tokens: 4, completion_tokens: 1, total_tokens: 5 },
      },
    ];
    const events = [...chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`), 'data: [DONE]\n\n'].join(
      '',
    );
    const log = (body: unknown) => ({ ...CHAT, response: { streamingMode: true, body } });
    expect((await insert(server, [log(events), log(chunks)])).status).toBe(200);
    for (const { attributes } of await requests(server))
      expect(attributes).toMatchObject({
        is_stream: true,
        finish_reason: 'length',
        input_tokens: 4,
        output_tokens: 1,
      });
  });

  it('stores the bodies: JSON as it is, a stream as the response that it makes', async () => {
    const server = await startAdmin();
    const choice = (delta: object, finish_reason: string | null = null) => ({
      id: 'c',
      object: 'chat.completion.chunk',
      model: 'm',
      choices: [{ index: 0, delta, finish_reason }],
    });
    const chunks = [choice({ role: 'assistant', content: 'He' }), choice({ content: 'llo' }, 'stop')];
    const { json } = await insert(server, [
      CHAT,
      { ...CHAT, response: { streamingMode: true, body: chunks } },
      { ...CHAT, request: { ...CHAT.request, body: 'plain text' }, response: { body: null } },
    ]);
    const bodies = await Promise.all(
      json.ids.map(async (id) => {
        const { text } = await call(server.url, `/v1/logs/${id}`);
        return JSON.parse(text) as { request?: { text?: string }; response?: { text?: string } };
      }),
    );
    expect(JSON.parse(bodies[0]!.request!.text!)).toEqual(CHAT.request.body);
    expect(JSON.parse(bodies[0]!.response!.text!)).toEqual(CHAT.response.body);
    expect(JSON.parse(bodies[1]!.response!.text!)).toMatchObject({
      choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }],
    });
    expect(bodies[2]!.request!.text).toBe('plain text');
    expect(bodies[2]!.response?.text).toBeUndefined();
  });

  it('takes a list, and an object with the keys 0, 1, …, as the SDK sends a list', async () => {
    const server = await startAdmin();
    const other = { request: { url: 'u2', body: {} }, response: { body: {}, status: 500 } };
    const listed = await insert(server, [CHAT, other]);
    const numbered = await insert(server, { 0: CHAT, 1: other });
    const found = await requests(server);
    expect(found.map(({ request_id }) => request_id)).toEqual([...listed.json.ids, ...numbered.json.ids]);
    expect(found.map(({ level }) => level)).toEqual(['INFO', 'ERROR', 'INFO', 'ERROR']);
  });

  it('understands both spellings of all names', async () => {
    const server = await startAdmin();
    const ids = ['11111111111111111111111111111111', '2222222222222222', '3333333333333333'];
    const [trace_id, span_id, parent_span_id] = ids;
    const response = { body: 'text' };
    const request = CHAT.request;
    await insert(server, [
      {
        request,
        response: { ...response, response_time: 7, streaming_mode: true },
        metadata: { trace_id, span_id, parent_span_id, span_name: 'n' },
      },
      {
        request,
        response: { ...response, responseTime: 7, streamingMode: true },
        metadata: { traceId: trace_id, spanId: span_id, parentSpanId: parent_span_id, spanName: 'n' },
      },
    ]);
    const found = await requests(server);
    expect(found).toHaveLength(2);
    for (const log of found)
      expect(log).toMatchObject({
        trace_id,
        span_id,
        parent_span_id,
        duration_ms: 7,
        attributes: { span_name: 'n', is_stream: true },
      });
  });

  it('finds a log by a trace id of any form', async () => {
    const server = await startAdmin();
    const uuid = '0AF76519-16cd-43dd-8448-eb211c80319c';
    for (const trace_id of ['my trace', uuid]) await insert(server, { ...CHAT, metadata: { trace_id } });
    for (const trace_id of ['my trace', uuid, '0af7651916cd43dd8448eb211c80319c']) {
      const { logs } = await search(server, { trace_id });
      expect(logs.map(({ attributes }) => attributes)).toMatchObject([
        { portkey_trace_id: trace_id.length === 32 ? uuid : trace_id },
      ]);
    }
    expect((await search(server, { trace_id: 'other' })).logs).toEqual([]);
  });

  it('makes a log without a trace id a trace of its own', async () => {
    const server = await startAdmin();
    await insert(server, [CHAT, CHAT]);
    const traces = (await requests(server)).map(({ trace_id }) => String(trace_id));
    expect(new Set(traces).size).toBe(2);
    for (const trace of traces) expect(trace).toMatch(/^[0-9a-f]{32}$/);
  });

  it('shows inserted logs as the tree of their trace', async () => {
    const server = await startAdmin();
    const trace_id = '0af7651916cd43dd8448eb211c80319c';
    const at = (span_id: string, parent_span_id?: string) => ({
      ...CHAT,
      metadata: { trace_id, span_id, parent_span_id },
    });
    await insert(server, [at('root'), at('child', 'root')]);
    const { status, text } = await call(server.url, `/v1/traces/${trace_id}`);
    expect(status).toBe(200);
    const { spans } = JSON.parse(text) as { spans: { children: { duration_ms: number }[] }[] };
    expect(spans).toHaveLength(1);
    expect(spans[0]!.children).toHaveLength(1);
    expect(spans[0]!.children[0]).toMatchObject({ duration_ms: 120 });
  });

  it('says when the request was made, by the time of its response and its duration', async () => {
    const server = await startAdmin();
    const time = '2026-11-20T12:00:01Z';
    await insert(server, { ...CHAT, response: { body: {}, response_time: 1000, time } });
    const [log] = await requests(server);
    expect(log).toMatchObject({ timestamp: '2026-11-20T12:00:00.000000000Z', duration_ms: 1000 });
  });

  it('does not take the trace id of the call for that of the log', async () => {
    const server = await startAdmin();
    const called = 'ffffffffffffffffffffffffffffffff';
    await insert(server, CHAT, { 'x-portkey-trace-id': called, 'x-portkey-debug': 'false' });
    const [log] = await requests(server);
    expect(log!['trace_id']).not.toBe(called);
    expect(log!['attributes']).not.toHaveProperty('portkey_trace_id');
  });

  it('removes secrets from headers and metadata', async () => {
    const server = await startAdmin();
    const headers = { authorization: 'Bearer sk-abcdefghijklmnopqrstuvwxyz012345' };
    await insert(server, {
      ...CHAT,
      request: { ...CHAT.request, headers },
      metadata: { api_key: 'sk-abcdefghijklmnopqrstuvwxyz012345' },
    });
    expect(JSON.stringify(await requests(server))).not.toContain('abcdefghijklmnop');
  });
});

describe('an insert that is not valid', () => {
  it('names the log and the key, and stores none of the logs before it', async () => {
    const server = await startAdmin();
    const { request, response } = CHAT;
    await expectRefused(
      server,
      [CHAT, { request: { body: {} }, response }],
      'logs[1].request.url is missing; nothing was stored',
      'logs[1].request.url',
    );
    await expectRefused(server, { request }, 'response is missing; nothing was stored', 'response');
    await expectRefused(
      server,
      { 0: CHAT, 1: { request: { url: 'u' }, response } },
      'logs[1].request.body is missing; nothing was stored',
      'logs[1].request.body',
    );
    await expectRefused(
      server,
      { request, response: { body: {}, status: 'ok' } },
      'response.status must be a status of HTTP, from 100 to 599; nothing was stored',
      'response.status',
    );
    await expectRefused(server, [], 'The body has no logs', '');
    await expectRefused(
      server,
      [7],
      'logs[0] must be an object with request and response; nothing was stored',
      'logs[0]',
    );
  });

  it('is refused if it is nested deeper than any parser likes', async () => {
    const server = await startAdmin();
    const body = `{"request":${'['.repeat(200_000)}`;
    await expectRefused(server, body, 'The body is nested deeper than 100 levels; nothing was stored', '');
  });

  it('is refused with more objects or names than can be read in a short time', async () => {
    const server = await startAdmin();
    const message = 'The body has more than 500000 lists, objects and names; nothing was stored';
    for (const parts of ['{},'.repeat(500_000), '{"a":1},'.repeat(250_000)])
      await expectRefused(server, `{"request":[${parts}{}]}`, message, '');
  });

  it('is refused with more logs than are stored at once', async () => {
    const server = await startAdmin();
    const { status, json } = await insert(
      server,
      Array.from({ length: 10_000 }, () => CHAT),
    );
    expect(status).toBe(413);
    expect(json.message).toBe('The body has 10000 logs; at most 1000 are stored at once');
    expect(await requests(server)).toEqual([]);
  });

  it('that arrives with others is read before or after them, so that their objects do not fill the memory', async () => {
    const models: string[] = [];
    const setCost = vi.spyOn(Prices.prototype, 'setCost').mockImplementation((facts) => {
      if (facts.model !== '') models.push(facts.model);
    });
    try {
      const server = await startAdmin();
      const bodies = ['a', 'b', 'c'].map((model) =>
        Array.from({ length: 200 }, () => ({ ...CHAT, request: { ...CHAT.request, body: { model } } })),
      );
      const answers = await Promise.all(bodies.map((body) => insert(server, body)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      const changes = models.filter((model, i) => i > 0 && model !== models[i - 1]);
      expect(models).toHaveLength(600);
      expect(changes).toHaveLength(2);
    } finally {
      setCost.mockRestore();
    }
  });

  it('is refused with a body that is too large', async () => {
    const server = await startAdmin();
    const body = { ...CHAT, request: { ...CHAT.request, body: 'x'.repeat(17 * 1024 ** 2) } };
    const { status, json } = await insert(server, body);
    expect(status).toBe(413);
    expect(json.message).toContain('the limit is 16777216 bytes');
  });

  it('says that the store is full, so that the client sends it again later', async () => {
    const server = await startAdmin({
      wrap: (logs) => withChanges(logs, { post: () => Promise.resolve({ problem: 'queue_full' }) }),
    });
    const { status, headers, json } = await insert(server, CHAT);
    expect(status).toBe(429);
    expect(headers['retry-after']).toBe('1');
    expect(headers['x-portkey-trace-id']).toMatch(/./);
    expect(json.error.type).toBe('rate_limited');
  });
});

describe('POST /v1/logs', () => {
  it('still takes OTLP, also from a client with the headers of Portkey', async () => {
    const server = await startAdmin();
    const record = { body: { stringValue: 'a line' } };
    const body = { resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] };
    expect((await insert(server, body, {})).status).toBe(200);
    expect((await insert(server, body)).status).toBe(200);
    expect((await search(server, {})).logs.map(({ message }) => message)).toEqual(['a line', 'a line']);
  });

  it('is also /logs and //logs, without a redirect', async () => {
    const server = await startAdmin();
    for (const path of ['/logs', '/v1//logs', '//v1/logs'])
      expect((await insert(server, CHAT, {}, path)).status).toBe(200);
    expect(await requests(server)).toHaveLength(3);
  });

  it('sends errors in the form of Portkey only to clients of Portkey', async () => {
    const server = await startAdmin({ args: ['--admin-key=0123456789abcdef'] });
    const ours = await insert(server, CHAT, {});
    expect(ours.json).toMatchObject({ error_code: 'unauthorized' });
    const theirs = await insert(server, CHAT, { 'x-portkey-api-key': 'wrong' });
    expect(theirs.status).toBe(401);
    expect(theirs.json).toMatchObject({
      message: 'A valid key is required',
      success: false,
      status: 'failure',
    });
    const allowed = await insert(server, CHAT, { 'x-portkey-api-key': '0123456789abcdef' });
    expect(allowed.status).toBe(200);
  });
});
