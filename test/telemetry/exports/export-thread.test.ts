// Export jobs on the log store of the product, with its threads.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Logger } from '../../../src/core/logger.ts';
import { Exports, type ExportJob } from '../../../src/telemetry/exports/exports.ts';
import { Logs, RecorderClient } from '../../../src/telemetry/logs/logs.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { closeStores, OwnStore } from '../../kit/own-store.ts';
import { until } from '../../kit/until.ts';
import { expectFile, expectJob, QUERY, request } from './export-store.ts';

const LIMITS = { max_rows: 0, lifetime: 86_400_000, url_lifetime: 60_000, max_bytes: 2 ** 30, max_jobs: 10 };
const quiet = { write: () => undefined, flush: () => undefined, dropped: () => 0 };
const log = new Logger(quiet, { level: 'error', isText: false });

const open: (Logs | Exports)[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop(performance.now() + 5000);
  closeStores();
  removeFolders();
});

async function started(records: number): Promise<Exports> {
  const data = folder();
  const store = new OwnStore(join(data, 'logs'));
  for (let n = 0; n < records; n += 10_000)
    store.add(...Array.from({ length: Math.min(10_000, records - n) }, (_, i) => request(`r${n + i}`)));
  store.close();
  const logs = new Logs(
    {
      folder: join(data, 'logs'),
      maxBytes: 2 ** 30,
      own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
      retentionMs: 366 * 86_400_000,
      maxLineBytes: 4096,
      redactsCommonSecrets: true,
      maxBodyBytes: 65_536,
      redactPatterns: [],
      files: [],
      fileOrigin: { deployment: '', environment: '', replica: '' },
    },
    new RecorderClient({ fd: -1, isText: false }),
    log,
  );
  const exports = new Exports(LIMITS, join(data, 'exports'), logs, log);
  open.push(logs, exports);
  await exports.start();
  return exports;
}

/** `nice` of the thread of the export; `undefined` without the thread. */
function niceOfThread(): number | undefined {
  for (const id of readdirSync('/proc/self/task')) {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'utf8');
    // Behind the name, which may contain spaces.
    if (stat.includes('(weir export)')) return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  }
  return undefined;
}

const ended = (exports: Exports, id: string): Promise<ExportJob> =>
  until('the export has ended', () => {
    const job = exports.get(id)!;
    return job.state !== 'in_progress' && job;
  });

it('writes a file in a thread of low priority, which ends with the last job', async () => {
  const exports = await started(60_000);
  const { id } = expectJob(await exports.create({ owner: 'me', asked: null, query: QUERY }));
  expect(expectJob(await exports.begin(id)).total).toBe(60_000);
  await until('the thread has a low priority', () => niceOfThread() === 10);
  expect(await ended(exports, id)).toMatchObject({ state: 'success', exportedRecords: 60_000 });
  const lines = readFileSync(expectFile(exports.file(id)).path, 'utf8').split('\n');
  expect(lines).toHaveLength(60_001);
  expect(lines[59_999]).toBe('{"id":"r59999","created_at":"2026-11-20T12:00:00.000Z"}');
  await until('the thread has ended', () => niceOfThread() === undefined);
});

it('exports an empty store to an empty file', async () => {
  const exports = await started(0);
  const { id } = expectJob(await exports.create({ owner: 'me', asked: null, query: QUERY }));
  expectJob(await exports.begin(id));
  expect(await ended(exports, id)).toMatchObject({ state: 'success', total: 0, bytes: 0 });
});
