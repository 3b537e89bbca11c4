// Export jobs: their states, their files, and what becomes of them after a restart.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { closeStores, DAY_MS, NOON } from '../../kit/own-store.ts';
import { removeFolders } from '../../kit/folder.ts';
import { until } from '../../kit/until.ts';
import { expectFile, expectJob, ExportStore, QUERY, request } from './export-store.ts';

const open = new Set<ExportStore>();
afterEach(async () => {
  for (const store of open) await store.exports.stop(performance.now() + 5000);
  open.clear();
  closeStores();
  removeFolders();
});

async function started(...options: ConstructorParameters<typeof ExportStore>): Promise<ExportStore> {
  const store = new ExportStore(...options);
  open.add(store);
  await store.exports.start();
  return store;
}

const requests = (count: number, first = 0) =>
  Array.from({ length: count }, (_, i) => request(`r${first + i}`));
const idsIn = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { id: string }).id);
const ids = (count: number, first = 0) => Array.from({ length: count }, (_, i) => `r${first + i}`);

describe('a job', () => {
  it('writes the matching records in the order of storing, and tells size and hash', async () => {
    const store = await started();
    store.store.add(...requests(3), request('line', { kind: 'line' }), ...requests(2, 3));
    const draft = expectJob(
      await store.exports.create({ owner: 'me', asked: { filters: {} }, query: QUERY }),
    );
    expect(draft).toMatchObject({ state: 'draft', total: 5, isTotalExact: true, asked: { filters: {} } });
    const running = expectJob(await store.exports.begin(draft.id));
    expect(running).toMatchObject({ state: 'in_progress', total: 5, error: null });
    const job = await store.ended(draft.id);
    const text = store.text(draft.id);
    expect(idsIn(text)).toEqual(ids(5));
    expect(job).toMatchObject({
      state: 'success',
      exportedRecords: 5,
      missedRecords: 0,
      bytes: Buffer.byteLength(text),
      sha256: createHash('sha256').update(text).digest('hex'),
    });
    expect(job.expiresAtMs! - job.finishedAtMs!).toBe(86_400_000);
  });

  it('keeps its files from other users', async () => {
    const store = await started();
    store.store.add(...requests(1));
    const { job } = await store.done();
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    expect(mode(join(store.data, 'exports'))).toBe('700');
    expect(mode(join(store.data, 'exports', `${job.id}.json`))).toBe('600');
    expect(mode(expectFile(store.exports.file(job.id)).path)).toBe('600');
  });

  it('exports only what was stored when it was started', async () => {
    const store = await started();
    store.store.add(...requests(4));
    store.rowsPerScan = 1;
    const { id } = await store.begun();
    store.store.add(...requests(4, 100));
    await store.ended(id);
    expect(idsIn(store.text(id))).toEqual(ids(4));
  });

  it('writes no more rows than asked for, than the setting allows, and begins at its offset', async () => {
    const store = await started({ max_rows: 6 });
    store.store.add(...requests(10));
    expect(idsIn((await store.done({ limit: 3, offset: 2 })).text)).toEqual(ids(3, 2));
    const { job, text } = await store.done({ limit: 100 });
    expect(idsIn(text)).toEqual(ids(6));
    expect(job).toMatchObject({ total: 6, query: { limit: 6 } });
    expect((await store.done({ offset: 50 })).job).toMatchObject({ total: 0, bytes: 0, state: 'success' });
  });

  it('writes only records of its time range, the bounds included', async () => {
    const store = await started();
    store.store.add(
      ...[0, 1, 2, 3].map((ms) => request(`r${ms}`, { timeNs: BigInt(NOON + ms) * 1_000_000n + 999_999n })),
    );
    const { text } = await store.done({ fromMs: NOON + 1, toMs: NOON + 2 });
    expect(idsIn(text)).toEqual(['r1', 'r2']);
  });

  it('is counted as one if a client sends it twice within seconds', async () => {
    const store = await started();
    const asked = { owner: 'me', asked: { a: 1 }, query: QUERY };
    const first = expectJob(await store.exports.create(asked));
    expect(expectJob(await store.exports.create(asked)).id).toBe(first.id);
    expect(expectJob(await store.exports.create({ ...asked, owner: 'you' })).id).not.toBe(first.id);
    expect(expectJob(await store.exports.create({ ...asked, asked: { a: 2 } })).id).not.toBe(first.id);
  });

  it('is listed for its owner, the newest first', async () => {
    const store = await started();
    const a = await store.begun();
    const b = await store.begun();
    await store.exports.create({ owner: 'you', asked: null, query: QUERY });
    expect(store.exports.list('me').map(({ id }) => id)).toEqual([b.id, a.id]);
    expect(store.exports.list()).toHaveLength(3);
    expect(store.exports.latestOf('me')?.id).toBe(b.id);
    expect(store.exports.latestOf('none')).toBeUndefined();
  });

  it('runs after those that were started before', async () => {
    const store = await started();
    store.store.add(...requests(20));
    store.rowsPerScan = 1;
    const a = await store.begun();
    const b = await store.begun();
    await until('the first has written rows', () => store.exports.get(a.id)!.exportedRecords > 0);
    expect(store.exports.get(b.id)).toMatchObject({ state: 'in_progress', exportedRecords: 0 });
    await store.ended(b.id);
    expect(store.exports.get(a.id)!.state).toBe('success');
    expect(idsIn(store.text(b.id))).toEqual(ids(20));
  });
});

