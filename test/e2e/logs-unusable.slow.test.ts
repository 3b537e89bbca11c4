// A log store that cannot be used: requests are forwarded and logged as always, losses are counted, and it comes back.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { search } from '../kit/log-api.ts';
import { closeReplicas, startReplica, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

let model: Replica;
let data: string;
beforeEach(async () => {
  data = folder();
  model = await startReplica((_, res) => void res.end('{}'));
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const start = (): Promise<Weir> => startWeir([`--replica=${model.url}`, `--data-dir=${data}`]);
const exchangesOf = (weir: Weir): number => weir.lines.filter(({ event }) => event === 'exchange').length;

/** Sends requests one after the other. All must succeed, and have a line in the access log. */
async function expectForwarded(weir: Weir, count: number): Promise<void> {
  const before = exchangesOf(weir);
  for (let i = 0; i < count; i++) expect((await call(weir.url, '/predict')).status).toBe(200);
  await until('all are logged', () => exchangesOf(weir) === before + count);
}

/** Expects that the store loses requests with a reason, and stores again after `repair`. */
async function expectLossUntil(weir: Weir, repair: () => void): Promise<void> {
  await expectForwarded(weir, 50);
  await weir.expectLine('the loss', ({ event }) => event === 'log store is not being written');
  await until('they are counted as lost', async () => {
    const lost = (await weir.page()).value('weir_log_records_lost_total{reason="store_unusable"}');
    return (lost ?? 0) >= 50;
  });
  repair();
  await until(
    'the store is back',
    async () => {
      await expectForwarded(weir, 1);
      return weir.lines.some(({ event }) => event === 'log store is being written again');
    },
    40_000,
  );
  await until('a request is stored', async () => {
    await expectForwarded(weir, 1);
    return (await search({ url: weir.admin }, { q: 'kind:request' })).logs.length > 0;
  });
}

it('cannot create a file: requests are served and logged, and the store comes back', async () => {
  const path = join(data, 'logs', 'lock.sqlite');
  mkdirSync(path, { recursive: true });
  const weir = await start();
  await expectLossUntil(weir, () => rmSync(path, { recursive: true }));
}, 90_000);

it('is locked by another process: requests are served and logged, and the store comes back', async () => {
  mkdirSync(join(data, 'logs'), { recursive: true });
  const holder = new DatabaseSync(join(data, 'logs', 'lock.sqlite'));
  holder.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE held (by INTEGER)');
  const weir = await start();
  await expectLossUntil(weir, () => holder.close());
}, 90_000);

it('belongs to another weir: the second one says so, and the first one goes on', async () => {
  const first = await start();
  await expectForwarded(first, 5);
  const second = await runWeir([
    'serve',
    '--listen=127.0.0.1:0',
    '--admin=127.0.0.1:0',
    `--replica=${model.url}`,
    `--data-dir=${data}`,
  ]);
  expect(second.code).toBeGreaterThan(0);
  expect(second.err + second.out).toContain(data);
  expect(second.err + second.out).toMatch(/in use|used by another/);
  await expectForwarded(first, 5);
  const stored = await until('all are stored', async () => {
    const { logs } = await search({ url: first.admin }, { q: 'kind:request', limit: '100' });
    return logs.length === 10 && logs;
  });
  expect(new Set(stored.map(({ seq }) => seq)).size).toBe(10);
  expect(first.lines.filter(({ event }) => String(event).includes('lost'))).toEqual([]);
}, 60_000);
