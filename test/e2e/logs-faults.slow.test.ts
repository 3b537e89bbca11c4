// Faults of the log store, with the real binary: a kill under load, a full disk, a segment that another process locks,
// damaged segments, rotated files. Requests are forwarded in all cases.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { messages, search, type Log } from '../kit/log-api.ts';
import { closeReplicas, startReplica, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type StartOptions, type Weir } from '../kit/weir.ts';

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

const start = (args: string[] = [], options: StartOptions = {}): Promise<Weir> =>
  startWeir([`--replica=${model.url}`, `--data-dir=${data}`, ...args], options);

const adminOf = (weir: Weir) => ({ url: weir.admin });

/** Posts lines. Returns the status, or 0 without a response. */
async function postLines(weir: Weir, lines: readonly string[] | string): Promise<number> {
  const body = typeof lines === 'string' ? lines : `${lines.join('\n')}\n`;
  try {
    const headers = { 'content-type': 'text/plain' };
    return (await call(weir.admin, '/v1/logs', { method: 'POST', body, headers })).status;
  } catch {
    return 0;
  }
}

/** All records that match the query, by sequence number. */
async function all(weir: Weir, query: Record<string, string> = {}): Promise<Log[]> {
  const wanted = new URLSearchParams({ ...query, format: 'ndjson', direction: 'asc' });
  const { status, text } = await call(weir.admin, `/v1/logs?${wanted.toString()}`);
  expect(status, text).toBe(200);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Log)
    .toSorted((a, b) => a.seq - b.seq);
}

const segmentsIn = (at = data): string[] =>
  readdirSync(join(at, 'logs'))
    .filter((name) => /^logs-.*\.sqlite$/.test(name))
    .sort()
    .map((name) => join(at, 'logs', name));

/** Sends `n` requests and expects status 200 for all. */
async function expectForwarded(weir: Weir, n: number): Promise<void> {
  const responses = await Promise.all(Array.from({ length: n }, () => call(weir.url, '/predict')));
  expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
}

it('loses no accepted line and no visible line of its replica when it is killed under load', async () => {
  // Prints until its stdout is closed.
  const printer = `
    let n = 0;
    process.stdout.on('error', () => process.exit());
    setInterval(() => process.stdout.write('printed ' + (++n) + '\\n'), 1);`;
  const accepted = new Set<string>();
  let posted = 0;
  let lastSeq = 0;
  for (let round = 0; round < 3; round++) {
    const weir = await start([], { command: 'run', rest: [process.execPath, '-e', printer] });
    const load = { isOver: false };
    const clients = Array.from({ length: 4 }, async () => {
      while (!load.isOver) {
        const lines = Array.from({ length: 5 }, () => `posted ${++posted}`);
        if ((await postLines(weir, lines)) === 200) for (const line of lines) accepted.add(line);
        else break;
      }
    });
    const before = accepted.size;
    await until('200 more lines are accepted', () => accepted.size >= before + 200, 20_000);
    const visible = await until('100 printed lines are found', async () => {
      const { logs } = await search(adminOf(weir), { q: 'source:stdout', limit: '1' });
      const n = Number(logs[0]?.message.split(' ')[1] ?? 0);
      return n > 100 && { n, seq: logs[0]!.seq };
    });
    const seenMs = performance.now();
    await until('200 ms have passed', () => performance.now() - seenMs > 200);
    await weir.stop('SIGKILL');
    load.isOver = true;
    await Promise.all(clients);

    for (const path of segmentsIn()) {
      const file = new DatabaseSync(path);
      expect(file.prepare('PRAGMA integrity_check').get(), path).toEqual({ integrity_check: 'ok' });
      file.close();
    }
    const after = await start();
    const records = await all(after);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
    const kept = new Set(records.map(({ message }) => message));
    expect([...accepted].filter((line) => !kept.has(line))).toEqual([]);
    const printed = records
      .filter(({ seq, source }) => seq > lastSeq && source === 'stdout')
      .map(({ message }) => message);
    expect(printed.length).toBeGreaterThanOrEqual(visible.n);
    expect(printed).toEqual(printed.map((_, i) => `printed ${i + 1}`));
    lastSeq = records.length;
    expect(await postLines(after, [`posted ${++posted}`])).toBe(200);
    expect((await search(adminOf(after), { limit: '1' })).logs[0]!.seq).toBe(++lastSeq);
    await after.stop();
  }
}, 90_000);

