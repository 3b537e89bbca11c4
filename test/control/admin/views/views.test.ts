// Saved views over HTTP.
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { ViewAnswer, ViewList } from '../../../../src/control/admin/answers/view-answers.ts';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const ADDRESS = '/ui/logs?q=level:error&start=2026-11-28T00:00:00Z';

async function ask(url: string, method: string, path: string, body?: unknown, headers = {}) {
  const { status, text } = await call(url, path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return {
    status,
    text,
    json: (text === '' ? {} : JSON.parse(text)) as ViewAnswer & ViewList & { key: string },
  };
}
const save = (url: string, name: string, address = ADDRESS) =>
  ask(url, 'POST', '/v1/view', { name, address });
const list = async (url: string) => (await ask(url, 'GET', '/v1/view')).json.views;

describe('saved views', () => {
  it('are listed by name and kept over a restart', async () => {
    const path = folder();
    const first = await startAdmin({ path });
    await save(first.url, 'slow');
    const { status, json } = await save(first.url, 'errors');
    expect(status).toBe(201);
    expect(json).toMatchObject({ name: 'errors', address: ADDRESS, created_by: 'no key' });
    await first.stop();
    const second = await startAdmin({ path });
    const views = await list(second.url);
    expect(views.map(({ name }) => name)).toEqual(['errors', 'slow']);
    expect(views[0]).toEqual(json);
  });

  it('can be renamed and removed', async () => {
    const { url } = await startAdmin();
    const { id } = (await save(url, 'errors')).json;
    const renamed = await ask(url, 'PATCH', `/v1/view/${id}`, { name: 'failures' });
    expect(renamed.json).toMatchObject({ id, name: 'failures', address: ADDRESS });
    expect((await ask(url, 'DELETE', `/v1/view/${id}`)).status).toBe(204);
    expect(await list(url)).toEqual([]);
    expect((await ask(url, 'DELETE', `/v1/view/${id}`)).status).toBe(404);
    expect((await ask(url, 'PATCH', `/v1/view/${id}`, { name: 'x' })).status).toBe(404);
  });

  it.each([
    'https://example.com/ui/',
    '//example.com/ui/',
    '/uix',
    '/ui/../v1/keys',
    '/ui/\\example.com',
    '/ui/ x',
    'javascript:alert(1)',
  ])('refuse an address outside of the page: %s', async (address) => {
    const { url } = await startAdmin();
    const { status, text } = await save(url, 'x', address);
    expect(status).toBe(400);
    expect(text).toContain('address: must be a path of the page');
    expect(await list(url)).toEqual([]);
  });

  it('have names that are used once', async () => {
    const { url } = await startAdmin();
    const { id } = (await save(url, 'errors')).json;
    expect((await save(url, 'errors')).text).toContain('another view has the name');
    const other = (await save(url, 'slow')).json;
    expect((await ask(url, 'PATCH', `/v1/view/${other.id}`, { name: 'errors' })).status).toBe(400);
    expect((await ask(url, 'PATCH', `/v1/view/${id}`, { name: 'errors' })).status).toBe(200);
  });

  it('say all that is wrong with a request', async () => {
    const { url } = await startAdmin();
    const { status, text } = await ask(url, 'POST', '/v1/view', { nam: 'x', address: 1 });
    expect(status).toBe(400);
    expect(text).toContain('did you mean \\"name\\"?');
    expect(text).toContain('address: must be');
    expect((await ask(url, 'POST', '/v1/view', {})).text).toContain('name: is missing; address: is missing');
  });

  it('are read with logs:read and changed with logs:write', async () => {
    const main = 'the-key-of-the-settings';
    const { url } = await startAdmin({ args: [`--admin-key=${main}`] });
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    const { json } = await ask(url, 'POST', '/v1/keys', { name: 'reader', scopes: ['logs:read'] }, as(main));
    const body = { name: 'errors', address: ADDRESS };
    expect((await ask(url, 'POST', '/v1/view', body, as(json.key))).status).toBe(403);
    expect((await ask(url, 'POST', '/v1/view', body, as(main))).json.created_by).toBe('admin.key');
    expect((await ask(url, 'GET', '/v1/view', undefined, as(json.key))).json.views).toHaveLength(1);
  });

  it('begin empty if their file is damaged, and weir keeps the file', async () => {
    const path = folder();
    writeFileSync(`${path}/views.json`, '{"views": [{"id": 1}]}');
    const { url, logLines } = await startAdmin({ path });
    expect(await list(url)).toEqual([]);
    expect(logLines.join('')).toContain('views.json.damaged-');
    expect((await save(url, 'errors')).status).toBe(201);
  });

  it('are reported as changes', async () => {
    const { url, logLines } = await startAdmin();
    const { id } = (await save(url, 'errors')).json;
    expect(logLines.join('')).toContain(`"made":"view ${id}"`);
  });
});
