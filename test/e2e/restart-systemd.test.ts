// Sockets and notifications of systemd.
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { bodyOf, closeReplicas, startReplica, type Replica } from '../kit/replica.ts';
import { isRunning } from '../kit/restarts.ts';
import { SocketHolder } from '../kit/socket-holder.ts';
import { until } from '../kit/until.ts';

const TIMEOUT_MS = 90_000;

let holder: SocketHolder;
let replica: Replica;
const pids: number[] = [];
beforeEach(async () => {
  replica = await startReplica((_, res) => res.end('ok'));
});
afterEach(async () => {
  for (const pid of pids.splice(0)) await ended(pid);
  holder.close();
  await closeReplicas();
});
afterAll(removeFolders);

async function ended(pid: number): Promise<void> {
  if (isRunning(pid)) process.kill(pid, 'SIGTERM');
  // A child of the holder that has ended is not waited for.
  await until(`process ${pid} ends`, () => !isRunning(pid) || stateOf(pid) === 'Z', 30_000);
}

const stateOf = (pid: number): string | undefined =>
  /^State:\s+(\w)/m.exec(
    existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '',
  )?.[1];

const serveArgs = (...more: string[]): string[] => [
  'serve',
  `--replica=${replica.url}`,
  `--data-dir=${folder()}`,
  '--logs-capture=off',
  ...more,
];

async function start(
  names: readonly string[],
  args: readonly string[],
  env?: Record<string, string>,
): Promise<number> {
  const pid = await holder.start(names, args, env);
  pids.push(pid);
  await holder.line('weir listens', (line) => line.event === 'listening' && line['pid'] === pid);
  return pid;
}

it(
  'serves on the sockets of systemd by their names, and connections wait while it is restarted',
  async () => {
    holder = await SocketHolder.open([null, null]);
    const [admin, data] = holder.ports as [number, number];
    const args = serveArgs();
    const first = await start(['admin', 'data'], args);
    expect((await call(`http://127.0.0.1:${data}`, '/')).text).toBe('ok');
    expect((await call(`http://127.0.0.1:${admin}`, '/livez')).status).toBe(200);
    await ended(first);
    const waiting = call(`http://127.0.0.1:${data}`, '/while-it-is-down');
    const second = await start(['admin', 'data'], args);
    expect((await waiting).text).toBe('ok');
    process.kill(second, 'SIGUSR2');
    const third = await holder.line(
      'a third weir',
      ({ event, pid }) => event === 'listening' && !pids.includes(pid as number),
    );
    pids.push(third['pid'] as number);
    expect(third).toMatchObject({ data: `127.0.0.1:${data}`, admin: `127.0.0.1:${admin}` });
    await until('the second weir ends', () => stateOf(second) === 'Z');
    expect((await call(`http://127.0.0.1:${data}`, '/')).text).toBe('ok');
  },
  TIMEOUT_MS,
);

it(
  'serves on a Unix socket of systemd, and leaves its file when it ends',
  async () => {
    const path = join(folder(), 'data.sock');
    holder = await SocketHolder.open([path]);
    const args = serveArgs(`--listen=unix:${path}`, '--admin=127.0.0.1:0');
    const pid = await start(['data'], args);
    const get = () =>
      new Promise<string>((resolve, reject) =>
        request(
          { socketPath: path, path: '/' },
          (res) => void bodyOf(res).then((body) => resolve(body.toString()), reject),
        )
          .on('error', reject)
          .end(),
      );
    expect(await get()).toBe('ok');
    await ended(pid);
    expect(existsSync(path)).toBe(true);
  },
  TIMEOUT_MS,
);

it(
  'refuses a socket of another kind than its address',
  async () => {
    holder = await SocketHolder.open([null]);
    pids.push(await holder.start(['data'], serveArgs('--listen=unix:/tmp/x.sock', '--admin=127.0.0.1:0')));
    await until(
      'it says why',
      () => holder.stderr.includes('the inherited socket 3 is a TCP socket'),
      60_000,
    );
  },
  TIMEOUT_MS,
);

it(
  'tells systemd when it is ready, which process is the main one, and when it stops',
  async () => {
    const bin = folder({ 'systemd-notify': '#!/bin/sh\necho "$@" >> "$NOTIFIED"\n' });
    chmodSync(join(bin, 'systemd-notify'), 0o755);
    const notified = join(bin, 'notified');
    const lines = () => (existsSync(notified) ? readFileSync(notified, 'utf8').trim().split('\n') : []);
    holder = await SocketHolder.open([null, null]);
    const env = { NOTIFY_SOCKET: '/run/none', NOTIFIED: notified, PATH: `${bin}:${process.env['PATH']}` };
    const first = await start(['admin', 'data'], serveArgs(), env);
    await until('it is ready', () => lines().length === 1);
    process.kill(first, 'SIGUSR2');
    const { pid } = await holder.line(
      'a new weir',
      (line) => line.event === 'listening' && line['pid'] !== first,
    );
    const second = pid as number;
    pids.push(second);
    await until('the first weir ends', () => stateOf(first) === 'Z');
    await ended(second);
    expect(lines()).toEqual([`READY=1 MAINPID=${first}`, `READY=1 MAINPID=${second}`, 'STOPPING=1']);
  },
  TIMEOUT_MS,
);
