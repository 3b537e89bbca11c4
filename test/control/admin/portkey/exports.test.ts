// Portkey's export API over HTTP with a real store and real export jobs.
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { LogRecord, SearchQuery } from '../../../../src/telemetry/logs/logs.ts';
import { closeAdmins, startAdmin, type OpenAdmin, type StartAdminOptions } from '../../../kit/admin.ts';
import { call, RawClient, type ClientResponse } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

type Json = Record<string, unknown>;

interface Answer {
  readonly status: number;
  readonly headers: ClientResponse['headers'];
  readonly json: Json;
}

async function ask(
  { url }: Pick<OpenAdmin, 'url'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await call(url, path, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.headers['content-type']).toBe('application/json');
  expect(response.headers['x-portkey-trace-id']).toMatch(/./);
  return { ...response, json: JSON.parse(response.text) as Json };
}

const PATH = '/v1/logs/exports';

/** One log that the tests insert: name of its model, and what is different about it. */
const log = (model: string, more: { metadata?: object; response?: object; request?: object } = {}) => ({
  request: { url: 'http://h/v1/chat/completions', body: { model }, ...more.request },
  response: {
    body: {
      model,
      choices: [{ index: 0, message: { content: 'Hi' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
    },
    response_time: 20,
    ...more.response,
  },
  metadata: more.metadata ?? {},
});

async function insert(server: OpenAdmin, logs: readonly object[]): Promise<string[]> {
  const { status, json } = await ask(server, 'POST', '/v1/logs', logs, { 'x-portkey-api-key': 'k' });
  expect(status).toBe(200);
  return json['ids'] as string[];
}

async function createdId(server: OpenAdmin, body: object, headers = {}): Promise<string> {
  const { status, json } = await ask(server, 'POST', PATH, body, headers);
  expect(status, JSON.stringify(json)).toBe(200);
  return String(json['id']);
}

/** Starts an export, waits for its end and returns it. */
async function run(server: OpenAdmin, id: string): Promise<Json> {
  expect((await ask(server, 'POST', `${PATH}/${id}/start`)).json).toEqual({
    message: 'Export started',
    object: 'export',
  });
  return until(`export ${id} ends`, async () => {
    const { json } = await ask(server, 'GET', `${PATH}/${id}`);
    return json['status'] === 'in_progress' ? undefined : json;
  });
}

/** Path and query of the signed URL of an export. */
async function filePath(server: OpenAdmin, id: string): Promise<string> {
  const { status, json } = await ask(server, 'GET', `${PATH}/${id}/download`);
  expect(status).toBe(200);
  expect(json['url']).toBe(json['signed_url']);
  const { origin, pathname, search } = new URL(String(json['url']));
  expect(origin).toBe(server.url);
  return pathname + search;
}

/** The rows of an export with this body. */
async function rowsOf(server: OpenAdmin, body: object): Promise<Json[]> {
  const id = await createdId(server, body);
  expect(await run(server, id)).toMatchObject({ status: 'success', error: null });
  const { status, text } = await call(server.url, await filePath(server, id));
  expect(status).toBe(200);
  return text.trimEnd() === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Json);
}

/** The models of the records that the query of an export with these filters finds, which is what its job reads. */
async function modelsOf(server: OpenAdmin, filters: object): Promise<unknown[]> {
  const id = await createdId(server, { filters, requested_data: ['ai_model'] });
  const { query, total } = server.exports.get(id)!;
  const records: LogRecord[] = [];
  let after: SearchQuery['after'];
  // A page may end early on a busy machine.
  do {
    const page = await server.logs.page({
      node: query.node,
      fromNs: BigInt(query.fromMs) * 1_000_000n,
      toNs: BigInt(query.toMs) * 1_000_000n + 999_999n,
      direction: 'up',
      after,
      limit: 100,
    });
    records.push(...page.records);
    after = page.next;
  } while (after !== undefined);
  expect(total).toBe(records.length);
  return records.map(({ attributes }) => (JSON.parse(attributes) as Json)['model']);
}

/** The create is refused with 400 and this message. */
async function expectRefused(server: OpenAdmin, body: object, message: RegExp | string): Promise<void> {
  const { status, json } = await ask(server, 'POST', PATH, body);
  expect(status).toBe(400);
  if (typeof message === 'string') expect(json['message']).toBe(message);
  else expect(json['message']).toMatch(message);
  expect(json['error']).toMatchObject({ type: 'invalid_request', code: '400', message: json['message'] });
}

describe('an export', () => {
  it('is created, started and downloaded, with all fields of the guide if none are asked for', async () => {
    const server = await startAdmin();
    const [id] = await insert(server, [log('m', { metadata: { traceId: 't1', _user: 'u' } })]);
    const created = await ask(server, 'POST', PATH, {
      filters: {},
      description: 'demo',
      workspace_id: 'ws-1',
    });
    expect(created.json).toEqual({ id: created.json['id'], total: 1, object: 'export' });
    const exportId = String(created.json['id']);
    const draft = await ask(server, 'GET', `${PATH}/${exportId}`);
    expect(draft.json).toEqual({
      id: exportId,
      organisation_id: expect.any(String) as string,
      filters: {},
      requested_data: [],
      status: 'draft',
      description: 'demo',
      created_at: expect.any(String) as string,
      last_updated_at: expect.any(String) as string,
      created_by: expect.any(String) as string,
      created_by_name: null,
      workspace_id: 'ws-1',
      total_records: 1,
      object: 'export',
      error: null,
      exported_records: 0,
      missed_records: 0,
      is_total_exact: true,
      bytes: 0,
      sha256: null,
      format: 'jsonl',
      expires_at: null,
      has_file: false,
      history: [{ at: expect.any(String) as string, status: 'draft', error: null }],
    });
    const done = await run(server, exportId);
    const { text, body, headers } = await call(server.url, await filePath(server, exportId));
    expect(headers['content-type']).toBe('application/x-ndjson');
    expect(headers['content-disposition']).toBe(`attachment; filename="logs_export_${exportId}.jsonl"`);
    expect(done).toMatchObject({
      status: 'success',
      exported_records: 1,
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
      expires_at: expect.any(String) as string,
      has_file: true,
    });
    const history = done['history'] as { status: string }[];
    expect(history.map(({ status }) => status)).toEqual(['draft', 'in_progress', 'success']);
    const row = JSON.parse(text) as Json;
    expect(Object.keys(row)).toEqual([
      'id',
      'trace_id',
      'created_at',
      'request',
      'response',
      'ai_provider',
      'ai_model',
      'request_tokens',
      'response_tokens',
      'total_tokens',
      'cost',
      'cost_currency',
      'response_time',
      'status_code',
      'config',
      'prompt_slug',
      'metadata',
    ]);
    expect(row).toMatchObject({
      id,
      trace_id: 't1',
      request: { model: 'm' },
      response: { choices: [{ message: { content: 'Hi' } }] },
      ai_provider: 'openai',
      ai_model: 'm',
      request_tokens: 9,
      response_tokens: 3,
      total_tokens: 12,
      cost: null,
      response_time: 20,
      status_code: 200,
      config: null,
      metadata: { _user: 'u' },
    });
  });

  it('has the fields in the order and spelling that were asked for, null where there is none', async () => {
    const server = await startAdmin();
    await insert(server, [log('m')]);
    const requested_data = [
      'total_units',
      'total_tokens',
      'ai_org',
      'ai_provider',
      'response_status_code',
      'status_code',
      'req_units',
      'res_units',
      'is_success',
      'request_url',
      'mode',
      'metadata',
      'id',
    ];
    const [row] = await rowsOf(server, { requested_data });
    expect(Object.keys(row!)).toEqual(requested_data);
    expect(row).toMatchObject({
      total_units: 12,
      total_tokens: 12,
      is_success: 1,
      mode: null,
      metadata: null,
    });
    expect(row!['request_url']).toBe('http://h/v1/chat/completions');
  });

  it('is written as JSON, CSV or Parquet if its format says so', async () => {
    const server = await startAdmin();
    await insert(server, [log('m1'), log('m2')]);
    const bodies = new Map<string, ClientResponse>();
    for (const format of ['json', 'csv', 'parquet']) {
      const id = await createdId(server, { requested_data: ['ai_model'], format });
      expect(await run(server, id)).toMatchObject({ status: 'success', format });
      bodies.set(format, await call(server.url, await filePath(server, id)));
    }
    expect(JSON.parse(bodies.get('json')!.text)).toEqual([{ ai_model: 'm1' }, { ai_model: 'm2' }]);
    expect(bodies.get('csv')!.text.split(/\r?\n/).slice(0, 3)).toEqual(['ai_model', 'm1', 'm2']);
    expect(bodies.get('csv')!.headers['content-disposition']).toMatch(/\.csv"$/);
    expect(bodies.get('parquet')!.body.subarray(0, 4).toString()).toBe('PAR1');
    await expectRefused(server, { format: 'xml' }, 'format must be one of jsonl, json, csv, parquet');
  });

  it('can be updated while it is a draft, and not while it runs or after success', async () => {
    const server = await startAdmin();
    await insert(server, [log('m1'), log('m2')]);
    const id = await createdId(server, { filters: {} });
    const body = { export_id: id, filters: { ai_model: 'm2' }, requested_data: ['ai_model'] };
    expect((await ask(server, 'PUT', `${PATH}/${id}`, body)).json).toEqual({
      id,
      total: 1,
      object: 'export',
    });
    expect(await run(server, id)).toMatchObject({
      filters: { ai_model: 'm2' },
      requested_data: ['ai_model'],
    });
    const late = await ask(server, 'PUT', `${PATH}/${id}`, body);
    expect(late.status).toBe(409);
    expect(late.json['message']).toBe(`export ${id} is success, so it cannot be updated`);
    expect((await ask(server, 'POST', `${PATH}/${id}/start`)).status).toBe(409);
    expect((await ask(server, 'POST', `${PATH}/${id}/cancel`)).status).toBe(409);
    expect((await ask(server, 'PUT', `${PATH}/${id}`, { filters: { ai_modle: 'x' } })).status).toBe(400);
  });

  it('is listed, newest first, in pages', async () => {
    const server = await startAdmin();
    const ids: string[] = [];
    for (const description of ['a', 'b', 'c']) ids.unshift(await createdId(server, { description }));
    const list = async (query: string) => (await ask(server, 'GET', `${PATH}${query}`)).json;
    const idsOf = (json: Json) => (json['data'] as Json[]).map(({ id }) => id);
    const all = await list('');
    expect(all).toMatchObject({ object: 'list', total: 3 });
    expect(idsOf(all)).toEqual(ids);
    const page = await list('?workspace_id=ws-1&page_size=2&current_page=1');
    expect(page).toMatchObject({ total: 3 });
    expect(idsOf(page)).toEqual(ids.slice(2));
    expect(idsOf(await list('?status=draft'))).toEqual(ids);
    expect(idsOf(await list('?status=failed'))).toEqual([]);
    for (const [query, text] of [
      ['page_size=0', 'page_size: must be a whole number from 1 to 100'],
      ['current_page=-1', 'current_page: must be a whole number from 0'],
      ['pagesize=1', 'unknown parameter "pagesize"; did you mean "page_size"?'],
      ['status=done', 'status: unknown state "done"; known states: draft, in_progress'],
    ])
      expect((await ask(server, 'GET', `${PATH}?${query}`)).json['message']).toContain(text);
  });

  it('that is created twice within seconds is one export', async () => {
    const server = await startAdmin();
    const body = { filters: { ai_model: 'm' }, requested_data: ['id'] };
    const [one, two] = await Promise.all([createdId(server, body), createdId(server, body)]);
    expect(two).toBe(one);
    expect(await createdId(server, { ...body, requested_data: ['cost'] })).not.toBe(one);
  });

  it('that is unknown is a 404 with the id in its message', async () => {
    const server = await startAdmin();
    const { status, json } = await ask(server, 'GET', `${PATH}/6a1d0c7e-5a0f-4b35-9d6b-0b8a2a1c9e10`);
    expect(status).toBe(404);
    const message = 'export 6a1d0c7e-5a0f-4b35-9d6b-0b8a2a1c9e10 was not found';
    expect(json).toEqual({
      message,
      status: 'failure',
      success: false,
      error: { message, type: 'not_found', param: 'exportId', code: '404' },
    });
  });

  it('without logs.capture is refused with a clear text', async () => {
    const server = await startAdmin({ deps: { exports: undefined } });
    const { status, json } = await ask(server, 'POST', PATH, {});
    expect(status).toBe(404);
    expect(json['message']).toBe('Nothing is recorded, since logs.capture is off: set it to metadata');
  });
});

describe('an id that the client has left out', () => {
  it('is that of the body, one character a key, or export_id', async () => {
    const server = await startAdmin();
    const first = await createdId(server, { description: '1' });
    const second = await createdId(server, { description: '2' });
    await createdId(server, { description: '3' });
    const start = (body: unknown) => ask(server, 'POST', `${PATH}/undefined/start`, body);
    expect((await start(Object.fromEntries(Array.from(first).entries()))).status).toBe(200);
    expect((await start({ export_id: second })).status).toBe(200);
    for (const id of [first, second])
      expect((await ask(server, 'GET', `${PATH}/${id}`)).json['status']).not.toBe('draft');
  });

  it('is not another export if the one of the body is unknown', async () => {
    const server = await startAdmin();
    const last = await createdId(server, {});
    const unknown = last.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    for (const body of [{ export_id: unknown }, Object.fromEntries(Array.from(unknown).entries())])
      expect((await ask(server, 'POST', `${PATH}/undefined/start`, body)).status).toBe(404);
    expect((await ask(server, 'GET', `${PATH}/${last}`)).json['status']).toBe('draft');
  });

  it('is the export that was created or started last with this key', async () => {
    const server = await startAdmin();
    const first = await createdId(server, { description: '1' });
    const second = await createdId(server, { description: '2' });
    const latest = async () => (await ask(server, 'GET', `${PATH}/undefined`)).json['id'];
    expect(await latest()).toBe(second);
    await run(server, first);
    expect(await latest()).toBe(first);
    expect((await ask(server, 'GET', `${PATH}/undefined/download`)).status).toBe(200);
  });

  it('is explained if there is none', async () => {
    const server = await startAdmin();
    const { status, json } = await ask(server, 'GET', `${PATH}/undefined`);
    expect(status).toBe(404);
    expect(json['message']).toBe(
      'export id is missing: portkey-ai takes an object, e.g. retrieve({ exportId })',
    );
  });
});

describe('filters', () => {
  const some = async (options: StartAdminOptions = {}) => {
    const server = await startAdmin(options);
    await call(server.url, '/v1/prices', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prices: [{ model: 'dear', input: 1000, output: 1000 }] }),
    });
    const usage = (total_tokens: number) => ({
      body: { model: 'long', usage: { prompt_tokens: total_tokens - 1, completion_tokens: 1, total_tokens } },
    });
    await insert(server, [
      log('old', { response: { body: {}, time: '2024-01-31T23:59:59.999Z' } }),
      log('long', { response: usage(1000) }),
      log('dear', { metadata: { trace_id: 't1', env: 'dev', user: { id: 7 } } }),
      log('bad', { response: { status: 503 }, request: { provider: 'azure' } }),
    ]);
    return server;
  };

  it('by time take both spellings, and a bare date as its end', async () => {
    const server = await some();
    const january = [
      { created_at: { gte: '2024-01-01T00:00:00Z', lte: '2024-01-31T23:59:59.999Z' } },
      { time_of_generation_min: '2024-01-31', time_of_generation_max: '2024-01-31' },
      { created_at: { lt: '2024-02-01' } },
      { created_at: { gt: '2024-01-31T23:59:59.978Z', lte: 1706745600 } },
    ];
    for (const filters of january) expect(await modelsOf(server, filters)).toEqual(['old']);
    expect(await modelsOf(server, { created_at: { lte: '2024-01-30' } })).toEqual([]);
    expect(await modelsOf(server, { created_at: { gte: '2024-02-01' } })).toHaveLength(3);
    expect(
      await modelsOf(server, { created_at: { gte: '2024-01-01' }, time_of_generation_max: '2024-01-01' }),
    ).toEqual([]);
  });

  it('by tokens, cost, status, model, trace and metadata', async () => {
    const server = await some();
    for (const [filters, models] of [
      [{ total_units_min: 1000 }, ['long']],
      [{ total_tokens: { gte: '13', lt: 2000 } }, ['long']],
      [{ prompt_token_max: 9 }, ['dear', 'bad']],
      [{ completion_token_min: 3, completion_token_max: 3 }, ['dear', 'bad']],
      [{ cost_min: 1.2 }, ['dear']],
      [{ cost_min: 1.2, cost_max: 1.2 }, ['dear']],
      [{ cost_max: 1.1 }, []],
      [{ status_code: '503, 404' }, ['bad']],
      [{ status_code: 503 }, ['bad']],
      [{ status_code: ['2xx'] }, ['old', 'long', 'dear']],
      [{ ai_model: 'long, old' }, ['old', 'long']],
      [{ ai_model: ['long', 'old'] }, ['old', 'long']],
      [{ ai_org_model: 'openai__long, azure__bad' }, ['long', 'bad']],
      [{ ai_org_model: 'openai__bad' }, []],
      [{ trace_id: 't1,t2' }, ['dear']],
      [{ metadata: { env: 'dev' } }, ['dear']],
      [{ metadata: { env: 'dev', 'user.id': '7' } }, ['dear']],
      [{ metadata: { env: ['prod', 'dev'] } }, ['dear']],
      [{ metadata: { env: 'dev', team: 'x' } }, []],
      [{ virtual_keys: 'v' }, []],
      [{ query: 'status>=500 OR model:old' }, ['old', 'bad']],
      [{ ai_model: null, prompt_slug: null }, ['old', 'long', 'dear', 'bad']],
    ] as const)
      expect(await modelsOf(server, filters), JSON.stringify(filters)).toEqual(models);
  });

  it('page_size and current_page select rows of the file, in the order of storing', async () => {
    const server = await some();
    for (const [filters, models] of [
      [{ page_size: 2, current_page: 1 }, ['dear', 'bad']],
      [{ page_size: '1' }, ['old']],
    ] as const) {
      const rows = await rowsOf(server, { filters, requested_data: ['ai_model'] });
      expect(rows.map((row) => row['ai_model'])).toEqual(models);
    }
  });

  it('by feedback use value × weight', async () => {
    const server = await some();
    await ask(server, 'POST', '/v1/feedback', { trace_id: 't1', value: 5, weight: 0.5 });
    expect(await modelsOf(server, { weighted_feedback_min: 2.5 })).toEqual(['dear']);
    expect(await modelsOf(server, { weighted_feedback_max: 2.4 })).toEqual([]);
  });

  it('that are unknown or have a wrong value are refused, with the nearest name', async () => {
    const server = await startAdmin();
    for (const [filters, message] of [
      [{ ai_modle: 'x' }, 'filters.ai_modle is an unknown filter "ai_modle"; did you mean "ai_model"?'],
      [{ created_at: { from: '2024' } }, 'filters.created_at.from is unknown; use gte, lte, gt or lt'],
      [{ created_at: '2024-01-01' }, 'filters.created_at must be an object with gte, lte, gt or lt'],
      [{ created_at: { gte: '2024-02-31' } }, /^filters\.created_at\.gte invalid time "2024-02-31"/],
      [{ created_at: { gte: '2024-02-01', lte: '2024-01-01' } }, 'filters.created_at ends before it begins'],
      [{ cost_min: 'much' }, 'filters.cost_min must be a number'],
      [{ status_code: 'ok' }, 'filters.status_code must be a status such as 200 or 5xx'],
      [{ ai_model: '' }, /^filters\.ai_model must be a text with commas/],
      [{ ai_model: {} }, /^filters\.ai_model must be a text with commas/],
      [{ ai_org_model: 'gpt' }, 'filters.ai_org_model must be provider__model, such as openai__gpt-4o'],
      [
        { metadata: { a: {} } },
        'filters.metadata.a must be a text, a number, true or false, or a list of these',
      ],
      [{ page_size: 50_001 }, 'filters.page_size must be at most 50000 (export_jobs.max_rows)'],
      [{ page_size: 0 }, 'filters.page_size must be a whole number from 1'],
      [{ query: 'level:wran' }, /^filters\.query .*unknown level "wran"/],
      [[], 'filters must be an object'],
      [
        { ['x'.repeat(9000)]: 1 },
        /^filters\.x{80} is an unknown filter "x{80}"; known filters: .{100,1000}$/,
      ],
      [{ metadata: { ['x'.repeat(9000)]: 1 } }, /^filters\.metadata\.x{71} has a name of more than 256/],
    ] as const)
      await expectRefused(server, { filters }, message);
    expect((await ask(server, 'GET', PATH)).json['total']).toBe(0);
  });

  it('with more values than a search can compare are refused, and the largest ones are not', async () => {
    const server = await some();
    const values = (count: number): string[] => Array.from({ length: count }, (_, i) => `v${i}`);
    const names = (count: number) => Object.fromEntries(values(count).map((name) => [name, 'x']));
    const large = { ai_model: values(500), ai_org_model: values(500).map((one) => `openai__${one}`) };
    expect(await modelsOf(server, { ...large, metadata: names(1000) })).toEqual([]);
    const message = 'filters have 2001 values; at most 2000 are allowed';
    await expectRefused(server, { filters: { ...large, metadata: names(1001) } }, message);
    await expectRefused(server, { filters: { metadata: names(2001) } }, message);
  });

  it('that are too long are refused', async () => {
    const server = await startAdmin();
    const { status, json } = await ask(server, 'POST', PATH, { filters: { query: ' '.repeat(2 ** 17) } });
    expect(status).toBe(413);
    expect(json['message']).toMatch(/the limit is 131072 bytes/);
  });
});

