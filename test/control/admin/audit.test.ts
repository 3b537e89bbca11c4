// Changes through the admin API can be found in the log store: who made them, from where, and what they were.
import { afterEach, describe, expect, it } from 'vitest';
import { endpoints } from '../../../src/control/admin/admin.ts';
import { closeAdmins, startAdmin } from '../../kit/admin.ts';
import { call } from '../../kit/client.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { until } from '../../kit/until.ts';
import { startWeir, stopAll } from '../../kit/weir.ts';

afterEach(async () => {
  await closeAdmins();
  await stopAll();
  removeFolders();
});

const MAIN = 'main-key-of-the-operator';
const REPLICA = '--replica=http://127.0.0.1:9';

interface Change {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly by: string;
  readonly key_name?: string;
  readonly address: string;
  readonly made?: string;
}

/** Sends a request with a key, and returns the status and the JSON of the response. */
async function send(url: string, method: string, path: string, key: string, body?: unknown) {
  const headers = {
    ...(key !== '' && { authorization: `Bearer ${key}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const sent = body === undefined ? '' : JSON.stringify(body);
  const { status, text } = await call(url, path, { method, headers, body: sent });
  return { status, json: (text === '' ? {} : JSON.parse(text)) as Record<string, string> };
}

/** Waits until the log store has this many changes, and returns them, the oldest first. */
const changesIn = (url: string, count: number): Promise<Change[]> =>
  until(`the log store has ${count} changes`, async () => {
    const { text } = await call(url, '/v1/logs?q=event:admin_change&direction=asc', {
      headers: { authorization: `Bearer ${MAIN}` },
    });
    const { logs } = JSON.parse(text) as { logs: { attributes: Change }[] };
    return logs.length >= count ? logs.map(({ attributes }) => attributes) : undefined;
  });

describe('a change through the admin API', () => {
  it('is a record with the key, the client, the route and what it made', async () => {
    const weir = await startWeir([REPLICA, '--data-dir', folder(), `--admin-key=${MAIN}`]);
    const made = await send(weir.admin, 'POST', '/v1/keys', MAIN, { name: 'on call', scopes: ['admin'] });
    const { id, key } = made.json as { id: string; key: string };
    const drained = await send(weir.admin, 'POST', '/v1/replicas/default/none/drain', key);
    expect(drained.status).toBe(404);
    expect((await send(weir.admin, 'PUT', '/v1/prices', key, { prices: [] })).status).toBe(200);
    // The key removes itself.
    expect((await send(weir.admin, 'DELETE', `/v1/keys/${id}`, key)).status).toBe(204);
    const address = '127.0.0.1';
    const byKey = { by: id, key_name: 'on call', address };
    expect(await changesIn(weir.admin, 3)).toMatchObject([
      { method: 'POST', path: '/v1/keys', status: 201, by: 'admin.key', address, made: `key ${id}` },
      { method: 'PUT', path: '/v1/prices', status: 200, ...byKey },
      { method: 'DELETE', path: `/v1/keys/${id}`, status: 204, ...byKey },
    ]);
    const line = await weir.expectLine('the change of prices', ({ method }) => method === 'PUT');
    expect(line).toMatchObject({ event: 'changed through the admin API', path: '/v1/prices', ...byKey });
    expect(JSON.stringify(weir.lines)).not.toContain(key);
  });

  it('says so if no key was needed', async () => {
    const { url, logLines } = await startAdmin();
    expect((await send(url, 'PUT', '/v1/prices?x=1', '', { prices: [] })).status).toBe(200);
    expect(JSON.parse(logLines.find((line) => line.includes('through the admin API'))!)).toMatchObject({
      method: 'PUT',
      path: '/v1/prices',
      by: 'no key',
      address: '127.0.0.1',
    });
  });

  it('leaves no record if it was refused, or if the request only reads or stores records', async () => {
    const { url, logLines } = await startAdmin();
    expect((await send(url, 'PUT', '/v1/prices', '', { prices: 5 })).status).toBe(400);
    expect((await send(url, 'DELETE', '/v1/keys/none', '')).status).toBe(404);
    expect((await send(url, 'POST', '/v1/feedback', '', { trace_id: 'a'.repeat(32), value: 1 })).status).toBe(
      200,
    );
    expect((await send(url, 'POST', '/api/apikey/login', '', {})).status).toBe(200);
    expect((await send(url, 'GET', '/v1/keys', '')).status).toBe(200);
    expect(logLines.filter((line) => line.includes('through the admin API'))).toEqual([]);
  });

  it('is what every route makes that needs the scope admin or export and is not a GET', () => {
    const silent = endpoints
      .filter(({ method, scope }) => method !== 'GET' && (scope === 'admin' || scope === 'export'))
      .filter(({ effect }) => effect !== 'change')
      .map(({ method, path }) => `${method} ${path}`);
    // The first counts records, the second sends one to a receiver; neither changes anything.
    expect(silent).toEqual(['POST /v1/otel/connections/count', 'POST /v1/otel/connections/{id}/test']);
  });
});