describe('a change of a job', () => {
  it('is refused in a state that does not allow it', async () => {
    const store = await started();
    store.store.add(...requests(30));
    store.rowsPerScan = 1;
    const { id } = await store.begun();
    expect(await store.exports.begin(id)).toMatchObject({ refused: 'wrong_state' });
    expect(await store.exports.update(id, { asked: 1, query: QUERY })).toMatchObject({
      refused: 'wrong_state',
      message: `export ${id} is in_progress, so it cannot be updated`,
    });
    expect(store.exports.file(id)).toMatchObject({ refused: 'wrong_state' });
    await store.ended(id);
    expect(await store.exports.cancel(id)).toMatchObject({ refused: 'wrong_state' });
    expect(await store.exports.begin(id)).toMatchObject({ refused: 'wrong_state' });
    for (const refused of [
      store.exports.begin('no'),
      store.exports.cancel('no'),
      store.exports.update('no', { asked: 1, query: QUERY }),
    ])
      expect(await refused).toEqual({ refused: 'not_found', message: 'export no was not found' });
  });

  it('is refused for a query that has no meaning', async () => {
    const store = await started();
    const create = (query: object) =>
      store.exports.create({ owner: '', asked: 1, query: { ...QUERY, ...query } });
    expect(await create({ columns: [] })).toMatchObject({ refused: 'invalid' });
    expect(await create({ columns: [QUERY.columns[0], QUERY.columns[0]] })).toMatchObject({
      message: 'column id is asked for twice',
    });
    expect(await create({ columns: [{ key: 'a', field: 'b' }] })).toMatchObject({
      message: 'unknown field b',
    });
    expect(await create({ fromMs: 2, toMs: 1 })).toMatchObject({ refused: 'invalid' });
    expect(await create({ limit: -1 })).toMatchObject({ refused: 'invalid' });
    expect(await create({ offset: 0.5 })).toMatchObject({ refused: 'invalid' });
    expect(await create({ format: 'xml' })).toMatchObject({
      message: 'unknown format "xml"; use one of jsonl, json, csv, parquet',
    });
    expect(store.exports.list()).toEqual([]);
  });

  it('cancels a job in its midst, and deletes what it has written', async () => {
    const store = await started();
    store.store.add(...requests(500));
    store.rowsPerScan = 1;
    const { id } = await store.begun();
    await until('it has written rows', () => store.exports.get(id)!.bytes > 0);
    expect(expectJob(await store.exports.cancel(id))).toMatchObject({ state: 'stopped', bytes: 0 });
    expect(readdirSync(join(store.data, 'exports'))).toEqual([`${id}.json`]);
    // Started again at once, while the stopped run may still have its file open.
    store.store.add(...requests(5, 500));
    expectJob(await store.exports.begin(id));
    store.rowsPerScan = Infinity;
    await store.ended(id);
    expect(idsIn(store.text(id))).toEqual(ids(505));
  });

  it('replaces what a draft or stopped job exports', async () => {
    const store = await started();
    store.store.add(...requests(5));
    const draft = expectJob(await store.exports.create({ owner: 'me', asked: 1, query: QUERY }));
    const changed = expectJob(
      await store.exports.update(draft.id, { asked: 2, query: { ...QUERY, limit: 2 } }),
    );
    expect(changed).toMatchObject({ state: 'draft', asked: 2, total: 2 });
    expectJob(await store.exports.begin(draft.id));
    await store.ended(draft.id);
    expect(idsIn(store.text(draft.id))).toEqual(ids(2));
  });

  it('removes a job with its file, also while it runs', async () => {
    const store = await started();
    store.store.add(...requests(100));
    store.rowsPerScan = 1;
    const { id } = await store.begun();
    await until('it has written rows', () => store.exports.get(id)!.bytes > 0);
    expect(await store.exports.remove(id)).toBe(true);
    expect(await store.exports.remove(id)).toBe(false);
    const { job } = await store.done();
    expect(readdirSync(join(store.data, 'exports')).sort()).toEqual([`${job.id}.data`, `${job.id}.json`]);
  });
});

