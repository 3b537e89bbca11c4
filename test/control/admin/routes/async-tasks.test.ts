// GET /v1/async and GET /v1/async/{id}: tasks of the queue, their runs and deliveries.
import { afterEach, expect, it } from 'vitest';
import type { AsyncDetailJson, AsyncListJson } from '../../../../src/control/admin/records/async-json.ts';
import { MemoryStore } from '../../../../src/async/queue/stores/memory-store.ts';
import { TaskStoreError } from '../../../../src/async/queue/store.ts';
import { deliverySpan } from '../../../../src/telemetry/tracing/webhook-span.ts';
import { newTask } from '../../../contract/store.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { afterStart, expectJson, REQUEST_ID, requestRecord } from '../../../kit/request-record.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;
const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

async function start(): Promise<{ server: OpenAdmin; store: MemoryStore }> {
  const store = new MemoryStore(2 ** 26, {
    added: () => undefined,
    work: () => undefined,
    expired: () => undefined,
  });
  await store.open();
  return { server: await startAdmin({ deps: { tasks: store } }), store };
}

it('lists tasks by deployment and state, in pages, with the length of each queue', async () => {
  const { server, store } = await start();
  for (let i = 0; i < 1200; i++)
    await store.add(newTask({ id: `t${i}`, deployment: i % 600 === 0 ? 'dep1' : 'other' }), 2000);
  const path = '/v1/async?deployment=dep1&limit=1';
  const first = await expectJson<AsyncListJson>(server, path);
  expect(first.tasks.map(({ id }) => id)).toEqual(['t600']);
  const second = await expectJson<AsyncListJson>(server, `${path}&cursor=${first.cursor}`);
  expect(second.tasks.map(({ id }) => id)).toEqual(['t0']);
  expect(second.depths).toEqual([{ deployment: 'dep1', queued: 2, in_progress: 0 }]);
  await store.claim('dep1', T0, HOUR);
  const states = async (state: string) =>
    (await expectJson<AsyncListJson>(server, `/v1/async?state=${state}&limit=2`)).tasks.map(({ id }) => id);
  expect(await states('in_progress')).toEqual(['t0']);
  expect(await states('QUEUED,IN_PROGRESS')).toEqual(['t1199', 't1198']);
  await expectJson(server, '/v1/async?state=RUNNING', 400);
  await expectJson(server, '/v1/async?sort=asc', 400);
});

it('returns a task with its runs and deliveries, without the path of its webhook', async () => {
  const { server, store } = await start();
  const webhook = 'https://hooks.example/secret';
  await store.add(newTask({ id: REQUEST_ID, webhook, client: 'app', traceparent: TRACEPARENT }), 10);
  await server.logs.post([
    requestRecord({ path: '/production/async_predict' }, { status: 201, timeNs: afterStart(0) }),
    requestRecord(
      { async: true, async_wait_ms: 20, detail: 'out of memory' },
      { status: 500, timeNs: afterStart(20) },
    ),
    requestRecord({ async: true }, { timeNs: afterStart(900) }),
    deliverySpan(
      {
        requestId: REQUEST_ID,
        deployment: 'dep1',
        traceparent: TRACEPARENT,
        url: webhook,
        startEpochMs: Number(afterStart(1000) / 1_000_000n),
        durationMs: 320,
        attempt: 1,
        result: 'status',
        status: 503,
        problem: 'the receiver answered 503',
      },
      'production',
      true,
    )!,
  ]);
  const detail = await expectJson<AsyncDetailJson>(server, `/v1/async/${REQUEST_ID}`);
  expect(detail.task).toMatchObject({
    id: REQUEST_ID,
    state: 'QUEUED',
    phase: 'waiting',
    webhook_status: 'PENDING',
    created_at: new Date(T0).toISOString(),
    expires_at: new Date(T0 + 600_000).toISOString(),
    due_at: null,
    attempts: 0,
    max_attempts: 3,
    webhook_host: 'hooks.example',
    key_name: 'app',
    trace_id: 'a'.repeat(32),
  });
  expect(detail.runs).toEqual([
    expect.objectContaining({ status: 500, waited_ms: 20, error: 'out of memory', replica: 'abc12' }),
    expect.objectContaining({ status: 200, cause: 'ok' }),
  ]);
  expect(detail.delivery_tries).toEqual([
    expect.objectContaining({
      attempt: 1,
      result: 'status',
      status: 503,
      duration_ms: 320,
      host: 'hooks.example',
    }),
  ]);
  expect(detail.submit_place).toBe('1');
  expect(JSON.stringify(detail)).not.toContain('secret');
});

it('says that a task is unknown, or that the queue cannot be read', async () => {
  const { server, store } = await start();
  expect(await expectJson(server, '/v1/async/nothing', 404)).toMatchObject({
    error: expect.stringContaining('No such task: nothing') as string,
  });
  store.list = () => Promise.reject(new TaskStoreError('the disk is gone', false));
  expect(await expectJson(server, '/v1/async', 503)).toMatchObject({
    error: expect.stringContaining('the disk is gone') as string,
  });
});
