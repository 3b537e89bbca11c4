// Who may do what at the admin door: keys, their scopes, where they are kept.
import { readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { endpoints } from '../../../src/control/admin/admin.ts';
import { SCOPES } from '../../../src/control/admin/scopes.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../kit/admin.ts';
import { call } from '../../kit/client.ts';
import { folder, removeFolders } from '../../kit/folder.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const MAIN = 'the-key-of-the-settings';
const withMain = [`--admin-key=${MAIN}`];

const as = (key: string, scheme = 'Bearer') => ({ authorization: `${scheme} ${key}` });

async function make(
  door: OpenAdmin,
  body: object,
  headers = {},
): Promise<{ status: number; text: string; key: string; id: string }> {
  const { status, text } = await call(door.url, '/v1/keys', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status, text, ...(JSON.parse(text) as { key: string; id: string }) };
}

const status = async (door: OpenAdmin, path: string, headers = {}, method = 'GET'): Promise<number> =>
  (await call(door.url, path, { method, headers })).status;

describe('keys', () => {
  it.each(SCOPES)('with the scope %s open what that says and nothing else', async (scope) => {
    const door = await startAdmin({ args: [...withMain, '--admin-protect-metrics'] });
    const { key } = await make(door, { name: 'one', scopes: [scope] }, as(MAIN));
    for (const endpoint of endpoints) {
      const path = endpoint.path.replaceAll(/\{\w+\}/g, 'x');
      // The head is enough: whether somebody may is decided before the body is read.
      const req = request(`${door.url}${path}`, { method: endpoint.method, headers: as(key), agent: false });
      req.end();
      const [res] = (await once(req, 'response')) as [{ statusCode: number; destroy(): void }];
      res.destroy();
      // From this machine /metrics is always to be had.
      const isOpen = endpoint.scope === 'open' || endpoint.scope === 'metrics';
      const may = isOpen || scope === 'admin' || endpoint.scope === scope;
      expect(res.statusCode === 403, `${endpoint.method} ${path}`).toBe(!may);
      expect(res.statusCode, `${endpoint.method} ${path}`).not.toBe(401);
    }
  });

  it('are wanted from everybody as soon as there is one', async () => {
    const door = await startAdmin();
    expect(await status(door, '/v1/settings')).toBe(200);
    const { key } = await make(door, { name: 'me', scopes: ['admin'] });
    expect(await status(door, '/v1/settings')).toBe(401);
    expect(await status(door, '/v1/settings', as('weir_wrong'))).toBe(401);
    expect(await status(door, '/v1/settings', as(key))).toBe(200);
    expect(await status(door, '/v1/settings', as(key, 'Api-Key'))).toBe(200);
    expect(await status(door, '/nothing')).toBe(401);
    for (const path of ['/metrics', '/livez', '/readyz']) expect(await status(door, path)).toBe(200);
  });

  it('are shown once and kept as digests, in a file for its owner alone', async () => {
    const path = folder();
    const door = await startAdmin({ path });
    const { key, id } = await make(door, { name: 'me', scopes: ['admin'] });
    expect(key).toMatch(/^weir_[\w-]{43}$/);
    const file = `${path}/keys.json`;
    expect(readFileSync(file, 'utf8')).not.toContain(key.slice(5));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const listed = await call(door.url, '/v1/keys', { headers: as(key) });
    expect(JSON.parse(listed.text)).toEqual({
      keys: [
        { id, name: 'me', scopes: ['admin'], created_at: expect.any(String) as string, expires_at: null },
      ],
    });
    await door.stop();
    const again = await startAdmin({ path });
    expect(await status(again, '/v1/settings', as(key))).toBe(200);
  });

  it('can be removed, and are good for nothing then', async () => {
    const door = await startAdmin({ args: withMain });
    const { key, id } = await make(door, { name: 'me', scopes: ['logs:read'] }, as(MAIN));
    expect(await status(door, '/v1/logs', as(key))).toBe(200);
    expect(await status(door, `/v1/keys/${id}`, as(MAIN), 'DELETE')).toBe(204);
    expect(await status(door, '/v1/logs', as(key))).toBe(401);
    expect(await status(door, `/v1/keys/${id}`, as(MAIN), 'DELETE')).toBe(404);
  });

  it('expire', async () => {
    const path = folder({
      'keys.json': JSON.stringify({
        keys: [
          {
            id: 'key_1',
            name: 'old',
            // SHA-256 of "weir_old".
            sha256: '5c0e4a1c1b5cf2ed0ce9d87f7c8a96aee5ddab5cd7d8ec1ff6ab3f8c4dc8f4d0',
            scopes: ['admin'],
            createdMs: 1,
            expiresMs: 2,
          },
        ],
      }),
    });
    const door = await startAdmin({ path, args: withMain });
    const soon = new Date(Date.now() + 60_000).toISOString();
    const { key } = await make(door, { name: 'me', scopes: ['logs:read'], expires_at: soon }, as(MAIN));
    expect(await status(door, '/v1/logs', as(key))).toBe(200);
    const file = JSON.parse(readFileSync(`${path}/keys.json`, 'utf8')) as { keys: { expiresMs?: number }[] };
    for (const one of file.keys) one.expiresMs = Date.now() - 1;
    await door.stop();
    const later = await startAdmin({ path: folder({ 'keys.json': JSON.stringify(file) }) });
    const answer = await call(later.url, '/v1/logs', { headers: as(key) });
    expect(answer.status).toBe(401);
    expect(answer.text).toContain('this one has expired');
    // Nor is the door open to this machine again.
    expect(await status(later, '/v1/logs')).toBe(401);
  });

  it('cannot be made or removed so that nobody could make another', async () => {
    const door = await startAdmin();
    const reader = await make(door, { name: 'reader', scopes: ['logs:read'] });
    expect(reader.status).toBe(400);
    expect(reader.text).toContain('a key with the scope admin that never expires');
    const admin = await make(door, { name: 'me', scopes: ['admin'] });
    expect((await make(door, { name: 'reader', scopes: ['logs:read'] }, as(admin.key))).status).toBe(201);
    expect(await status(door, `/v1/keys/${admin.id}`, as(admin.key), 'DELETE')).toBe(400);
    expect(await status(door, '/v1/keys', as(admin.key))).toBe(200);
  });

  it.each([
    [{}, 'name: must be a text'],
    [{ name: 'a', scopes: [] }, 'scopes: must be a list of metrics, logs:read, logs:write, export, admin'],
    [{ name: 'a', scopes: ['root'] }, 'scopes: must be'],
    [{ name: 'a', scopes: ['admin'], expires_at: 'soon' }, 'expires_at: must be a time to come'],
    [{ name: 'a', scopes: ['admin'], expires_at: '2020-01-01' }, 'expires_at: must be a time to come'],
    [{ name: 'a', scopes: ['admin'], expires: 1 }, 'did you mean expires_at?'],
    [[], 'the body must be an object'],
  ])('are not made of %j', async (body, why) => {
    const door = await startAdmin();
    const made = await make(door, body);
    expect(made.status).toBe(400);
    expect(made.text).toContain(why);
  });

  it.each([
    ['{', 'it is no JSON'],
    ['{}', 'it has no list of keys'],
    ['{"keys":[{"id":"a"}]}', 'its entry 1 is no key'],
  ])('keep weir from starting where their file is broken: %s', async (text, why) => {
    const path = folder({ 'keys.json': text });
    await expect(startAdmin({ path })).rejects.toThrow(why);
  });

  it('are wanted for figures where these are protected, save from this machine', async () => {
    const door = await startAdmin({ args: [...withMain, '--admin-protect-metrics'] });
    expect(await status(door, '/metrics')).toBe(200);
    // As somebody elsewhere looks like: another name for this machine.
    const elsewhere = { host: 'weir.example' };
    expect(await status(door, '/metrics', elsewhere)).toBe(401);
    const { key } = await make(door, { name: 'prometheus', scopes: ['metrics'] }, as(MAIN));
    expect(await status(door, '/metrics', { ...elsewhere, ...as(key) })).toBe(200);
    const { key: other } = await make(door, { name: 'reader', scopes: ['logs:read'] }, as(MAIN));
    expect(await status(door, '/metrics', { ...elsewhere, ...as(other) })).toBe(403);
    expect(await status(door, '/livez', elsewhere)).toBe(200);
  });
});

it('a web page of somebody else changes nothing', async () => {
  const door = await startAdmin();
  const evil = { origin: 'https://evil.example' };
  expect((await make(door, { name: 'me', scopes: ['admin'] }, evil)).status).toBe(403);
  expect((await make(door, { name: 'me', scopes: ['admin'] }, { 'content-type': 'text/plain' })).status).toBe(
    415,
  );
});
