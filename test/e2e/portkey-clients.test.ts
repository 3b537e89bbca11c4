// Portkey's own client, unmodified, and the commands of its guide, against weir.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, withChanges, type OpenAdmin } from '../kit/admin.ts';
import { call } from '../kit/client.ts';
import { clientsAreMissing, runClient } from '../kit/clients.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

const run = promisify(execFile);

afterEach(async () => {
  await stopAll();
  await closeAdmins();
  removeFolders();
});

type Json = Record<string, unknown>;

/** The key of the guide's examples. */
const KEY = 'YOUR_PORTKEY_API_KEY';

/** Inserts logs of January 2024, which the guide's examples export, and one of today. */
async function addLogs(admin: string): Promise<void> {
  const log = (model: string, time?: string) => ({
    request: { url: 'http://h/v1/chat/completions', body: { model } },
    response: { body: { model, usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } }, time },
  });
  const january = Array.from({ length: 30 }, (_, i) => log(`m${i}`, `2024-01-15T12:00:${i + 10}Z`));
  const { status, text } = await call(admin, '/v1/logs', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-portkey-api-key': KEY },
    body: JSON.stringify([...january, log('today')]),
  });
  expect(status, text).toBe(200);
}

const linesOf = (text: string): Json[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);

describe("Portkey's client", () => {
  it.skipIf(clientsAreMissing)('runs the script of the guide, unchanged, to its end', async () => {
    const weir = await startWeir([
      '--replica=http://127.0.0.1:9',
      '--logs-capture=full',
      `--admin-key=${KEY}`,
    ]);
    await addLogs(weir.admin);
    const cwd = folder();
    const env = { PORTKEY_BASE_URL: `${weir.admin}/v1` };
    const { code, stdout, stderr } = await runClient('portkey-guide.ts', env, [], 60_000, cwd);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Created export: .*\nExport started\nExport complete! /);
    const rows = linesOf(readFileSync(join(cwd, 'logs_export.jsonl'), 'utf8'));
    expect(rows.map((row) => row['ai_model'])).toEqual(Array.from({ length: 30 }, (_, i) => `m${i}`));
    // The client does not send requested_data, so the file has all fields.
    for (const row of rows) expect(Object.keys(row)).toHaveLength(17);
  });

  it.skipIf(clientsAreMissing)('gets what it expects from every call', async () => {
    const { url } = await startAdmin();
    const { code, stdout, stderr } = await runClient('portkey-calls.mjs', { KEY, BASE_URL: `${url}/v1` });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const told = linesOf(stdout) as { call: string; answer: Json; traceId?: string }[];
    const answers = new Map(told.map(({ call: name, answer }) => [name, answer]));
    for (const { call: name, traceId } of told) {
      if (name !== 'file' && name !== 'cancel') expect(traceId, name).toMatch(/./);
    }
    expect(answers.get('insert')).toMatchObject({ status: 'success' });
    expect(answers.get('insert a list')!['ids']).toHaveLength(2);
    expect(answers.get('get')).toMatchObject({
      request: { body: { model: 'm1' } },
      metrics: { trace_id: 't1', 'metadata.key': ['user'] },
    });
    expect(answers.get('create')).toMatchObject({ total: 3, object: 'export' });
    expect(answers.get('list')).toMatchObject({ object: 'list', total: 1 });
    expect(answers.get('list all')).toMatchObject({ total: 1 });
    expect(answers.get('update')).toMatchObject({ total: 2 });
    expect(answers.get('start')).toMatchObject({ message: 'Export started', object: 'export' });
    expect(answers.get('retrieve')).toMatchObject({
      status: 'success',
      exported_records: 2,
      workspace_id: 'ws-1',
      requested_data: ['res_units', 'ai_model', 'response_tokens'],
    });
    const rows = linesOf(String(answers.get('file')!['text']));
    expect(rows.map((row) => Object.entries(row))).toEqual(
      ['m1', 'm3'].map((model) => [
        ['res_units', null],
        ['ai_model', model],
        ['response_tokens', null],
      ]),
    );
    // It may have ended before.
    expect(String(answers.get('cancel')!['message'])).toMatch(/^Export cancelled$|cannot be cancelled$/);
    expect(answers.get('restrictions')).toMatchObject({ denied_fields: [] });
    expect(answers.get('feedback')!['feedback_ids']).toHaveLength(1);
    expect(answers.get('feedback list')!['feedback_ids']).toHaveLength(2);
    expect(answers.get('feedback update')!['feedback_ids']).toEqual(answers.get('feedback')!['feedback_ids']);
  });

  it.skipIf(clientsAreMissing)('throws the error of its own class with the text of weir', async () => {
    const main = '0123456789abcdef';
    let starts = 0;
    const server = await startAdmin({
      args: [`--admin-key=${main}`],
      wrap: (logs) => withChanges(logs, { post: () => Promise.resolve({ problem: 'queue_full' }) }),
    });
    server.exports.begin = () => {
      starts++;
      return Promise.reject(new Error('a bug'));
    };
    const env = {
      KEY: main,
      WRITE_KEY: await newKey(server, main, ['logs:write']),
      BASE_URL: `${server.url}/v1`,
    };
    const { code, stdout, stderr } = await runClient('portkey-errors.mjs', env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const told = linesOf(stdout);
    expect(told.map(({ name, thrown, status, message }) => [name, thrown, status, message])).toEqual([
      [
        'unknown filter',
        'BadRequestError',
        400,
        'filters.ai_modle is an unknown filter "ai_modle"; did you mean "ai_model"?',
      ],
      ['wrong key', 'AuthenticationError', 401, 'A valid key is required'],
      [
        'key without the scope',
        'PermissionDeniedError',
        403,
        'Access denied: this route needs scope logs:read, the key has logs:write',
      ],
      ['unknown export', 'NotFoundError', 404, 'export 6a1d0c7e-5a0f-4b35-9d6b-0b8a2a1c9e10 was not found'],
      ['wrong state', 'ConflictError', 409, expect.stringMatching(/is draft, so it cannot be cancelled$/)],
      [
        'full store',
        'RateLimitError',
        429,
        'Records arrive faster than they can be stored; try again later: nothing was stored',
      ],
      ['weir fails', 'InternalServerError', 500, 'Internal error'],
      ['id left out', 'NotFoundError', 404, 'feedback undefined was not found'],
    ]);
    for (const { message, body } of told)
      expect(body).toMatchObject({ message, success: false, error: { message } });
    // A client that gets no trace id sends the request again.
    expect(starts).toBe(1);
  });
});