// Mounting a file system needs privileges that a container may not have.
const canMount = (): boolean => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'ignore' });
    execFileSync('umount', [directory]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
it.skipIf(!canMount())(
  'serves requests on a full disk, counts lost records, logs the loss once, and stores again when there is space',
  async () => {
    const disk = folder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
    try {
      data = join(disk, 'data');
      mkdirSync(data);
      const weir = await start();
      expect(await postLines(weir, ['before'])).toBe(200);
      const ballast = join(disk, 'ballast');
      const fd = openSync(ballast, 'w');
      const block = Buffer.alloc(4096);
      const fill = () => {
        try {
          for (;;) writeSync(fd, block);
        } catch (error) {
          expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
        }
      };
      await until(
        'records are lost',
        async () => {
          fill();
          await expectForwarded(weir, 50);
          return ((await weir.page()).value('weir_log_records_lost_total{reason="store_full"}') ?? 0) > 100;
        },
        20_000,
      );
      expect(await postLines(weir, ['not stored'.repeat(1000)])).toBe(507);
      const lost = weir.lines.filter(({ event }) => event === 'log records lost');
      expect(lost.map(({ why }) => why)).toEqual(['store_full']);
      const stored = (await weir.page()).sum('weir_log_records_total', '');
      closeSync(fd);
      rmSync(ballast);
      await until('there is space', async () => (await postLines(weir, ['after'])) === 200);
      await expectForwarded(weir, 50);
      await until('the requests are recorded', async () => (await all(weir)).length >= stored + 51);
      const records = await all(weir);
      expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
      expect(records.map(({ message }) => message)).toEqual(expect.arrayContaining(['before', 'after']));
      expect(await weir.stop()).toBe(0);
    } finally {
      await stopAll();
      execFileSync('umount', ['-l', disk]);
    }
  },
  60_000,
);

it('serves requests in bounded memory while another process locks the segment, and stores what it accepted', async () => {
  const weir = await start();
  expect(await postLines(weir, ['first'])).toBe(200);
  await expectForwarded(weir, 50);
  const holder = new DatabaseSync(segmentsIn().at(-1)!, { timeout: 5000 });
  holder.exec('BEGIN IMMEDIATE');
  const before = weir.residentBytes();
  // Far more than the queue of the log store takes.
  const large = `${'x'.repeat(999)}\n`.repeat(1000);
  const posts = Array.from({ length: 60 }, (_, i) => postLines(weir, `large ${i}\n${large}`));
  const early: number[] = [];
  for (const pending of posts) void pending.then((status) => early.push(status));
  await until('the queue is full', () => early.length >= 30, 20_000);
  expect(new Set(early)).toEqual(new Set([429]));
  for (let i = 0; i < 10; i++) await expectForwarded(weir, 30);
  const page = await weir.page();
  expect(page.value('weir_log_queue_bytes')).toBeLessThanOrEqual(64 * 1024 ** 2);
  expect(page.value('weir_log_records_lost_total{reason="queue_full"}')).toBeGreaterThanOrEqual(30_000);
  expect(weir.residentBytes() - before).toBeLessThan(600 * 1024 ** 2);
  holder.exec('ROLLBACK');
  holder.close();
  const statuses = await Promise.all(posts);
  const fitted = statuses.flatMap((status, i) => (status === 200 ? [`large ${i}`] : []));
  expect(fitted.length).toBeGreaterThan(5);
  const kept = await all(weir, { q: 'large' });
  expect(kept.map(({ message }) => message).toSorted()).toEqual(fitted.toSorted());
  expect(await postLines(weir, ['last'])).toBe(200);
}, 60_000);

it('writes what waits for a locked segment into the same segment while it stops', async () => {
  const weir = await start();
  expect(await postLines(weir, ['first'])).toBe(200);
  const path = segmentsIn().at(-1)!;
  const holder = new DatabaseSync(path, { timeout: 5000 });
  holder.exec('BEGIN IMMEDIATE');
  await expectForwarded(weir, 20);
  const ended = weir.stop();
  await until('the admin server is closed', async () => (await postLines(weir, ['late'])) === 0);
  const heldMs = performance.now();
  await until('it has waited for the segment', () => performance.now() - heldMs > 1500);
  holder.exec('ROLLBACK');
  holder.close();
  expect(await ended).toBe(0);
  const after = await start();
  const records = await all(after);
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
  expect(records.filter(({ kind }) => kind === 'request')).toHaveLength(20);
  expect(segmentsIn()).toEqual([path]);
}, 30_000);

it('stores each line of a followed file once, across rotations, restarts and a kill', async () => {
  const logs = folder({ 'model.log': 'from before\n' });
  const path = join(logs, 'model.log');
  const args = [`--logs-files=${path}`];
  const wanted: string[] = [];
  const write = (n: number) => {
    const lines = Array.from({ length: n }, (_, i) => `line ${wanted.length + i + 1}`);
    wanted.push(...lines);
    appendFileSync(path, `${lines.join('\n')}\n`);
  };
  const rotate = (to: string) => {
    renameSync(path, join(logs, to));
    writeFileSync(path, '');
  };
  let weir = await start(args);
  // A file that exists at the first start is followed from its end.
  await until('the file is followed', async () => {
    appendFileSync(path, 'probe\n');
    return (await all(weir, { kind: 'line' })).length > 0;
  });
  expect(new Set((await all(weir, { kind: 'line' })).map(({ message }) => message))).toEqual(
    new Set(['probe']),
  );
  write(1000);
  // Lines of two files that are read at the same time may be mixed.
  const lines = async () =>
    (await all(weir, { q: 'line' }))
      .map(({ message }) => message)
      .toSorted((a, b) => Number(a.slice(5)) - Number(b.slice(5)));
  const expectAll = () =>
    until('all lines are there', async () => (await lines()).length >= wanted.length, 15_000);
  await expectAll();
  write(200);
  rotate('model.log.1');
  write(200);
  await expectAll();
  expect(await lines()).toEqual(wanted);

  write(50);
  expect(await weir.stop()).toBe(0);
  write(50);
  rotate('model.log.2');
  write(50);
  weir = await start(args);
  await expectAll();
  expect(await lines()).toEqual(wanted);

  write(500);
  await weir.stop('SIGKILL');
  write(50);
  weir = await start(args);
  await expectAll();
  expect(await lines()).toEqual(wanted);
  expect(await postLines(weir, ['behind all'])).toBe(200);
  expect(await lines()).toEqual(wanted);
}, 60_000);

/** Overwrites a segment and its write-ahead log, except for the first page of each. */
function damage(path: string): void {
  for (const one of [path, `${path}-wal`]) {
    const size = statSync(one, { throwIfNoEntry: false })?.size ?? 0;
    if (size <= 4096) continue;
    const fd = openSync(one, 'r+');
    writeSync(fd, Buffer.alloc(size - 4096, 'not what it was '), 0, undefined, 4096);
    closeSync(fd);
  }
}
const isRenamed = (): boolean =>
  readdirSync(join(data, 'logs')).some((name) => /\.sqlite\.damaged-\d+$/.test(name));
const isDamageLine = ({ event }: { event?: string }): boolean =>
  event === 'part of the log store is damaged and was set aside';

it('renames and logs a segment that is damaged while it runs, and keeps storing', async () => {
  const weir = await start();
  // Enough for a checkpoint, which moves pages from the write-ahead log into the segment.
  for (let i = 0; i < 20; i++)
    expect(
      await postLines(
        weir,
        Array.from({ length: 1000 }, (_, n) => `old ${i} ${n} ${'x'.repeat(500)}`),
      ),
    ).toBe(200);
  const [path] = segmentsIn();
  damage(path!);
  await until('the damage is noticed', async () => {
    await expectForwarded(weir, 20);
    await postLines(weir, ['in between']);
    await call(weir.admin, '/v1/logs?q=old');
    return isRenamed();
  });
  await weir.expectLine('the damage', isDamageLine);
  expect(await postLines(weir, ['after it'])).toBe(200);
  await expectForwarded(weir, 5);
  await until('the requests are recorded', async () => {
    const { logs } = await search(adminOf(weir), { q: 'kind:request' });
    return logs.length >= 5;
  });
  expect(messages(await search(adminOf(weir), { q: '"after it"' }))).toEqual(['after it']);
  const records = await all(weir);
  // The sealed records were only in the file. The others were in memory, and are stored again.
  expect(records[0]!.seq).toBeGreaterThan(10_000);
  expect(records.some(({ message }) => message.startsWith('old 19 999 '))).toBe(true);
  expect(new Set(records.map(({ seq }) => seq)).size).toBe(records.length);
  expect(await weir.stop()).toBe(0);
}, 60_000);

it('renames and logs a segment that is damaged at the start, and does not reuse its sequence numbers', async () => {
  const first = await start();
  expect(
    await postLines(
      first,
      Array.from({ length: 1000 }, (_, n) => `old ${n}`),
    ),
  ).toBe(200);
  expect(await first.stop()).toBe(0);
  damage(segmentsIn().at(-1)!);
  const weir = await start();
  expect(await postLines(weir, ['after it'])).toBe(200);
  await weir.expectLine('the damage', isDamageLine);
  expect(isRenamed()).toBe(true);
  const records = await all(weir, { kind: 'line' });
  expect(records.map(({ message }) => message)).toEqual(['after it']);
  expect(records[0]!.seq).toBeGreaterThan(1000);
  await expectForwarded(weir, 5);
  expect(await weir.stop()).toBe(0);
}, 30_000);

it('stores the incomplete last line of a replica that dies', async () => {
  const source = `
    process.stdout.write('out of memo', () => process.exit(1));`;
  const weir = await start(['--child-restart-delay=10ms', '--child-restart-delay-max=10ms'], {
    command: 'run',
    rest: [process.execPath, '-e', source],
  });
  await until(
    'it has died three times',
    async () => ((await weir.page()).value('baseten_container_restarts_total') ?? 0) >= 3,
  );
  const found = await until('three lines are found', async () => {
    const { logs } = await search(adminOf(weir), { q: 'source:stdout' });
    return logs.length >= 3 && logs;
  });
  expect(new Set(found.map(({ message }) => message))).toEqual(new Set(['out of memo']));
});