describe('fields', () => {
  it('that are unknown are refused, and so is an empty list', async () => {
    const server = await startAdmin();
    await expectRefused(
      server,
      { requested_data: ['id', 'ai_modl'] },
      'requested_data has an unknown field "ai_modl"; did you mean "ai_model"?',
    );
    await expectRefused(server, { requested_data: [] }, /^requested_data is empty/);
    await expectRefused(server, { requested_data: 'id' }, 'requested_data must be a list of fields');
  });

  it('that the settings deny cannot be exported under any name', async () => {
    const server = await startAdmin({ args: ['--admin-denied-export-fields=request,ai_org'] });
    await insert(server, [log('m')]);
    const denied_fields = ['request', 'ai_provider', 'ai_org'];
    expect((await ask(server, 'GET', `${PATH}/field-restrictions?workspace_id=ws-1`)).json).toEqual({
      object: 'field-restrictions',
      denied_fields,
      deniedFields: denied_fields,
    });
    await expectRefused(
      server,
      { requested_data: ['id', 'ai_provider', 'request'] },
      'requested_data has fields that may not be exported: ai_provider, request',
    );
    const [row] = await rowsOf(server, {});
    expect(Object.keys(row!)).toHaveLength(15);
    for (const name of denied_fields) expect(row).not.toHaveProperty(name);
  });
});

