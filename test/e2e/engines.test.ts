// The README's recipe for vLLM, SGLang and TGI, in front of stand-ins that have the routes of each engine and no others.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { closeReplicas, startReplica, onBody } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { ROOT, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const recipe = [...README.matchAll(/```yaml\n([^]*?)```/g)].find(([block]) =>
  block.includes('predict_path: /v1/chat/completions'),
)![1]!;

const ENGINES = [
  {
    engine: 'vLLM',
    routes: [
      'GET /health',
      'GET /version',
      'GET /metrics',
      'GET /v1/models',
      'POST /v1/chat/completions',
      'POST /v1/completions',
      'POST /v1/embeddings',
      'POST /v1/responses',
      'POST /tokenize',
      'POST /detokenize',
    ],
    missing: '{"detail":"Not Found"}',
  },
  {
    engine: 'SGLang',
    routes: [
      'GET /health',
      'GET /health_generate',
      'GET /get_model_info',
      'GET /metrics',
      'GET /v1/models',
      'POST /v1/chat/completions',
      'POST /v1/completions',
      'POST /v1/embeddings',
      'POST /generate',
    ],
    missing: '{"detail":"Not Found"}',
  },
  {
    engine: 'TGI',
    routes: [
      'POST /',
      'GET /health',
      'GET /info',
      'GET /metrics',
      'GET /v1/models',
      'POST /v1/chat/completions',
      'POST /v1/completions',
      'POST /generate',
      'POST /generate_stream',
      'POST /tokenize',
    ],
    missing: '',
  },
];

/** A request that the stand-in got. */
interface Seen {
  readonly route: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const QUESTION = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] };

function chat(req: IncomingMessage, res: ServerResponse, body: string): void {
  // vLLM derives the completion id from X-Request-Id.
  const common = { id: `chatcmpl-${String(req.headers['x-request-id'])}`, created: 1, model: 'm' };
  if ((JSON.parse(body) as { stream?: boolean }).stream !== true) {
    const message = { role: 'assistant', content: 'Hi there' };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ ...common, object: 'chat.completion', choices }));
    return;
  }
  res.setHeader('content-type', 'text/event-stream');
  for (const content of ['Hi', ' there']) {
    const choices = [{ index: 0, delta: { content }, finish_reason: null }];
    res.write(`data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', choices })}\n\n`);
  }
  res.end('data: [DONE]\n\n');
}

afterAll(async () => {
  await stopAll();
  await closeReplicas();
});

describe.each(ENGINES)('in front of $engine', ({ routes, missing }) => {
  const seen: Seen[] = [];
  let folder: string;
  let url: string;
  let weir: Weir;

  beforeAll(async () => {
    const replica = await startReplica((req, res) => {
      void onBody(req, (bytes) => {
        const route = `${req.method} ${req.url}`;
        const body = bytes.toString();
        seen.push({ route, headers: req.headers, body });
        if (!routes.includes(route)) return res.writeHead(404).end(missing);
        if (route === 'POST /v1/chat/completions') return chat(req, res, body);
        if (route === 'GET /v1/models') {
          res.setHeader('content-type', 'application/json');
          return res.end('{"object":"list","data":[{"id":"m","object":"model"}]}');
        }
        return res.end();
      });
    });
    url = replica.url;
    folder = mkdtempSync(join(tmpdir(), 'weir-engine-'));
    writeFileSync(join(folder, 'weir.yaml'), recipe.replace('http://127.0.0.1:8000', url));
    weir = await startWeir(['--config', join(folder, 'weir.yaml')]);
  });
  afterAll(async () => {
    await weir.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['/v1', '/production/sync/v1', '/sync/v1'])('serves an OpenAI client at %s', async (base) => {
    const client = new OpenAI({ baseURL: weir.url + base, apiKey: 'unused', maxRetries: 0 });
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(['m']);
    const { data, response } = await client.chat.completions.create(QUESTION).withResponse();
    expect(data.choices[0]!.message.content).toBe('Hi there');
    expect(data.id).toBe(`chatcmpl-${response.headers.get('x-baseten-request-id')}`);
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...QUESTION, stream: true }))
      text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('Hi there');
  });

  it('sends predict and asynchronous requests to the chat completions', async () => {
    const body = JSON.stringify(QUESTION);
    const post = (path: string) => call(weir.url, path, { method: 'POST', body });
    const response = await post('/production/predict');
    expect([response.status, JSON.parse(response.text)]).toMatchObject([200, { object: 'chat.completion' }]);
    const { status, text } = await post('/production/async_predict');
    expect(status, text).toBe(201);
    const { request_id: id } = JSON.parse(text) as { request_id: string };
    await until('the task has succeeded', async () => {
      const task = JSON.parse((await call(weir.url, `/async_request/${id}`)).text) as { status: string };
      return task.status === 'SUCCEEDED';
    });
    const ran = seen.at(-1)!;
    expect(ran).toMatchObject({ route: 'POST /v1/chat/completions', body });
    expect(ran.headers['x-request-id']).toBe(id);
    expect(weir.lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('explains the 404 without the recipe, once in the log and in the task', async () => {
    const plain = await startWeir(['--replica', url]);
    for (const path of ['/production/predict', '/predict'])
      expect(await call(plain.url, path, { method: 'POST', body: '{}' })).toMatchObject({
        status: 404,
        text: missing,
      });
    const { text } = await call(plain.url, '/async_predict', { method: 'POST', body: '{}' });
    const { request_id: id } = JSON.parse(text) as { request_id: string };
    const task = await until('the task has failed', async () => {
      const asked = JSON.parse((await call(plain.url, `/async_request/${id}`)).text) as {
        status: string;
        errors: { code: string; message: string }[];
      };
      return asked.status === 'FAILED' && asked;
    });
    expect(task.errors).toEqual([
      {
        code: 'MODEL_DOES_NOT_EXIST',
        message:
          'Model does not exist: the model answered 404 to POST /v1/models/model:predict; ' +
          'the setting predict_path says where requests go',
      },
    ]);
    // A 404 to a path that the client chose says nothing about the setting.
    expect((await call(plain.url, '/v1/nope', { method: 'POST', body: '{}' })).status).toBe(404);
    await plain.expectLine('the last request', (line) => line['path'] === '/v1/nope');
    const warnings = plain.lines.filter(({ event }) => event === 'replica returned 404 for predict_path');
    expect(warnings).toMatchObject([
      { level: 'warn', deployment: 'local', replica: 'r0', path: '/v1/models/model:predict' },
    ]);
    expect(String(warnings[0]!['hint'])).toContain('predict_path');
    await plain.stop();
  });
});
