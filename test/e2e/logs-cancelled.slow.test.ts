// Searches over a month of files whose client leaves: they end, and leave no transaction open.
import { request } from 'node:http';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { listSegments } from '../../src/telemetry/logs/store/segments.ts';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { search } from '../kit/log-api.ts';
import { DAY_MS, line, OwnStore } from '../kit/own-store.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const DAYS = 30;
const LINES_PER_DAY = 2000;

it('end when their client leaves, so that the write-ahead log stays small and other searches are fast', async () => {
  const data = folder();
  const store = new OwnStore(join(data, 'logs'));
  store.nowMs = Date.now() - DAYS * DAY_MS;
  for (let day = 0; day < DAYS; day++, store.nowMs += DAY_MS) {
    const timeNs = BigInt(Math.round(store.nowMs)) * 1_000_000n;
    store.add(...Array.from({ length: LINES_PER_DAY }, (_, i) => line(`old ${day} ${i}`, { timeNs })));
  }
  store.close();
  const model = await startReplica((_, res) => void res.end('{}'));
  const weir = await startWeir([`--replica=${model.url}`, `--data-dir=${data}`, '--logs-retention=40d']);
  const admin = { url: weir.admin };
  const from = new Date(Date.now() - (DAYS + 1) * DAY_MS).toISOString();
  const all = new URLSearchParams({ q: '/a.*b.*c.*d$/', start: from }).toString();
  expect((await call(weir.admin, `/v1/logs?${all}`)).status).toBe(200);
  const leave = async (): Promise<void> => {
    const client = request(`${weir.admin}/v1/logs?${all}`, { agent: false });
    client.on('error', () => undefined);
    client.end();
    await once(client, 'finish');
    client.destroy();
  };
  const walBytes = (): number => statSync(`${listSegments(join(data, 'logs')).at(-1)!.path}-wal`).size;
  const text = 'x'.repeat(1000);
  let posted = 0;
  let largest = 0;
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 5 }, leave));
    const body = Array.from({ length: 1000 }, (_, i) => `new ${round} ${i} ${text}`).join('\n');
    const headers = { 'content-type': 'text/plain' };
    expect((await call(weir.admin, '/v1/logs', { method: 'POST', body, headers })).status).toBe(200);
    posted += body.length;
    largest = Math.max(largest, walBytes());
  }
  expect(posted).toBeGreaterThan(19 * 1024 ** 2);
  // 20 MB were written. A reader that stayed in a transaction would keep them all in the write-ahead log.
  expect(largest).toBeLessThan(14 * 1024 ** 2);
  await until('the write-ahead log is empty', async () => {
    await call(weir.admin, '/v1/logs', { method: 'POST', body: `${text.repeat(50)}\n`.repeat(50) });
    return walBytes() < 2 * 1024 ** 2;
  });
  const { logs } = await search(admin, { q: '"new 19 999"', limit: '1' });
  expect(logs.map(({ message }) => message)).toEqual([`new 19 999 ${text}`]);
}, 60_000);