describe('the file', () => {
  const exported = async () => {
    const server = await startAdmin();
    await insert(
      server,
      Array.from({ length: 50 }, (_, i) => log(`model-${i}`)),
    );
    const id = await createdId(server, { requested_data: ['id', 'ai_model'] });
    await run(server, id);
    const path = await filePath(server, id);
    const { body } = await call(server.url, path);
    return { server, id, path, body };
  };

  it('is sent in parts, whole, or compressed, as the client asks', async () => {
    const { server, path, body } = await exported();
    const get = (headers: Record<string, string>, method = 'GET') =>
      call(server.url, path, { headers, method });
    const size = body.length;
    for (const [range, from, to] of [
      ['bytes=10-19', 10, 20],
      ['bytes=10-', 10, size],
      ['bytes=-7', size - 7, size],
      [`bytes=0-${size * 2}`, 0, size],
    ] as const) {
      const part = await get({ range });
      expect(part.status).toBe(206);
      expect(part.headers['content-range']).toBe(`bytes ${from}-${to - 1}/${size}`);
      expect(part.body).toEqual(body.subarray(from, to));
    }
    const beyond = await get({ range: `bytes=${size}-` });
    expect(beyond.status).toBe(416);
    expect(beyond.headers['content-range']).toBe(`bytes */${size}`);
    for (const range of ['bytes=5-4', 'bytes=0-1,3-4', 'lines=1-2'])
      expect((await get({ range })).body).toEqual(body);
    const { etag } = (await get({})).headers;
    expect((await get({ range: 'bytes=0-1', 'if-range': String(etag) })).status).toBe(206);
    expect((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).status).toBe(200);
    const packed = await get({ 'accept-encoding': 'gzip, deflate' });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(packed.body)).toEqual(body);
    for (const none of ['gzip;q=0', 'identity', 'gzip; q=0.0'])
      expect((await get({ 'accept-encoding': none })).headers).not.toHaveProperty('content-encoding');
    const head = await get({}, 'HEAD');
    expect(head.headers['content-length']).toBe(String(size));
    expect(head.body).toHaveLength(0);
  });

  it('is served without a key if the URL is unchanged and has not expired', async () => {
    const { server, path } = await exported();
    const [file, query] = path.split('?') as [string, string];
    const params = new URLSearchParams(query);
    const later = String(Number(params.get('expires')) + 1);
    const other = await createdId(server, { description: 'other' });
    for (const changed of [
      file,
      `${file}?expires=${later}&signature=${params.get('signature')}`,
      `${file}?${query}&x=1`,
      `${file}?expires=${params.get('expires')}&signature=AAAA`,
      `${PATH}/${other}/file?${query}`,
    ]) {
      const { status, json } = await ask(server, 'GET', changed);
      expect(status).toBe(403);
      expect(json['error']).toMatchObject({ type: 'forbidden' });
      expect(json['message']).toMatch(/is not signed|signature of the URL is wrong/);
    }
    expect((await call(server.url, path.replace('/v1/', '/v1//'))).status).toBe(200);
  });

  it('is refused with a URL that has expired', async () => {
    const server = await startAdmin({ args: ['--export-jobs-url-lifetime=10s'] });
    const id = await createdId(server, {});
    await run(server, id);
    const path = await filePath(server, id);
    const now = Date.now;
    try {
      Date.now = () => now() + 12_000;
      const { status, json } = await ask(server, 'GET', path);
      expect(status).toBe(403);
      expect(json['message']).toMatch(/has expired/);
    } finally {
      Date.now = now;
    }
  });

  it('is not there before the export has succeeded', async () => {
    const server = await startAdmin();
    const id = await createdId(server, {});
    const { status, json } = await ask(server, 'GET', `${PATH}/${id}/download`);
    expect(status).toBe(409);
    expect(json['message']).toBe(`export ${id} is draft, so it cannot be downloaded`);
  });
});

