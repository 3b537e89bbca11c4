// Body capture with the real binary, in front of a language model. For other servers: contract/capture.ts.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, type ClientResponse } from '../kit/client.ts';
import { folder, removeFolders, write } from '../kit/folder.ts';
import { expectRequestRecord } from '../kit/stored-records.ts';
import { freePort } from '../kit/port.ts';
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
    // The bodies of other routes are not stored; what the model did is.
    const other = await client.completions.create({ ...ask, prompt: 'the water' }).withResponse();
    const third = await expectRequestRecord(data, other.response.headers.get(ID)!);
    expect(third).toMatchObject({ request: undefined, response: undefined, status: 200 });
    expect(third.fields).not.toHaveProperty('has_bodies');
    expect(third.fields).toMatchObject({ output_tokens: 12, model: 'weir-ngram', finish_reason: 'length' });
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
