// Previews of exports over HTTP, with a real log store.
import { afterEach, describe, expect, it } from 'vitest';
import type { ExportPreview } from '../../../../src/control/admin/answers/export-answers.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const PATH = '/v1/logs/exports';
const SECRET = 'tell me about lighthouses';

async function ask(server: OpenAdmin, method: string, path: string, body?: unknown) {
  const { status, text } = await call(server.url, path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status, text, json: JSON.parse(text) as ExportPreview & Record<string, unknown> };
}

async function startWithLogs(count: number, model = 'm'): Promise<OpenAdmin> {
  const server = await startAdmin();
  const logs = Array.from({ length: count }, (_, i) => ({
    request: {
      url: 'http://h/v1/chat/completions',
      body: { model, messages: [{ role: 'user', content: SECRET.repeat(20) }] },
    },
    response: { body: { model, usage: { prompt_tokens: i, completion_tokens: 1 } }, response_time: 20 },
    metadata: { _user: `u${i}` },
  }));
  expect((await ask(server, 'POST', '/v1/logs', logs)).status).toBe(200);
  return server;
}

describe('a preview of an export', () => {
  it('says how many records match and shows the first of them without bodies', async () => {
    const server = await startWithLogs(130);
    const requested = ['ai_model', 'request_tokens', 'metadata', 'request'];
    const { status, text, json } = await ask(server, 'POST', `${PATH}/preview`, {
      requested_data: requested,
      filters: { page_size: 120 },
    });
    expect(status, text).toBe(200);
    expect(json).toMatchObject({
      object: 'export-preview',
      matched_records: 130,
      total_records: 120,
      is_total_exact: true,
      columns: requested,
    });
    expect(json.sample).toHaveLength(100);
    expect(json.sample[3]).toEqual({ ai_model: 'm', request_tokens: 3, metadata: { _user: 'u3' } });
    expect(text).not.toContain(SECRET);
    expect((await ask(server, 'GET', PATH)).json['total']).toBe(0);
  });

  it.each(['jsonl', 'csv'])('estimates the size of the file with its bodies as %s', async (format) => {
    const server = await startWithLogs(60);
    const body = { format, requested_data: ['id', 'request', 'total_tokens', 'metadata'] };
    const { json } = await ask(server, 'POST', `${PATH}/preview`, body);
    const { id } = (await ask(server, 'POST', PATH, body)).json as unknown as { id: string };
    await ask(server, 'POST', `${PATH}/${id}/start`, {});
    const done = await until('the export ends', async () => {
      const { json: now } = await ask(server, 'GET', `${PATH}/${id}`);
      return now['status'] === 'success' ? now : undefined;
    });
    const ratio = json.estimated_bytes! / Number(done['bytes']);
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.25);
  });

  it('has no estimate without records, and for Parquet', async () => {
    const server = await startWithLogs(1);
    const none = await ask(server, 'POST', `${PATH}/preview`, { filters: { ai_model: ['other'] } });
    expect(none.json).toMatchObject({ total_records: 0, estimated_bytes: null, sample: [] });
    const parquet = await ask(server, 'POST', `${PATH}/preview`, { format: 'parquet' });
    expect(parquet.json).toMatchObject({ total_records: 1, estimated_bytes: null });
  });

  it('begins behind the pages before', async () => {
    const server = await startWithLogs(5);
    const { json } = await ask(server, 'POST', `${PATH}/preview`, {
      filters: { page_size: 2, current_page: 2 },
      requested_data: ['request_tokens'],
    });
    expect(json).toMatchObject({ matched_records: 5, total_records: 1, sample: [{ request_tokens: 4 }] });
  });

  it('refuses what an export refuses', async () => {
    const server = await startAdmin({ args: ['--admin-denied-export-fields=metadata'] });
    const { status, text } = await ask(server, 'POST', `${PATH}/preview`, { requested_data: ['metadata'] });
    expect(status).toBe(400);
    expect(text).toContain('may not be exported');
  });
});