describe('after a restart', () => {
  it.each([
    ['that stopped it', false],
    ['that killed it', true],
  ])('%s, a job goes on where it was', async (_, isKilled) => {
    const store = await started();
    store.store.add(...requests(300));
    store.rowsPerScan = 3;
    const { id } = await store.begun();
    await until('it has written rows', () => store.exports.get(id)!.exportedRecords > 30);
    const data = join(store.data, 'exports', `${id}.data`);
    if (isKilled) {
      // The old run is stopped where it is, and its file is longer than the checkpoint says.
      store.beforeScan = () => {
        throw new Error('killed');
      };
      const saved = readFileSync(join(store.data, 'exports', `${id}.json`), 'utf8');
      const bytes = readFileSync(data);
      await store.ended(id);
      writeFileSync(join(store.data, 'exports', `${id}.json`), saved);
      writeFileSync(data, `${bytes.toString()}{"id":"half a li`);
      store.beforeScan = () => undefined;
    }
    await store.restart({}, isKilled);
    expect(store.exports.latestOf('me')?.id).toBe(id);
    const job = await store.ended(id);
    const text = store.text(id);
    expect(idsIn(text)).toEqual(ids(300));
    expect(job).toMatchObject({
      exportedRecords: 300,
      sha256: createHash('sha256').update(text).digest('hex'),
    });
    expect(store.logged.filter((line) => line.includes('export finished'))).toHaveLength(1);
  });

  it('a job whose file has gone is written from its begin', async () => {
    const store = await started();
    store.store.add(...requests(100));
    store.rowsPerScan = 3;
    const { id } = await store.begun();
    await until('it has written rows', () => store.exports.get(id)!.exportedRecords > 30);
    await store.exports.stop(performance.now() + 5000);
    rmSync(join(store.data, 'exports', `${id}.data`));
    await store.restart();
    await store.ended(id);
    expect(idsIn(store.text(id))).toEqual(ids(100));
  });

  it('jobs and files are there, and what belongs to no job is deleted', async () => {
    const store = await started();
    store.store.add(...requests(3));
    const { job } = await store.done();
    const path = join(store.data, 'exports');
    writeFileSync(join(path, '00000000-0000-4000-8000-000000000000.data'), 'x');
    writeFileSync(join(path, '00000000-0000-4000-8000-000000000000.json.1a2b3c4d.tmp'), 'x');
    writeFileSync(join(path, '00000000-0000-4000-8000-000000000001.json'), '{"id":"other"}');
    writeFileSync(join(path, '00000000-0000-4000-8000-000000000002.json'), '{');
    await store.restart();
    expect(store.exports.list()).toEqual([job]);
    expect(idsIn(store.text(job.id))).toEqual(ids(3));
    const names = readdirSync(path).map((name) => name.replace(/\d{13}$/, ''));
    expect(names.sort()).toEqual(
      [
        '00000000-0000-4000-8000-000000000001.json.damaged-',
        '00000000-0000-4000-8000-000000000002.json.damaged-',
        `${job.id}.data`,
        `${job.id}.json`,
      ].sort(),
    );
    expect(store.logged.filter((line) => line.includes('export job is unusable'))).toHaveLength(2);
  });
});

