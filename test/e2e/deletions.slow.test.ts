// A deletion survives kill -9 at any moment, under load: what was answered as deleted never comes back, everything else
// stays, and in the end no file has a byte of it.
import { afterEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { post } from '../kit/log-api.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { bytesIn } from '../kit/stored-bytes.ts';
import { START_TIMEOUT_MS, until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const PARTS = 8;
const LINES = 10_000;

const countOf = async (weir: Weir, q: string): Promise<number> => {
  const query = new URLSearchParams({ q, since: '3h', step: '10m' });
  const { status, text } = await call(weir.admin, `/v1/logs/hits?${query.toString()}`);
  expect(status, text).toBe(200);
  return (JSON.parse(text) as { total: number }).total;
};

it('is neither lost nor undone by kill -9 while other records are written', async () => {
  const model = await startReplica((_, res) => void res.end('ok'));
  const data = folder();
  const start = (): Promise<Weir> => startWeir([`--replica=${model.url}`, `--data-dir=${data}`]);
  let weir = await start();
  for (let part = 0; part < PARTS; part++) {
    const lines = Array.from({ length: LINES }, (_, i) =>
      i % 2 === 0
        ? { message: `secret-text ${part} ${i}`, user: 'ann' }
        : { message: `kept-text ${part} ${i}`, user: 'bob' },
    );
    await post({ url: weir.admin }, lines);
  }
  expect(await countOf(weir, 'user:ann')).toBe((PARTS * LINES) / 2);
  let later = 0;
  let isHidden = false;
  for (const killAfterMs of [5, 60, 250, 700, 1200, 1800, 2600]) {
    // Requests and lines come in all the time.
    const ended = new AbortController();
    const { admin, url } = weir;
    const load = (async () => {
      while (!ended.signal.aborted) {
        await call(url, '/predict').catch(() => undefined);
        const stored = await post({ url: admin }, [{ message: 'kept-later', user: 'carl' }]).catch(
          () => 'gone',
        );
        if (stored !== 'gone') later++;
      }
    })();
    const body = JSON.stringify({ q: 'user:ann', urgent: true });
    const asked = call(weir.admin, '/v1/logs/deletions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    }).then(
      ({ status }) => status === 200,
      () => false,
    );
    await new Promise((resolve) => void setTimeout(resolve, killAfterMs));
    isHidden ||= await Promise.race([asked, Promise.resolve(false)]);
    ended.abort();
    await weir.stop('SIGKILL');
    await load;
    weir = await start();
    const found = await countOf(weir, 'user:ann');
    if (isHidden) expect(found).toBe(0);
    expect(await countOf(weir, 'user:bob')).toBe((PARTS * LINES) / 2);
  }
  interface Listed {
    readonly deletions: readonly { readonly state: string; readonly records: number }[];
  }
  const isRemoved = async (): Promise<boolean> => {
    const { text } = await call(weir.admin, '/v1/logs/deletions');
    const { deletions } = JSON.parse(text) as Listed;
    return deletions.length > 0 && deletions.every(({ state }) => state === 'removed');
  };
  await until('all deletions are removed from the files', isRemoved, START_TIMEOUT_MS);
  expect(isHidden).toBe(true);
  expect(await countOf(weir, 'user:ann')).toBe(0);
  expect(await countOf(weir, 'user:bob')).toBe((PARTS * LINES) / 2);
  expect(await countOf(weir, 'user:carl')).toBeGreaterThanOrEqual(later);
  expect(await countOf(weir, 'event:store_deletion')).toBeGreaterThan(0);
  await weir.stop('SIGTERM');
  for (const [file, bytes] of bytesIn(data)) expect(bytes.includes('secret-text'), file).toBe(false);
}, 240_000);
