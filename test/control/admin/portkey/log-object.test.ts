// GET /v1/logs/{id} with the fields of a log of Portkey.
import { afterEach, expect, it } from 'vitest';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

it('returns a single log in the form of Portkey, and of weir', async () => {
  const server = await startAdmin();
  const body = {
    request: { url: 'http://h/v1/chat/completions', headers: { a: 'b' }, body: { model: 'm' } },
    response: {
      status: 200,
      headers: { c: 'd' },
      response_time: 20.5,
      body: { model: 'm2', usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } },
    },
    metadata: { trace_id: 't1', span_id: 's1', span_name: 'n', user: 'u', count: 7 },
  };
  const inserted = await call(server.url, '/v1/logs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const [id] = (JSON.parse(inserted.text) as { ids: string[] }).ids;
  for (const path of [`/v1/logs/${id}`, `/logs/${id}`, '/v1/logs/t1']) {
    const { status, text, headers } = await call(server.url, path);
    expect(status).toBe(200);
    expect(headers['x-portkey-trace-id']).toMatch(/./);
    const log = JSON.parse(text) as Record<string, Record<string, unknown>>;
    expect(log).toMatchObject({
      request_id: id,
      kind: 'request',
      lines_count: 0,
      _id: id,
      organisation_id: expect.any(String) as string,
      created_at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/) as string,
      request: {
        text: JSON.stringify(body.request.body),
        url: 'http://h/v1/chat/completions',
        method: 'POST',
        headers: { a: 'b' },
        body: { model: 'm' },
        portkeyHeaders: {},
      },
      response: {
        status: 200,
        headers: { c: 'd' },
        body: body.response.body,
        responseTime: 20.5,
        lastUsedOptionJsonPath: null,
      },
    });
    expect(log['metrics']).toEqual({
      id,
      created_at: log['created_at'],
      is_success: 1,
      ai_org: 'openai',
      ai_model: 'm2',
      req_units: 9,
      res_units: 3,
      total_units: 12,
      cost: null,
      cost_currency: null,
      request_url: 'http://h/v1/chat/completions',
      request_method: 'POST',
      response_status_code: 200,
      response_time: 20.5,
      stream_mode: 0,
      trace_id: 't1',
      span_id: 's1',
      parent_span_id: null,
      span_name: 'n',
      mode: null,
      config: null,
      prompt_slug: null,
      'metadata.key': ['user', 'count'],
      'metadata.value': ['u', '7'],
    });
  }
});

it('has an error in the form of Portkey for a log that is unknown', async () => {
  const server = await startAdmin();
  const { status, text } = await call(server.url, '/v1/logs/log-1', {
    headers: { 'x-portkey-api-key': 'k' },
  });
  expect(status).toBe(404);
  expect(JSON.parse(text)).toMatchObject({ success: false, error: { type: 'not_found', code: '404' } });
  const own = await call(server.url, '/v1/logs/log-1');
  expect(JSON.parse(own.text)).toMatchObject({ error_code: 'client_error' });
});
