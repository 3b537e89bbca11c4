// What the gRPC benchmark measures: for each load its replica, what its clients do, and its goal.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ChildProcess } from 'node:child_process';
import { residentBytes } from './cpu.ts';
import type { GrpcFigure } from './grpc-table.ts';
import { file, listening, LOAD_CORE, pinned } from './peers.ts';

/** A peer that is measured. `direct` has no process. */
export interface Target {
  readonly port: number;
  readonly process: ChildProcess | undefined;
}

export interface Load {
  /** Name in the results, and for `--only`. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** Arguments of grpc-replica.ts after the port; undefined: the replica of HTTP/1.1. */
  readonly replica: readonly (string | number)[] | undefined;
  readonly isTls?: boolean;
  readonly hasShipped?: boolean;
  /** The clients without a proxy are a peer too. */
  readonly hasDirect?: boolean;
  readonly goal?: GrpcFigure['goal'];
  /** Units that are divided among in the CPU time of the proxy, and calls. `undefined`: `run` returns the value. */
  readonly calls?: { readonly count: number; readonly unitsPerCall: number };
  /** Each round begins with a new process. */
  readonly isFresh?: boolean;
  /** Runs the clients once. `share`: part of the calls. */
  run(target: Target, share: number): Promise<number>;
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const gRPC = ['-H', 'content-type:application/grpc', '-H', 'te:trailers'];

/** A file with a gRPC message of `bytes` bytes. */
function messageFile(bytes: number): string {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes, 1);
  return file(`call-${bytes}.bin`, prefix.toString('latin1') + 'q'.repeat(bytes));
}

async function outputOf(child: ChildProcess, what: string): Promise<string> {
  let out = '';
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${what} exited with code ${code}: ${out}`);
  return out;
}

async function h2load(url: string, count: number, args: readonly string[]): Promise<void> {
  const out = await outputOf(pinned(LOAD_CORE, 'h2load', ['-n', String(count), ...args, url]), 'h2load');
  if (!out.includes(` ${count} succeeded`))
    throw new Error(`h2load: not all of ${count} calls succeeded: ${out}`);
}

const loadArgs = (job: string, ...args: readonly (string | number)[]): string[] => [
  path('grpc-load.ts'),
  job,
  ...args.map(String),
];

const loadJob = async <T>(job: string, ...args: readonly (string | number)[]): Promise<T> =>
  JSON.parse(
    await outputOf(pinned(LOAD_CORE, process.execPath, loadArgs(job, ...args)), `grpc-load.ts ${job}`),
  ) as T;

/** A load of h2load: `count` calls of `connections` × `streams`. */
const calls = (
  count: number,
  connections: number,
  streams: number,
  { bytes = 32, unitsPerCall = 1, scheme = 'http' } = {},
): Pick<Load, 'calls' | 'run'> => ({
  calls: { count, unitsPerCall },
  run: async ({ port }, share) => {
    const some = Math.max(connections * streams, Math.round(count * share));
    await h2load(`${scheme}://127.0.0.1:${port}/example.TestService/UnaryCall`, some, [
      '-c',
      String(connections),
      '-m',
      String(streams),
      '-d',
      messageFile(bytes),
      ...gRPC,
    ]);
    return some;
  },
});

/**
 * A load that keeps connections open: returns by how many MB the proxy grows after `warmUp` calls. The growth is the highest
 * of `seconds`.
 */
const growth = (
  job: 'idle' | 'slow',
  connections: number,
  warmUp: number,
  seconds: number,
): Pick<Load, 'run' | 'isFresh'> => ({
  isFresh: true,
  run: async ({ port, process: proxy }) => {
    const { pid } = proxy!;
    await listening(port);
    await h2load(`http://127.0.0.1:${port}/example.TestService/UnaryCall`, warmUp, [
      '-c',
      '1',
      '-m',
      '4',
      '-d',
      messageFile(32),
      ...gRPC,
    ]);
    await sleep(1000);
    const before = residentBytes(pid!);
    const child = pinned(LOAD_CORE, process.execPath, loadArgs(job, port, connections), [
      'pipe',
      'pipe',
      'inherit',
    ]);
    await once(child.stdout!, 'data');
    let highest = before;
    for (let i = 0; i < seconds * 10; i++) {
      await sleep(100);
      highest = Math.max(highest, residentBytes(pid!));
    }
    child.kill('SIGKILL');
    return (highest - before) / 1e6;
  },
});