describe('the limits', () => {
  it('delete the file of a job when its time is over, and let the job be started again', async () => {
    const store = await started({ lifetime: -1 });
    store.store.add(...requests(3));
    const { id } = await store.begun();
    await store.ended(id);
    await store.restart({ lifetime: 86_400_000 });
    expect(store.exports.get(id)).toMatchObject({ state: 'success', hasFile: false });
    expect(store.exports.file(id)).toMatchObject({ refused: 'not_found' });
    expectJob(await store.exports.begin(id));
    await store.ended(id);
    expect(idsIn(store.text(id))).toEqual(ids(3));
  });

  it('delete the oldest files to make room for a new one', async () => {
    const size = Buffer.byteLength('{"id":"r0","created_at":"2026-11-20T12:00:00.000Z"}\n');
    const store = await started({ max_bytes: 10 * size });
    store.store.add(...requests(4));
    const first = await store.done();
    const second = await store.done();
    const third = await store.done();
    expect(store.exports.get(first.job.id)).toMatchObject({ hasFile: false });
    expect(store.exports.file(first.job.id)).toMatchObject({ refused: 'not_found' });
    expect(idsIn(store.text(second.job.id))).toEqual(ids(4));
    expect(idsIn(store.text(third.job.id))).toEqual(ids(4));
  });

  it('end a job whose file is too large, with an error that says what to do', async () => {
    const store = await started({ max_bytes: 100 });
    store.store.add(...requests(10));
    const job = await store.ended((await store.begun()).id);
    expect(job).toMatchObject({
      state: 'failure',
      bytes: 0,
      error: 'the file is larger than 100B (export_jobs.max_bytes); export fewer rows or columns',
    });
    expect(readdirSync(join(store.data, 'exports'))).toEqual([`${job.id}.json`]);
  });

  it('delete the oldest jobs that do not run', async () => {
    const store = await started({ max_jobs: 2 });
    const create = async (asked: number) => store.exports.create({ owner: 'me', asked, query: QUERY });
    store.store.add(...requests(1));
    const [a, b, c] = [expectJob(await create(1)), expectJob(await create(2)), expectJob(await create(3))];
    expect(store.exports.list().map(({ id }) => id)).toEqual([c.id, b.id]);
    expect(store.exports.get(a.id)).toBeUndefined();
    store.rowsPerScan = 0;
    store.beforeScan = () => undefined;
    store.store.add(...requests(3000, 1));
    store.rowsPerScan = 1;
    expectJob(await store.exports.begin(b.id));
    expectJob(await store.exports.begin(c.id));
    expect(await create(4)).toMatchObject({ refused: 'too_many' });
  });
});

