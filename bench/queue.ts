// npm run bench:queue: submissions of async requests, durable, without fsync, and through BullMQ, and a queue with a
// million tasks. Needs redis-server. Prints the table and writes results/queue.json.
// Invariant: all servers get the same requests, rounds are interleaved, and a ratio is the median of the rounds.
// Option: --quick (one round, a queue of 100,000).
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuMicros } from './cpu.ts';
import { SqliteFile } from '../src/core/sqlite-file.ts';
import { SqliteTables } from '../src/async/queue/stores/sqlite-tables.ts';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 1 : 5;
const SECONDS = 2;
const CLIENTS = 64;
const DEEP = isQuick ? 100_000 : 1_000_000;
const RATE = 300;
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'weir-bench-'));
const children: ChildProcess[] = [];

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

function start(command: string, args: string[]): ChildProcess {
  // All servers run on one core and the clients on the other, so that the work of a submission is compared.
  const child = spawn('taskset', ['-c', '0', command, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

async function listening(port: number): Promise<void> {
  for (;;) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Starts weir with a queue but without a reachable replica, so that tasks stay queued. */
async function weir(port: number, ...args: string[]): Promise<ChildProcess> {
  const common = ['--replica=http://127.0.0.1:9', `--listen=127.0.0.1:${port}`, '--admin=127.0.0.1:0'];
  const free = [
    '--log-access=false',
    '--async-submit-rate=0',
    '--async-max-tasks=100000000',
    '--async-max-store-bytes=64GiB',
  ];
  const child = start(path('../bin/weir'), ['serve', ...common, ...free, ...args]);
  await listening(port);
  return child;
}

function load<T>(...args: (string | number)[]): Promise<T> {
  const child = spawn('taskset', ['-c', '1', process.execPath, path('load.ts'), ...args.map(String)], {
    env: { ...process.env, BENCH_SUBMIT: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('exit', (code) =>
      code === 0 ? resolve(JSON.parse(out) as T) : reject(new Error(`load.ts exited with code ${code}`)),
    );
  });
}

const open = (folder: string): SqliteTables =>
  new SqliteTables(new SqliteFile(join(folder, 'queue.sqlite'), { sync: 'off', maxBytes: 64 * 1024 ** 3 }));

/** Writes a queue with `count` tasks directly into SQLite. */
function fill(folder: string, count: number): void {
  mkdirSync(folder, { recursive: true });
  const tables = open(folder);
  tables.create();
  const input = `{"prompt":"${'x'.repeat(970)}"}`;
  const retry = { max_attempts: 3, initial_delay_ms: 1000, max_delay_ms: 5000 };
  const now = Date.now();
  for (let from = 0; from < count; from += 10_000)
    tables.transaction(() => {
      for (let n = from; n < Math.min(count, from + 10_000); n++) {
        const id = `filled${String(n).padStart(12, '0')}`;
        const times = { createdMs: now, expiresMs: now + 86_400_000 };
        tables.add(
          {
            id,
            deployment: 'local',
            input,
            priority: n % 3,
            ...times,
            retry,
            webhook: '',
            idempotencyKey: '',
            digest: '',
            traceparent: '',
            isPrivate: false,
            client: '',
          },
          1e9,
        );
      }
    });
  tables.close();
  // Otherwise the first checkpoint of the measured process would write all of it.
  execFileSync('sync');
}

/** Microseconds to claim and finish a task, without fsync. */
function claimMicros(folder: string): number {
  const tables = open(folder);
  const ending = { status: 'SUCCEEDED' as const, errors: [], result: undefined, keepResult: false };
  const times: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const startMs = performance.now();
    tables.transaction(() => {
      const task = tables.claim('local', Date.now(), 3_600_000, () => undefined)!;
      tables.finish(task.id, ending, Date.now(), 3_600_000);
    });
    times.push((performance.now() - startMs) * 1000);
  }
  tables.close();
  return median(times);
}

const cpuOf = (servers: readonly ChildProcess[]): number =>
  servers.reduce((sum, { pid }) => sum + cpuMicros(pid!), 0);

/** Submits per second, and microseconds of CPU time of the servers for each. */
async function submits(port: number, servers: readonly ChildProcess[]): Promise<[number, number]> {
  const before = cpuOf(servers);
  const { count, seconds } = await load<{ count: number; seconds: number }>(
    'requests',
    port,
    CLIENTS,
    SECONDS,
  );
  return [count / seconds, (cpuOf(servers) - before) / count];
}

const figures: Record<string, number[]> = {};
const note = (name: string, value: number) => void (figures[name] ??= []).push(value);

try {
  const redis = start('redis-server', [
    '--port',
    '18951',
    '--dir',
    root,
    '--save',
    '',
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--loglevel',
    'warning',
  ]);
  await listening(18_951);
  const bullmq = start(process.execPath, [path('bullmq.ts'), '18952', 'redis://127.0.0.1:18951']);
  await listening(18_952);
  const durable = await weir(18_953, `--data-dir=${root}/durable`);
  const quick = await weir(18_954, `--data-dir=${root}/quick`, '--async-fsync=false');
  const inRedis = await weir(18_955, '--async-store=redis://127.0.0.1:18951');
  for (let round = 0; round < ROUNDS; round++) {
    const of: Record<string, number> = {};
    for (const [name, port, servers] of [
      ['bullmq', 18_952, [redis, bullmq]],
      ['durable', 18_953, [durable]],
      ['quick', 18_954, [quick]],
      ['redis', 18_955, [redis, inRedis]],
    ] as const) {
      const [perSecond, micros] = await submits(port, servers);
      of[name] = perSecond;
      note(`cpu_us_per_submit_${name}`, micros);
    }
    for (const [name, value] of Object.entries(of)) note(`submits_per_second_${name}`, value);
    note('durable_to_bullmq', of['durable']! / of['bullmq']!);
    note('durable_to_quick', of['durable']! / of['quick']!);
    note('redis_to_bullmq', of['redis']! / of['bullmq']!);
  }
  for (const child of children.splice(0)) child.kill('SIGKILL');

  fill(join(root, 'deep'), DEEP);
  fill(join(root, 'shallow'), 2000);
  for (let round = 0; round < Math.min(ROUNDS, 3); round++) {
    const [shallow, deep] = [claimMicros(join(root, 'shallow')), claimMicros(join(root, 'deep'))];
    note('claim_deep_to_shallow', deep / shallow);
    fill(join(root, `shallow${round}`), 2000);
    rmSync(join(root, 'shallow'), { recursive: true });
    fill(join(root, 'shallow'), 2000);
  }
  await weir(18_956, `--data-dir=${root}/empty`);
  await weir(18_957, `--data-dir=${root}/deep`);
  for (let round = 0; round < ROUNDS; round++) {
    const empty = await load<{ p50: number; p99: number }>('rate', 18_956, 16, SECONDS * 2, RATE);
    const deep = await load<{ p50: number; p99: number }>('rate', 18_957, 16, SECONDS * 2, RATE);
    note('p99_ms_empty', empty.p99);
    note('p99_ms_deep', deep.p99);
    note('p99_deep_to_empty', deep.p99 / empty.p99);
    note('p50_deep_to_empty', deep.p50 / empty.p50);
  }
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
}

const medians = Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, median(values)]));
console.table(medians);
if (!isQuick) {
  mkdirSync(path('results'), { recursive: true });
  writeFileSync(
    path('results/queue.json'),
    `${JSON.stringify({ deep: DEEP, clients: CLIENTS, median: medians, rounds: figures }, null, 2)}\n`,
  );
}