const atMost = (value: number): GrpcFigure['goal'] => ({ is: 'at most', value, to: 'HAProxy' });
const MESSAGES = 1000;

export const loads: readonly Load[] = [
  {
    name: 'unary-4x16',
    title: 'unary call, 4 connections of 16 streams',
    unit: 'µs',
    replica: ['unary'],
    hasShipped: true,
    goal: atMost(1.1),
    ...calls(40_000, 4, 16),
  },
  {
    name: 'unary-64x1',
    title: 'unary call, 64 connections of 1 stream',
    unit: 'µs',
    replica: ['unary'],
    goal: atMost(1.3),
    ...calls(30_000, 64, 1),
  },
  {
    name: 'unary-1x1',
    title: 'unary call, 1 connection of 1 stream',
    unit: 'µs',
    replica: ['unary'],
    goal: atMost(1.3),
    ...calls(10_000, 1, 1),
  },
  {
    name: 'clients',
    title: 'unary call of grpc-js with a deadline and a key, 4 × 16',
    unit: 'µs',
    replica: ['unary'],
    hasShipped: true,
    goal: atMost(1.5),
    calls: { count: 20_000, unitsPerCall: 1 },
    run: async ({ port }, share) =>
      (await loadJob<{ calls: number }>('clients', port, 4, 16, Math.round(20_000 * share))).calls,
  },
  {
    name: 'streaming',
    title: `message of a stream of ${MESSAGES.toLocaleString('en')}, one each millisecond, 4 × 16`,
    unit: 'µs',
    replica: ['messages', MESSAGES],
    hasShipped: true,
    goal: atMost(1),
    ...calls(384, 4, 16, { unitsPerCall: MESSAGES }),
  },
  {
    name: 'down',
    title: '1 MiB down, 4 × 2',
    unit: 'µs',
    replica: ['answer', 1024 * 1024],
    goal: atMost(0.7),
    ...calls(600, 4, 2),
  },
  {
    name: 'up',
    title: '1 MiB up, 4 × 2',
    unit: 'µs',
    replica: ['unary'],
    goal: atMost(1.6),
    ...calls(600, 4, 2, { bytes: 1024 * 1024 }),
  },
  {
    name: 'tls',
    title: 'unary call over TLS, 4 × 16',
    unit: 'µs',
    replica: ['unary'],
    isTls: true,
    goal: atMost(1.4),
    ...calls(30_000, 4, 16, { scheme: 'https' }),
  },
  {
    name: 'get',
    title: 'GET of 1 KB over HTTP/2, 4 × 16, HTTP/1.1 replica',
    unit: 'µs',
    replica: undefined,
    hasShipped: true,
    goal: atMost(1.75),
    calls: { count: 40_000, unitsPerCall: 1 },
    run: async ({ port }, share) => {
      const some = Math.round(40_000 * share);
      await h2load(`http://127.0.0.1:${port}/kilobyte`, some, ['-c', '4', '-m', '16']);
      return some;
    },
  },
  {
    name: 'upload',
    title: 'upload of 8 MB on one stream, round trip of 40 ms',
    unit: 'MB/s',
    replica: ['unary'],
    hasDirect: true,
    goal: { is: 'at least', value: 0.5, to: 'direct' },
    run: async ({ port }) => {
      const rates = await loadJob<{ megabytes_per_second: number[] }>('upload', port, 8_000_000, 3, 40);
      return rates.megabytes_per_second.toSorted((a, b) => a - b)[1]!;
    },
  },
  {
    name: 'idle',
    title: 'memory for 100 idle connections',
    unit: 'MB',
    replica: ['unary'],
    goal: { is: 'at most', value: 3 },
    ...growth('idle', 100, 2000, 1),
  },
  {
    name: 'slow',
    title: 'memory for 30 slow readers of 32 MiB each',
    unit: 'MB',
    replica: ['answer', 32 * 1024 * 1024],
    ...growth('slow', 30, 8, 4),
  },
];