describe('a job that meets a problem', () => {
  it('fails with the text of an error, and runs when it is started again', async () => {
    const store = await started();
    store.store.add(...requests(10));
    store.beforeScan = () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    const { id } = await store.begun();
    expect(await store.ended(id)).toMatchObject({
      state: 'failure',
      error:
        'the disk of the data folder is full (ENOSPC); free some space and start the export again: ENOSPC: no space left on device, write',
    });
    store.beforeScan = () => undefined;
    expectJob(await store.exports.begin(id));
    expect(await store.ended(id)).toMatchObject({ state: 'success', error: null });
    expect(idsIn(store.text(id))).toEqual(ids(10));
  });

  it('fails once, and lets others run, if its file can neither be written nor deleted', async () => {
    const store = await started();
    store.store.add(...requests(10));
    const draft = expectJob(await store.exports.create({ owner: 'me', asked: 1, query: QUERY }));
    store.rowsPerScan = 1;
    const first = await store.begun();
    expectJob(await store.exports.begin(draft.id));
    mkdirSync(join(store.data, 'exports', `${draft.id}.data`));
    expect(await store.ended(draft.id)).toMatchObject({ state: 'failure', bytes: 0, hasFile: false });
    expect((await store.done()).job.state).toBe('success');
    expect(store.exports.get(first.id)!.state).toBe('success');
    expect(store.logged.filter((line) => line.includes('export failed'))).toHaveLength(1);
  });

  it('keeps a file that cannot be deleted when its time is over, and weir starts', async () => {
    const store = await started({ lifetime: -1 });
    store.store.add(...requests(3));
    const { job } = await store.done();
    const other = await store.done();
    const { path } = expectFile(store.exports.file(job.id));
    rmSync(path);
    mkdirSync(path);
    const stored = join(store.data, 'exports', `${job.id}.json`);
    writeFileSync(
      stored,
      readFileSync(stored, 'utf8').replace(/"bytes":\d+/, `"bytes":${statSync(path).size}`),
    );
    await store.restart();
    expect(store.exports.get(job.id)).toMatchObject({ state: 'success', hasFile: true });
    expect(store.exports.get(other.job.id)).toMatchObject({ hasFile: false });
    expect(store.logged.filter((line) => line.includes('export file cannot be deleted'))).toHaveLength(1);
  });

  it('is refused with a clear text if the folder cannot be written', async () => {
    const store = await started();
    writeFileSync(join(store.data, 'exports'), '');
    expect(await store.exports.create({ owner: 'me', asked: 1, query: QUERY })).toEqual({
      refused: 'no_room',
      message: 'the data folder cannot be written (EEXIST)',
    });
    expect(store.exports.list()).toEqual([]);
    expect(store.logged.filter((line) => line.includes('export cannot be stored'))).toHaveLength(1);
  });

  it('stays in the list if it cannot be deleted to make room', async () => {
    const store = await started({ max_jobs: 1 });
    const { id } = expectJob(await store.exports.create({ owner: 'me', asked: 1, query: QUERY }));
    const stored = join(store.data, 'exports', `${id}.json`);
    rmSync(stored);
    mkdirSync(stored);
    await expect(store.exports.create({ owner: 'me', asked: 2, query: QUERY })).rejects.toThrow(/EISDIR/);
    expect(store.exports.list().map((job) => job.id)).toEqual([id]);
  });

  it('goes on when records are deleted before it could read them, and tells how many', async () => {
    const store = await started();
    store.store.add(...requests(100));
    store.store.nowMs += DAY_MS;
    store.store.add(...requests(50, 100));
    store.rowsPerScan = 10;
    let scans = 0;
    store.beforeScan = () => {
      if (++scans !== 4) return;
      // The day of the first records is over, so retention deletes them.
      store.store.nowMs += 7 * DAY_MS;
      store.store.add(request('later'));
    };
    const { id } = await store.begun();
    const job = await store.ended(id);
    expect(job).toMatchObject({ state: 'success', missedRecords: 70, exportedRecords: 80 });
    expect(idsIn(store.text(id))).toEqual([...ids(30), ...ids(50, 100)]);
  });
});
