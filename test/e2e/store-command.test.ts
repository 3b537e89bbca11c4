// weir store: deletes records of a running weir, backs up its data folder under load, and restores it.
import { appendFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { post, search } from '../kit/log-api.ts';
import { bodyOf, closeReplicas, startReplica, type Replica } from '../kit/replica.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

let model: Replica;
beforeEach(async () => {
  model = await startReplica(async (req, res) => {
    const body = await bodyOf(req);
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ echo: body.toString() }));
  });
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const start = (data: string): Promise<Weir> =>
  startWeir([`--replica=${model.url}`, `--data-dir=${data}`, '--logs-capture=full']);

const json = (body: object) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** All records up to a sequence number, as they are downloaded, with the bodies of requests. */
async function recordsOf(weir: Weir, headSeq: number): Promise<unknown[]> {
  const { text } = await call(weir.admin, '/v1/logs', { headers: { accept: 'application/x-ndjson' } });
  const records = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { seq: number; kind: string })
    .filter(({ seq }) => seq <= headSeq);
  const whole: unknown[] = [];
  for (const record of records)
    whole.push(
      record.kind === 'request'
        ? JSON.parse((await call(weir.admin, `/v1/logs/${record.seq}`)).text)
        : record,
    );
  return whole;
}

/** Counts of the records before the load. */
const countsOf = async (weir: Weir): Promise<unknown> => {
  const query = new URLSearchParams({ q: 'user:* OR path:/predict/*', since: '1h', step: '1m' });
  const { status, text } = await call(weir.admin, `/v1/logs/hits?${query.toString()}`);
  expect(status).toBe(200);
  const { hits, total } = JSON.parse(text) as { hits: unknown; total: number };
  expect(total).toBeGreaterThan(34_000);
  return hits;
};

/** Writes records all the time until it is aborted. */
async function load(weir: Weir, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await call(weir.url, '/load', json({ prompt: 'later' }));
    await post({ url: weir.admin }, [{ message: 'later' }]);
  }
}

describe('weir store backup and restore', () => {
  it('give a weir that answers like the one before, with all records that were acknowledged', async () => {
    const weir = await start(folder());
    await call(weir.admin, '/v1/prices/m', { ...json({ input: 1 }), method: 'PUT' });
    for (let i = 0; i < 20; i++) await call(weir.url, `/predict/${i}`, json({ prompt: `prompt ${i}` }));
    await post(
      { url: weir.admin },
      Array.from({ length: 40_000 }, (_, i) => ({ message: `line ${i}`, user: `u${i % 7}` })),
    );
    const deleted = await runWeir(['store', 'delete', '--where', 'user:u3', '--url', weir.admin]);
    expect(deleted).toMatchObject({ code: 0 });
    await post({ url: weir.admin }, [{ message: 'the last one' }]);
    const ended = new AbortController();
    const loading = load(weir, ended.signal);
    const backup = join(folder(), 'backup');
    const made = await runWeir(['store', 'backup', backup, '--url', weir.admin]);
    expect(made.err).toBe('');
    const headSeq = Number(/records up to (\d+)/.exec(made.out)?.[1]);
    ended.abort();
    await loading;
    const [last] = (await search({ url: weir.admin }, { q: '"the last one"' })).logs;
    expect(headSeq).toBeGreaterThanOrEqual(last!.seq);

    const data = join(folder(), 'data');
    const restored = await runWeir(['store', 'restore', backup, '--data-dir', data]);
    expect(restored).toMatchObject({ code: 0 });
    const other = await start(data);
    const records = await recordsOf(weir, headSeq);
    expect(records.length).toBeGreaterThan(34_000);
    expect(await recordsOf(other, headSeq)).toEqual(records);
    expect(await countsOf(other)).toEqual(await countsOf(weir));
    expect((await search({ url: other.admin }, { q: 'user:u3' })).logs).toEqual([]);
    expect(readdirSync(backup)).toContain('manifest.json');
    // It goes on with the next sequence numbers.
    await post({ url: other.admin }, [{ message: 'after the restore' }]);
    const [after] = (await search({ url: other.admin }, { q: '"after the restore"' })).logs;
    expect(after!.seq).toBeGreaterThan(headSeq);
  }, 120_000);

  it('refuse folders that are not empty, and backups that are not complete or damaged', async () => {
    const weir = await start(folder());
    await post({ url: weir.admin }, [{ message: 'x' }]);
    const full = folder({ file: 'x' });
    expect(await runWeir(['store', 'backup', full, '--url', weir.admin])).toMatchObject({ code: 5 });
    const backup = join(folder(), 'backup');
    expect(await runWeir(['store', 'backup', backup, '--url', weir.admin])).toMatchObject({ code: 0 });
    const restore = (to: string) => runWeir(['store', 'restore', backup, '--data-dir', to]);
    expect((await restore(full)).err).toContain('is not empty');
    const target = join(folder(), 'data');
    const name = readdirSync(join(backup, 'logs')).find((one) => one.endsWith('.sqlite'));
    appendFileSync(join(backup, 'logs', name!), 'x');
    const damaged = await restore(target);
    expect(damaged).toMatchObject({ code: 1 });
    expect(damaged.err).toContain('its digest is not that of the manifest');
    rmSync(join(backup, 'manifest.json'));
    expect((await restore(target)).err).toContain('not a complete one');
    expect(existsSync(target)).toBe(false);
  }, 60_000);
});

describe('weir store delete', () => {
  it('counts with --dry-run, and says what else may have the records', async () => {
    const weir = await start(folder());
    await post({ url: weir.admin }, [{ message: 'a', user: 'ann' }, { message: 'b' }]);
    const run = (...args: string[]) => runWeir(['store', 'delete', ...args, '--url', weir.admin]);
    expect((await run('--where', 'user:ann', '--dry-run')).out).toMatch(/^1 records would be deleted/);
    expect((await run('--where', 'user:ann')).out).toMatch(
      /^1 records deleted \(del_\w+\), and 0 annotations/,
    );
    expect((await search({ url: weir.admin }, { q: 'user:ann' })).logs).toEqual([]);
    const [event] = (await search({ url: weir.admin }, { q: 'event:store_deletion' })).logs;
    expect(event!['attributes']).toMatchObject({ q: 'user:ann', records: 1, state: 'hidden' });
  });

  it.each([
    [[], '--where: give a query'],
    [['--where', ' '], '--where: give a query'],
    [['--where', 'level>=wran'], 'unknown level'],
    [['--wher', 'x'], "Unknown option '--wher'"],
  ])('refuses %j', async (args, problem) => {
    const weir = await start(folder());
    const { code, err } = await runWeir(['store', 'delete', ...args, '--url', weir.admin]);
    expect(code).not.toBe(0);
    expect(err).toContain(problem);
  });
});