describe('keys', () => {
  const MAIN = '0123456789abcdef';
  const withKeys = async () => {
    const server = await startAdmin({ args: [`--admin-key=${MAIN}`], path: folder() });
    const key = async (scopes: string[]) => {
      const { json } = await createKey(server, scopes);
      return { 'x-portkey-api-key': String(json['key']) };
    };
    return { server, key };
  };
  const createKey = async ({ url }: OpenAdmin, scopes: string[]) => {
    const { text } = await call(url, '/v1/keys', {
      method: 'POST',
      headers: { authorization: `Bearer ${MAIN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: scopes.join(), scopes }),
    });
    return { json: JSON.parse(text) as Json };
  };

  it('see the exports that they have created, an admin key all', async () => {
    const { server, key } = await withKeys();
    const [ann, bob] = [await key(['logs:read']), await key(['logs:read'])];
    const main = { authorization: `Bearer ${MAIN}` };
    const id = await createdId(server, { description: 'a' }, ann);
    const get = (headers: Record<string, string>, path = `/${id}`) =>
      ask(server, 'GET', `${PATH}${path}`, undefined, headers);
    expect((await get(ann)).status).toBe(200);
    expect((await get(main)).json['created_by_name']).toBe('logs:read');
    expect((await get(bob)).status).toBe(404);
    expect((await get(bob, '/undefined')).status).toBe(404);
    expect((await get(ann, '/undefined')).json['id']).toBe(id);
    for (const action of ['start', 'cancel'])
      expect((await ask(server, 'POST', `${PATH}/${id}/${action}`, {}, bob)).status).toBe(404);
    expect((await ask(server, 'PUT', `${PATH}/${id}`, {}, bob)).status).toBe(404);
    expect((await get(bob, '')).json['total']).toBe(0);
    expect((await get(ann, '')).json['total']).toBe(1);
    expect((await get(main, '')).json['total']).toBe(1);
  });

  it('need the scope logs:read', async () => {
    const { server, key } = await withKeys();
    const wrong = await ask(server, 'GET', PATH, undefined, { 'x-portkey-api-key': 'wrong' });
    expect(wrong.status).toBe(401);
    expect(wrong.json).toMatchObject({ message: 'A valid key is required', error: { type: 'unauthorized' } });
    const denied = await ask(server, 'POST', PATH, {}, await key(['logs:write']));
    expect(denied.status).toBe(403);
    expect(denied.json['message']).toContain('needs scope logs:read, the key has logs:write');
  });
});

describe('the routes', () => {
  it('have the same answers without /v1 and with double slashes, and take a start without a body', async () => {
    const server = await startAdmin();
    for (const path of ['/logs/exports', '/v1//logs/exports', '//logs//exports']) {
      const { status, json } = await ask(server, 'POST', path, { description: path });
      expect(status).toBe(200);
      // As curl -X POST: without Content-Length and Content-Type.
      const client = new RawClient(server.port);
      client.send(`POST ${path}/${String(json['id'])}/start HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      expect(await client.expectReceived('"Export started"')).toMatch(/^HTTP\/1\.1 200 OK/);
      client.socket.destroy();
    }
  });

  it('refuse a body that is not a JSON object', async () => {
    const server = await startAdmin();
    await expectRefused(server, [1], 'The body is not a JSON object');
    const { status, text } = await call(server.url, PATH, { method: 'POST', body: '{"filters":' });
    expect(status).toBe(400);
    expect((JSON.parse(text) as Json)['message']).toMatch(/^The body is not valid JSON/);
  });
});
