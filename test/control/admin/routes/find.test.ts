// GET /v1/find: what an id is.
import { afterEach, describe, expect, it } from 'vitest';
import type { FindJson } from '../../../../src/control/admin/records/find-json.ts';
import { childSpanId, REPLICA_SPAN } from '../../../../src/core/exchange/identity.ts';
import { MemoryStore } from '../../../../src/async/queue/stores/memory-store.ts';
import { newTask } from '../../../contract/store.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { afterStart, expectJson, REQUEST_ID, requestRecord } from '../../../kit/request-record.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b0';
const find = (server: OpenAdmin, id: string) =>
  expectJson<FindJson>(server, `/v1/find?id=${encodeURIComponent(id)}`);
const kinds = async (server: OpenAdmin, id: string) => (await find(server, id)).found.map(({ kind }) => kind);

it('finds a request by its id, also in capital letters and with spaces around it', async () => {
  const server = await startAdmin();
  await server.logs.post([
    requestRecord({}, { traceId: TRACE }),
    requestRecord({}, { requestId: 'Of-A-Client' }),
  ]);
  const { id, found, tried } = await find(server, ` ${REQUEST_ID.toUpperCase()} `);
  expect(id).toBe(REQUEST_ID);
  expect(tried).toEqual(['request', 'async']);
  expect(found).toEqual([
    {
      kind: 'request',
      id: REQUEST_ID,
      timestamp: expect.any(String) as string,
      timestamp_ns: String(afterStart(0)),
      text: 'POST /v1/chat/completions 200',
      place: '1',
      record_kind: 'request',
      request_id: REQUEST_ID,
      trace_id: TRACE,
      deployment: 'dep1',
      status: 200,
      duration_ms: 50,
    },
  ]);
  expect(await kinds(server, 'Of-A-Client')).toEqual(['request']);
});

it('finds requests of the last day by their last six characters or more, the newest first', async () => {
  const server = await startAdmin();
  const other = `${REQUEST_ID.slice(0, 12)}${'b'.repeat(17)}${REQUEST_ID.slice(-8)}`;
  const old = `${'0'.repeat(12)}${'c'.repeat(17)}${REQUEST_ID.slice(-8)}`;
  await server.logs.post([
    requestRecord(),
    requestRecord({}, { requestId: other, timeNs: afterStart(5) }),
    requestRecord({}, { requestId: old, timeNs: afterStart(-25 * 3_600_000) }),
  ]);
  const found = await find(server, REQUEST_ID.slice(-8).toUpperCase());
  expect(found.found.map(({ kind, id }) => [kind, id])).toEqual([
    ['request', other],
    ['request', REQUEST_ID],
  ]);
  expect(found).toMatchObject({ tried: expect.arrayContaining(['request_end']) as string[] });
  expect(Date.parse(found.searched_from!)).toBeLessThan(Date.now() - 23 * 3_600_000);
  expect(await kinds(server, REQUEST_ID.slice(-5))).toEqual([]);
});

it('finds traces and spans, also those that weir makes of a request, and records by their place', async () => {
  const server = await startAdmin();
  await server.logs.post([
    requestRecord({}, { traceId: TRACE, spanId: SPAN }),
    {
      ...requestRecord(),
      kind: 'span',
      source: 'api',
      requestId: '',
      traceId: TRACE,
      spanId: '1'.repeat(16),
    },
    { ...requestRecord(), kind: 'line', message: 'CUDA out of memory' },
  ]);
  expect((await find(server, TRACE)).found).toMatchObject([
    { kind: 'trace', id: TRACE, request_id: REQUEST_ID },
  ]);
  expect(
    await kinds(
      server,
      `${TRACE.slice(0, 8)}-${TRACE.slice(8, 12)}-${TRACE.slice(12, 16)}-${TRACE.slice(16, 20)}-${TRACE.slice(20)}`,
    ),
  ).toEqual(['trace']);
  expect((await find(server, SPAN)).found).toMatchObject([
    { kind: 'span', trace_id: TRACE, record_kind: 'request' },
  ]);
  const atReplica = childSpanId(SPAN, REPLICA_SPAN);
  expect((await find(server, atReplica)).found).toMatchObject([
    { kind: 'span', id: atReplica, span_id: atReplica, request_id: REQUEST_ID },
  ]);
  expect((await find(server, '1'.repeat(16))).found).toMatchObject([{ kind: 'span', record_kind: 'span' }]);
  expect((await find(server, '3')).found).toMatchObject([
    { kind: 'record', record_kind: 'line', text: 'CUDA out of memory' },
  ]);
});

it('finds a task of the queue besides the request that submitted it', async () => {
  const store = new MemoryStore(2 ** 26, {
    added: () => undefined,
    work: () => undefined,
    expired: () => undefined,
  });
  await store.open();
  await store.add(newTask({ id: REQUEST_ID }), 10);
  const server = await startAdmin({ deps: { tasks: store } });
  expect((await find(server, REQUEST_ID)).found).toMatchObject([
    { kind: 'async', state: 'QUEUED', deployment: 'dep1' },
  ]);
  await server.logs.post([requestRecord({}, { status: 201 })]);
  expect(await kinds(server, REQUEST_ID)).toEqual(['request', 'async']);
  store.facts = () => Promise.reject(new Error('the disk is gone'));
  expect(await find(server, REQUEST_ID)).toMatchObject({ found: [{ kind: 'request' }], is_partial: true });
});

describe('an export', () => {
  it('is found by the key that made it, and not by others', async () => {
    const admin = { authorization: 'Bearer main-key-of-the-test' };
    const server = await startAdmin({ args: ['--admin-key=main-key-of-the-test'] });
    const post = async (path: string, body: unknown, headers: Record<string, string>) => {
      const { text } = await call(server.url, path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      });
      return JSON.parse(text) as { id: string; key: string };
    };
    const keyOf = async (name: string) =>
      `Bearer ${(await post('/v1/keys', { name, scopes: ['logs:read'] }, admin)).key}`;
    const [mine, other] = [await keyOf('mine'), await keyOf('other')];
    const filters = { created_at: { gte: '2026-11-01' } };
    const { id } = await post('/v1/logs/exports', { filters }, { authorization: mine });
    const found = async (authorization: string) =>
      (
        JSON.parse(
          (await call(server.url, `/v1/find?id=${id}`, { headers: { authorization } })).text,
        ) as FindJson
      ).found;
    expect(await found(mine)).toMatchObject([{ kind: 'export', id, state: 'draft' }]);
    expect(await found(other)).toEqual([]);
    expect(await found(admin.authorization)).toHaveLength(1);
  });
});

it('says what was tried if nothing has the id, and refuses a text that is none', async () => {
  const server = await startAdmin();
  await server.logs.post([requestRecord()]);
  expect(await find(server, 'e'.repeat(16))).toEqual({
    id: 'e'.repeat(16),
    found: [],
    tried: ['request', 'async', 'span', 'request_end'],
    searched_from: expect.any(String) as string,
  });
  await expectJson(server, '/v1/find', 400);
  await expectJson(server, `/v1/find?id=${'x'.repeat(300)}`, 400);
  await expectJson(server, '/v1/find?id=abc&q=5', 400);
});