async function newKey({ url }: OpenAdmin, main: string, scopes: string[]): Promise<string> {
  const { text } = await call(url, '/v1/keys', {
    method: 'POST',
    headers: { authorization: `Bearer ${main}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'k', scopes }),
  });
  return String((JSON.parse(text) as Json)['key']);
}

describe('the guide of Portkey', () => {
  /** The commands as the guide prints them; {…} is what a reader puts in. */
  const CREATE = `curl -X POST "https://api.portkey.ai/v1/logs/exports" \\
      -H "x-portkey-api-key: YOUR_PORTKEY_API_KEY" \\
      -H "Content-Type: application/json" \\
      -d '{
        "filters": {
          "created_at": {
            "gte": "2024-01-01T00:00:00Z",
            "lte": "2024-01-31T23:59:59Z"
          }
        },
        "requested_data": [
          "id",
          "trace_id",
          "created_at",
          "request",
          "response",
          "ai_provider",
          "ai_model",
          "request_tokens",
          "response_tokens",
          "total_tokens",
          "cost",
          "response_time",
          "status_code"
        ]
      }'`;
  const START = `curl -X POST "https://api.portkey.ai/v1/logs/exports/{export_id}/start" \\
      -H "x-portkey-api-key: YOUR_PORTKEY_API_KEY"`;
  const RETRIEVE = `curl "https://api.portkey.ai/v1/logs/exports/{export_id}" \\
      -H "x-portkey-api-key: YOUR_PORTKEY_API_KEY"`;
  const DOWNLOAD = `curl "https://api.portkey.ai/v1/logs/exports/{export_id}/download" \\
      -H "x-portkey-api-key: YOUR_PORTKEY_API_KEY"`;
  const FILE = `curl -o logs_export.jsonl "{signed_download_url}"`;

  it('has commands that work with the address of weir', async () => {
    const weir = await startWeir([
      '--replica=http://127.0.0.1:9',
      '--logs-capture=full',
      `--admin-key=${KEY}`,
    ]);
    await addLogs(weir.admin);
    const cwd = folder();
    let id = '';
    let url = '';
    const shell = async (command: string): Promise<Json> => {
      const real = command
        .replaceAll('https://api.portkey.ai', weir.admin)
        .replaceAll('{export_id}', id)
        .replaceAll('{signed_download_url}', url);
      const { stdout } = await run('sh', ['-c', real], { cwd });
      return stdout === '' ? {} : (JSON.parse(stdout) as Json);
    };
    const created = await shell(CREATE);
    expect(created).toMatchObject({ total: 30, object: 'export' });
    id = String(created['id']);
    expect(await shell(START)).toEqual({ message: 'Export started', object: 'export' });
    await until('the export succeeds', async () => (await shell(RETRIEVE))['status'] === 'success');
    url = String((await shell(DOWNLOAD))['url']);
    await shell(FILE);
    const rows = linesOf(readFileSync(join(cwd, 'logs_export.jsonl'), 'utf8'));
    expect(rows).toHaveLength(30);
    expect(Object.keys(rows[0]!).join()).toBe(
      'id,trace_id,created_at,request,response,ai_provider,ai_model,request_tokens,response_tokens,total_tokens,cost,response_time,status_code',
    );
    expect(rows[0]).toMatchObject({ ai_model: 'm0', total_tokens: 12, ai_provider: 'openai' });
  });
});

describe('recorded calls of the client', () => {
  const RECORDED = linesOf(
    readFileSync(new URL('../fixtures/portkey-calls.jsonl', import.meta.url), 'utf8'),
  ) as { method: string; path: string; body: unknown; answer: Json }[];

  /** The answer has every key of the recorded one, with a value of the same type. What the client sent is its own. */
  function expectShape(answer: unknown, recorded: unknown, path: string): void {
    expect(Array.isArray(answer), path).toBe(Array.isArray(recorded));
    expect(typeof answer, path).toBe(typeof recorded);
    if (Array.isArray(recorded)) {
      if (recorded.length > 0 && typeof recorded[0] === 'object')
        expectShape((answer as unknown[])[0], recorded[0], `${path}[0]`);
    } else if (typeof recorded === 'object' && recorded !== null && !path.endsWith('.filters'))
      for (const [name, value] of Object.entries(recorded))
        expectShape((answer as Json)[name], value, `${path}.${name}`);
  }

  it('get answers of the recorded shape', async () => {
    const server = await startAdmin();
    const { exports } = server;
    const ids = new Map<string, string>();
    const real = (text: string): string =>
      text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => ids.get(name) ?? whole);
    const send = async (method: string, path: string, body: unknown): Promise<Json> => {
      const { status, text } = await call(server.url, real(path), {
        method,
        headers: { 'content-type': 'application/json', 'x-portkey-api-key': 'pk-test' },
        ...(body === null ? {} : { body: real(JSON.stringify(body)) }),
      });
      expect(status, `${method} ${path}: ${text}`).toBe(200);
      return JSON.parse(text) as Json;
    };
    const idle = () =>
      until('no export runs', () => exports.list().every(({ state }) => state !== 'in_progress'));
    for (const { method, path, body, answer } of RECORDED) {
      // The recorded answers came from a server that knows no states.
      if (method === 'PUT' && path.includes('export')) {
        await idle();
        ids.set('export', String((await send('POST', '/v1/logs/exports', {}))['id']));
      }
      if (path.endsWith('/cancel')) exports.cancel = async (id) => exports.get(id)!;
      if (path.endsWith('/download')) {
        await exports.begin(ids.get('export')!);
        await idle();
      }
      const got = await send(method, path, body);
      expectShape(got, answer, `${method} ${path}`);
      if (method !== 'POST') continue;
      if (path === '/v1/logs/exports') ids.set('export', String(got['id']));
      if (path === '/v1/logs') ids.set('log', (got['ids'] as string[])[0]!);
      if (path === '/v1/feedback') ids.set('feedback', (got['feedback_ids'] as string[])[0]!);
    }
    expect(RECORDED).toHaveLength(15);
  });
});
