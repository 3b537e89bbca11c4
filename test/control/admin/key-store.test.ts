// Tests of keys of the admin API: scopes, expiry, and the key file.
import { readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { endpoints } from '../../../src/control/admin/admin.ts';
import { ADMIN_SCOPES, CLIENT_SCOPES, SCOPES } from '../../../src/core/keys/scopes.ts';
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
  server: OpenAdmin,
  body: object,
  headers = {},
): Promise<{ status: number; text: string; key: string; id: string }> {
  const { status, text } = await call(server.url, '/v1/keys', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status, text, ...(JSON.parse(text) as { key: string; id: string }) };
}

const status = async (server: OpenAdmin, path: string, headers = {}, method = 'GET'): Promise<number> =>
  (await call(server.url, path, { method, headers })).status;

describe('keys of the admin API', () => {
  it.each(SCOPES)('with scope %s open the routes of that scope only', async (scope) => {
    const server = await startAdmin({ args: [...withMain, '--admin-protect-metrics'] });
    const { key } = await make(server, { name: 'one', scopes: [scope] }, as(MAIN));
    for (const endpoint of endpoints) {
      const path = endpoint.path.replaceAll(/\{\w+\}/g, 'x');
      // Authorization happens before the body is read.
      const req = request(`${server.url}${path}`, {
        method: endpoint.method,
        headers: as(key),
        agent: false,
      });
      req.end();
      const [res] = (await once(req, 'response')) as [{ statusCode: number; destroy(): void }];
      res.destroy();
      // /metrics is always open to this machine. Some open routes need a signed URL instead, without which they give 403.
      const isOpen = endpoint.scope === 'open' || endpoint.scope === 'metrics';
      const isForAdmin = (ADMIN_SCOPES as readonly string[]).includes(scope);
      const isAllowed = isForAdmin && (['any', scope].includes(endpoint.scope) || scope === 'admin');
      if (!isOpen) expect(res.statusCode === 403, `${endpoint.method} ${path}`).toBe(!isAllowed);
      expect(res.statusCode, `${endpoint.method} ${path}`).not.toBe(401);
    }
  });

  it('are required as soon as one exists', async () => {
    const server = await startAdmin();
    expect(await status(server, '/v1/settings')).toBe(200);
    const { key } = await make(server, { name: 'me', scopes: ['admin'] });
    expect(await status(server, '/v1/settings')).toBe(401);
    expect(await status(server, '/v1/settings', as('weir_wrong'))).toBe(401);
    expect(await status(server, '/v1/settings', as(key))).toBe(200);
    expect(await status(server, '/v1/settings', as(key, 'Api-Key'))).toBe(200);
    expect(await status(server, '/nothing')).toBe(401);
    for (const path of ['/metrics', '/livez', '/readyz']) expect(await status(server, path)).toBe(200);
  });

  it('are needed to learn which routes exist', async () => {
    const server = await startAdmin({ args: withMain });
    const detail = async (path: string, headers = {}): Promise<string> =>
      (await call(server.url, path, { headers })).text;
    expect(await detail('/v1/replica')).not.toContain('/v1/replicas');
    expect(await detail('/v1/replica', as(MAIN))).toContain('No such route: did you mean /v1/replicas?');
    expect(await detail('/something/else', as(MAIN))).toContain('http-api.md lists the routes');
  });

  it('are shown once and stored as digests in a private file', async () => {
    const path = folder();
    const server = await startAdmin({ path });
    const { key, id } = await make(server, { name: 'me', scopes: ['admin'] });
    expect(key).toMatch(/^weir_[\w-]{43}$/);
    const file = `${path}/keys.json`;
    expect(readFileSync(file, 'utf8')).not.toContain(key.slice(5));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const listed = await call(server.url, '/v1/keys', { headers: as(key) });
    expect(JSON.parse(listed.text)).toEqual({
      keys: [
        {
          id,
          name: 'me',
          scopes: ['admin'],
          created_at: expect.any(String) as string,
          expires_at: null,
          last_used_at: expect.any(String) as string,
          made_by: 'no key',
        },
      ],
    });
    await server.stop();
    const again = await startAdmin({ path });
    expect(await status(again, '/v1/settings', as(key))).toBe(200);
  });

  it('do not work after they were removed', async () => {
    const server = await startAdmin({ args: withMain });
    const { key, id } = await make(server, { name: 'me', scopes: ['logs:read'] }, as(MAIN));
    expect(await status(server, '/v1/logs', as(key))).toBe(200);
    expect(await status(server, `/v1/keys/${id}`, as(MAIN), 'DELETE')).toBe(204);
    expect(await status(server, '/v1/logs', as(key))).toBe(401);
    expect(await status(server, `/v1/keys/${id}`, as(MAIN), 'DELETE')).toBe(404);
  });

  it('do not work after they have expired', async () => {
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
    const server = await startAdmin({ path, args: withMain });
    const soon = new Date(Date.now() + 60_000).toISOString();
    const { key } = await make(server, { name: 'me', scopes: ['logs:read'], expires_at: soon }, as(MAIN));
    expect(await status(server, '/v1/logs', as(key))).toBe(200);
    const file = JSON.parse(readFileSync(`${path}/keys.json`, 'utf8')) as { keys: { expiresMs?: number }[] };
    for (const one of file.keys) one.expiresMs = Date.now() - 1;
    await server.stop();
    const later = await startAdmin({ path: folder({ 'keys.json': JSON.stringify(file) }) });
    const response = await call(later.url, '/v1/logs', { headers: as(key) });
    expect(response.status).toBe(401);
    expect(response.text).toContain('the key has expired');
    // An expired key still counts as a key, so the API is not open to this machine.
    expect(await status(later, '/v1/logs')).toBe(401);
  });

  it('cannot be created or removed if no key could be created afterwards', async () => {
    const server = await startAdmin();
    const reader = await make(server, { name: 'reader', scopes: ['logs:read'] });
    expect(reader.status).toBe(400);
    expect(reader.text).toContain('a key with the scope admin that never expires');
    const admin = await make(server, { name: 'me', scopes: ['admin'] });
    expect((await make(server, { name: 'reader', scopes: ['logs:read'] }, as(admin.key))).status).toBe(201);
    expect(await status(server, `/v1/keys/${admin.id}`, as(admin.key), 'DELETE')).toBe(400);
    expect(await status(server, '/v1/keys', as(admin.key))).toBe(200);
  });

  it('of clients open no route of the admin API, and do not close it to this machine', async () => {
    const server = await startAdmin();
    const made = await make(server, { name: 'app', scopes: Object.keys(CLIENT_SCOPES) });
    expect(made.status).toBe(201);
    expect(await status(server, '/v1/settings')).toBe(200);
    expect(await status(server, '/v1/settings', { host: 'weir.example' })).toBe(401);
    await make(server, { name: 'me', scopes: ['admin'] });
    expect(await status(server, '/v1/settings', as(made.key))).toBe(403);
    expect(await status(server, '/nothing', as(made.key))).toBe(403);
  });

  it('of clients are shown with their restrictions and limits', async () => {
    const server = await startAdmin();
    const more = {
      deployments: ['dep1'],
      environments: ['production'],
      routes: ['/v1/*'],
      limits: { requests_per_second: 0.5, concurrency: 2, tokens_per_minute: 1000, cost_per_day: 1.5 },
    };
    await make(server, { name: 'app', scopes: ['predict'], ...more });
    const { text } = await call(server.url, '/v1/keys');
    expect((JSON.parse(text) as { keys: object[] }).keys[0]).toMatchObject({ name: 'app', ...more });
    expect(text).not.toContain('sha256');
  });

  it.each([
    [{}, 'name: must be a string'],
    [{ name: 'a\n', scopes: ['admin'] }, 'without control characters'],
    [{ name: 'a', scopes: ['predict'], routes: ['v1'] }, 'paths that begin with /'],
    [{ name: 'a', scopes: ['predict'], deployments: [] }, 'leave it out to allow all'],
    [
      { name: 'a', scopes: ['predict'], limits: { concurrency: 0 } },
      'limits.concurrency: must be a whole number',
    ],
    [{ name: 'a', scopes: ['predict'], limits: { rps: 1 } }, 'limits.rps'],
    [{ name: 'a', scopes: ['logs:read'], limits: { concurrency: 1 } }, 'limits: has no meaning'],
    [{ name: 'a', scopes: [] }, 'scopes: must be a list of metrics, logs:read, logs:write, export, admin'],
    [{ name: 'a', scopes: ['root'] }, 'scopes: must be'],
    [{ name: 'a', scopes: ['admin'], expires_at: 'soon' }, 'expires_at: must be a time in the future'],
    [{ name: 'a', scopes: ['admin'], expires_at: '2020-01-01' }, 'expires_at: must be a time in the future'],
    [{ name: 'a', scopes: ['admin'], expires: 1 }, 'did you mean \\"expires_at\\"?'],
    [[], 'a key must be an object'],
  ])('are not created from %j', async (body, why) => {
    const server = await startAdmin();
    const made = await make(server, body);
    expect(made.status).toBe(400);
    expect(made.text).toContain(why);
  });

  it.each([
    ['{', 'it is not valid JSON'],
    ['{}', 'it has no list "keys"'],
    ['{"keys":[{"id":"a"}]}', 'entry 1 of "keys" is not a key'],
  ])('prevent the start if their file is broken: %s', async (text, why) => {
    const path = folder({ 'keys.json': text });
    await expect(startAdmin({ path })).rejects.toThrow(why);
  });

  it('are required for protected metrics, except from this machine', async () => {
    const server = await startAdmin({ args: [...withMain, '--admin-protect-metrics'] });
    expect(await status(server, '/metrics')).toBe(200);
    // Another Host makes a request look like one from another machine.
    const elsewhere = { host: 'weir.example' };
    expect(await status(server, '/metrics', elsewhere)).toBe(401);
    const { key } = await make(server, { name: 'prometheus', scopes: ['metrics'] }, as(MAIN));
    expect(await status(server, '/metrics', { ...elsewhere, ...as(key) })).toBe(200);
    const { key: other } = await make(server, { name: 'reader', scopes: ['logs:read'] }, as(MAIN));
    expect(await status(server, '/metrics', { ...elsewhere, ...as(other) })).toBe(403);
    expect(await status(server, '/livez', elsewhere)).toBe(200);
  });
});

it('rejects a change from a web page of another origin', async () => {
  const server = await startAdmin();
  const evil = { origin: 'https://evil.example' };
  expect((await make(server, { name: 'me', scopes: ['admin'] }, evil)).status).toBe(403);
  expect(
    (await make(server, { name: 'me', scopes: ['admin'] }, { 'content-type': 'text/plain' })).status,
  ).toBe(415);
});
