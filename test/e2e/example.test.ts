// npm start, used like a new user does: the commands that it prints work when they are pasted.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { exec } from 'node:child_process';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../kit/weir.ts';
import { until } from '../kit/until.ts';

const shell = promisify(exec);

describe('npm start', () => {
  let out = '';
  let curls: string[];
  let base: string;
  let admin: string;
  const child = () => started!;
  let started: ReturnType<typeof spawn> | undefined;

  beforeAll(async () => {
    started = spawn(process.execPath, ['examples/start.ts'], {
      cwd: ROOT,
      env: { ...process.env, TOKEN_MS: '2' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await until('it has printed its instructions', () => out.includes('Ctrl-C ends it.'), 20_000);
    curls = [...out.matchAll(/^ {2}(curl .*)$/gm)].map((match) => match[1]!);
    base = /http:\/\/127\.0\.0\.1:\d+/.exec(curls[0]!)![0];
    admin = /http:\/\/127\.0\.0\.1:\d+/.exec(curls[2]!)![0];
  });
  afterAll(async () => {
    if (child().exitCode === null) {
      child().kill('SIGKILL');
      await once(child(), 'exit');
    }
  });

  it('prints the address of the web page first', async () => {
    const [first] = /http:\/\/127\.0\.0\.1:\d+\/\S*/.exec(out.slice(out.indexOf('client ──►')))!;
    expect(first).toBe(`${admin}/ui/`);
    const res = await fetch(first);
    expect(res.status).toBe(200);
    expect(res.headers.get('content-type')).toContain('text/html');
  });

  it('prints four curl commands', () => expect(curls).toHaveLength(4));

  it('prints a curl command that predicts and shows the request id', async () => {
    const { stdout } = await shell(`${curls[0]} -s`);
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(stdout).toMatch(/^X-Baseten-Request-Id: [0-9a-f]{37}\r$/im);
    const body = JSON.parse(stdout.split('\r\n\r\n')[1]!) as { output: string; tokens: number };
    expect(body.tokens).toBe(20);
    expect(body.output.split(' ').length).toBeGreaterThan(5);
  });

  it('prints a curl command that streams a chat, one token per chunk, then usage and [DONE]', async () => {
    const { stdout } = await shell(`${curls[1]} -s`);
    const events = stdout
      .trim()
      .split('\n\n')
      .map((event) => event.replace(/^data: /, ''));
    expect(events.at(-1)).toBe('[DONE]');
    const chunks = events.slice(0, -1).map(
      (event) =>
        JSON.parse(event) as {
          usage?: { completion_tokens: number };
          choices: { delta?: { content?: string } }[];
        },
    );
    expect(chunks.at(-1)!.usage!.completion_tokens).toBe(40);
    expect(chunks.filter((chunk) => chunk.choices[0]?.delta?.content).length).toBe(40);
  });

  it('prints a curl command that shows the metrics page', async () => {
    const { stdout } = await shell(`${curls[2]} -s`);
    expect(stdout).toMatch(
      /^baseten_inference_requests_total\{.*model_name="weir-ngram".*status_code="200".*\} \d+$/m,
    );
  });

  it('prints a curl command and a weir command that show the request log', async () => {
    const { logs } = JSON.parse((await shell(`${curls[3]} -s`)).stdout) as {
      logs: { kind: string; message: string }[];
    };
    expect(logs.map(({ message }) => message)).toContain('POST /v1/chat/completions 200');
    const command = /^ {2}(bin\/weir logs .*)$/m.exec(out)![1]!;
    const { stdout } = await shell(command, { cwd: ROOT });
    expect(stdout).toMatch(
      /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]: INFO {2}\(r0 [0-9a-f]{37}\) POST \/v1\/chat\/completions 200 [\d.]+m?s ttft [\d.]+m?s, 3 \+ 40 tokens$/m,
    );
  });

  it('serves an unmodified OpenAI client, with and without streaming, under the base URL of the contract', async () => {
    const client = new OpenAI({
      baseURL: `${base}/environments/production/sync/v1`,
      apiKey: 'none',
      maxRetries: 0,
    });
    const messages = [{ role: 'user' as const, content: 'When the flood' }];
    const plain = await client.chat.completions.create({
      model: 'weir-ngram',
      messages,
      max_tokens: 12,
      seed: 7,
    });
    expect(plain.usage!.completion_tokens).toBe(12);
    let streamed = '';
    const stream = await client.chat.completions.create({
      model: 'weir-ngram',
      messages,
      max_tokens: 12,
      seed: 7,
      stream: true,
    });
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? '';
    expect(streamed).toBe(plain.choices[0]!.message.content);
    const completion = await client.completions.create({
      model: 'weir-ngram',
      prompt: 'The keeper',
      max_tokens: 5,
    });
    expect(completion.choices[0]!.text.length).toBeGreaterThan(5);
    const raw = await client.models.list().withResponse();
    expect(raw.response.headers.get('x-baseten-request-id')).toMatch(/^[0-9a-f]{37}$/);
    await expect(client.chat.completions.create({ model: 'm', messages: [] })).rejects.toMatchObject({
      status: 400,
    });
  });

  it('stops the replica’s work when an OpenAI client leaves its stream', async () => {
    const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: 'weir-ngram',
      messages: [{ role: 'user', content: 'The river' }],
      max_tokens: 4000,
      stream: true,
    });
    for await (const _ of stream) break;
    await until('the replica has noticed', () => out.includes('client left'));
    await until('weir has counted it', async () =>
      (await (await fetch(`${admin}/metrics`)).text()).includes('cause="client_gone"'),
    );
  });

  it('ends with its replica on Ctrl-C', async () => {
    child().kill('SIGINT');
    const [code] = (await once(child(), 'exit')) as [number];
    expect(code).toBe(0);
    await expect(fetch(base)).rejects.toThrow('fetch failed');
  });
});
