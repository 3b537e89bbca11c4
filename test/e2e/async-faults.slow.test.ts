// Faults that the queue of asynchronous requests must survive: kills under load, a full disk, a damaged file, a lost Redis.
// Every task that got a 201 must end.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { isMissing } from '../kit/program.ts';
import { RedisServer } from '../kit/redis.ts';
import { closeReplicas, startReplica, onBody, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

let model: Replica;
/** Completed runs of each task, by the number in its input. */
let runs: Map<number, number>;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-data-'));
  runs = new Map();
  model = await startReplica((req, res) => {
    void onBody(req, (body) => {
      const { n } = JSON.parse(body.toString()) as { n: number };
      setTimeout(() => {
        runs.set(n, (runs.get(n) ?? 0) + 1);
        res.end('{}');
      }, 5);
    });
  });
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const start = (store: string[], ...args: string[]): Promise<Weir> =>
  startWeir([
    '--replica',
    model.url,
    ...store,
    '--async-submit-rate=0',
    '--async-status-rate=0',
    '--pool-probe-retry-interval=50ms',
    ...args,
  ]);

/** Submits task `n`. Resolves to its id, to the status if it is refused, or to 0 if the connection fails. */
async function submit(weir: Weir, n: number, agent?: Agent, size = 0): Promise<string | number> {
  const body = JSON.stringify({ model_input: { n, pad: 'x'.repeat(size) } });
  try {
    const { status, text } = await call(weir.url, '/production/async_predict', {
      method: 'POST',
      body,
      ...(agent && { agent }),
    });
    return status === 201 ? (JSON.parse(text) as { request_id: string }).request_id : status;
  } catch {
    return 0;
  }
}

const statusOf = async (weir: Weir, id: string): Promise<string> =>
  (JSON.parse((await call(weir.url, `/async_request/${id}`)).text) as { status: string }).status;

const expectAllDone = async (weir: Weir, ids: Iterable<string>): Promise<void> => {
  for (const id of ids)
    await until(`${id} is done`, async () => (await statusOf(weir, id)) === 'SUCCEEDED', 30_000);
};

it('loses no accepted task and repeats no finished task when it is killed repeatedly under load', async () => {
  const accepted = new Map<string, number>();
  /** Tasks that were reported as SUCCEEDED, with their number of runs at that moment. */
  const done = new Map<string, number>();
  let n = 0;
  let weir = await start(['--data-dir', folder]);
  for (let round = 0; round < 6; round++) {
    const current = weir;
    const load = { isOver: false };
    const clients = Array.from({ length: 8 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (!load.isOver) {
        const mine = n++;
        const got = await submit(current, mine, agent);
        if (typeof got === 'string') accepted.set(got, mine);
        else break;
      }
      agent.destroy();
    });
    const before = accepted.size;
    await until('enough was accepted', () => accepted.size > before + 60, 20_000);
    for (const [id, number] of accepted)
      if (!done.has(id) && (await statusOf(current, id)) === 'SUCCEEDED') {
        done.set(id, runs.get(number)!);
        if (done.size % 10 === 0) break;
      }
    await current.stop('SIGKILL');
    load.isOver = true;
    await Promise.all(clients);
    weir = await start(['--data-dir', folder]);
  }
  await expectAllDone(weir, accepted.keys());
  for (const [id, number] of accepted) expect(runs.get(number), id).toBeGreaterThanOrEqual(1);
  for (const [id, times] of done) expect(runs.get(accepted.get(id)!), id).toBe(times);
  expect(done.size).toBeGreaterThan(0);
  // Only tasks that ran during one of the 6 kills may run again: at most 16 each time.
  const repeated = [...runs.values()].filter((times) => times > 1).length;
  expect(repeated).toBeLessThanOrEqual(6 * 16);
  expect(JSON.parse((await call(weir.url, '/async_queue_status')).text)).toMatchObject({
    num_queued_requests: 0,
    num_in_progress_requests: 0,
  });
}, 120_000);

it('fails to start with a damaged queue file, names it, and leaves it unchanged', async () => {
  const file = join(folder, 'queue.sqlite');
  writeFileSync(file, 'not a database: '.repeat(1000));
  const before = readFileSync(file);
  const { code, err } = await runWeir([
    'serve',
    '--replica',
    model.url,
    '--data-dir',
    folder,
    '--listen=127.0.0.1:0',
    '--admin=127.0.0.1:0',
  ]);
  expect(code).toBe(69);
  expect(err).toMatch(
    /^weir: .*queue\.sqlite is damaged \(.*\): keep a copy, then restore it or move it away\n$/,
  );
  expect(readFileSync(file).equals(before)).toBe(true);
});

it('fails to start with a queue file that another weir uses', async () => {
  const weir = await start(['--data-dir', folder]);
  expect(typeof (await submit(weir, 1))).toBe('string');
  const { code, err } = await runWeir([
    'serve',
    '--replica',
    model.url,
    '--data-dir',
    folder,
    '--listen=127.0.0.1:0',
    '--admin=127.0.0.1:0',
  ]);
  expect([code, err]).toEqual([69, expect.stringMatching(/is in use by another weir/)]);
});

it('returns 507 when the store is full, keeps its tasks, and accepts tasks again once there is space', async () => {
  await model.close();
  const weir = await start(['--data-dir', folder], '--async-max-store-bytes=1MiB');
  const ids: string[] = [];
  let refused = 0;
  for (let n = 0; n < 40 && refused === 0; n++) {
    const got = await submit(weir, n, undefined, 50_000);
    if (typeof got === 'string') ids.push(got);
    else refused = got;
  }
  expect(refused).toBe(507);
  expect(ids.length).toBeGreaterThan(3);
  const lost = await Promise.all(ids.map((id) => statusOf(weir, id)));
  expect(new Set(lost)).toEqual(new Set(['QUEUED']));
  model = await startReplica((_, res) => void res.end('{}'), model.port);
  await expectAllDone(weir, ids);
  expect(typeof (await submit(weir, 99, undefined, 50_000))).toBe('string');
});

// A separate disk needs the right to mount it, which a container may not have. The test above covers the same case for
// a limit that weir sets.
const canMount = (): boolean => {
  const mountPoint = mkdtempSync(join(tmpdir(), 'weir-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mountPoint], { stdio: 'ignore' });
    execFileSync('umount', [mountPoint]);
    return true;
  } catch {
    return false;
  }
};
it.skipIf(!canMount())(
  'returns 507 or 503 when the disk is full, keeps accepted tasks, and continues once there is space',
  async () => {
    const disk = mkdtempSync(join(tmpdir(), 'weir-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]);
    try {
      await model.close();
      const data = join(disk, 'data');
      mkdirSync(data);
      const weir = await start(['--data-dir', data]);
      const ids: string[] = [];
      const first = await submit(weir, 0, undefined, 20_000);
      expect(typeof first).toBe('string');
      ids.push(first as string);
      const ballast = join(disk, 'ballast');
      let refused = 0;
      for (let n = 1; n < 300 && refused === 0; n++) {
        if (n === 10)
          try {
            writeFileSync(ballast, Buffer.alloc(3 * 1024 ** 2));
          } catch {
            // The disk is full now, which is the purpose.
          }
        const got = await submit(weir, n, undefined, 20_000);
        if (typeof got === 'string') ids.push(got);
        else refused = got;
      }
      expect([503, 507]).toContain(refused);
      for (const id of ids) expect(await statusOf(weir, id)).toBe('QUEUED');
      rmSync(ballast);
      const again = await submit(weir, 1000, undefined, 20_000);
      expect(typeof again).toBe('string');
      model = await startReplica((_, res) => void res.end('{}'), model.port);
      await expectAllDone(weir, [...ids, again as string]);
      expect(await weir.stop()).toBe(0);
    } finally {
      await stopAll();
      execFileSync('umount', ['-l', disk]);
    }
  },
);

it.skipIf(isMissing('redis-server'))(
  'shares a queue in Redis between two weirs, and survives a restart of Redis and the kill of one weir',
  async () => {
    const redis = await RedisServer.start();
    try {
      const store = [`--async-store=${redis.url}`];
      const [one, two] = [await start(store), await start(store)];
      const accepted = new Map<string, number>();
      let n = 0;
      const submitMany = async (weir: Weir, count: number) => {
        for (let i = 0; i < count; i++) {
          const mine = n++;
          const got = await submit(weir, mine);
          if (typeof got === 'string') accepted.set(got, mine);
        }
      };
      await Promise.all([submitMany(one, 40), submitMany(two, 40)]);
      expect(accepted.size).toBe(80);
      await expectAllDone(two, accepted.keys());
      expect([...runs.values()].every((times) => times === 1)).toBe(true);
      const worked = await Promise.all(
        [one, two].map(async (weir) =>
          (await weir.page()).sum('baseten_inference_requests_total', 'is_async="true"'),
        ),
      );
      expect(worked[0]! + worked[1]!).toBe(80);

      await redis.kill();
      expect(await submit(two, n++)).toBe(503);
      await redis.start();
      await until(
        'weir accepts tasks again',
        async () => {
          const mine = n++;
          const got = await submit(two, mine);
          if (typeof got === 'string') accepted.set(got, mine);
          return typeof got === 'string';
        },
        20_000,
      );
      await one.stop('SIGKILL');
      await submitMany(two, 20);
      await expectAllDone(two, accepted.keys());
      for (const [id, number] of accepted) expect(runs.get(number), id).toBeGreaterThanOrEqual(1);
    } finally {
      await redis.kill();
    }
  },
  90_000,
);

it('fails to start when the store is unreachable, and never prints its password', async () => {
  const { code, err } = await runWeir([
    'serve',
    '--replica',
    model.url,
    '--async-store=redis://user:s3cret@127.0.0.1:1/0',
    '--listen=127.0.0.1:0',
    '--admin=127.0.0.1:0',
  ]);
  expect(code).toBe(69);
  expect(err).toContain('127.0.0.1:1');
  expect(err).not.toContain('s3cret');
  const shown = await runWeir([
    'settings',
    '--replica',
    model.url,
    '--async-store=redis://user:s3cret@127.0.0.1:1/0',
  ]);
  expect(shown.out).toContain('redis://***@127.0.0.1:1/0');
  expect(shown.out).not.toContain('s3cret');
});
