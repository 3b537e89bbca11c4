// Only one weir at a time may use a data folder. Locks are between processes, so other processes hold them here.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, it } from 'vitest';
import { DataFolder } from '../../src/core/data-folder.ts';
import { WeirError } from '../../src/core/errors.ts';
import { Logger } from '../../src/core/logger.ts';
import { folder, removeFolders } from '../kit/folder.ts';

const lines: string[] = [];
const sink = { write: (line: string) => void lines.push(line), flush: () => undefined, dropped: () => 0 };
const log = new Logger(sink, { level: 'info', isText: false });
const open = new Set<DataFolder>();
const others = new Set<ChildProcess>();

afterEach(() => {
  for (const one of open) one.stop();
  open.clear();
  for (const child of others) child.kill('SIGKILL');
  others.clear();
  lines.length = 0;
});
afterAll(removeFolders);

async function take(path: string, subfolders: string[] = []): Promise<DataFolder> {
  const taken = new DataFolder(path, subfolders, log);
  await taken.start();
  open.add(taken);
  return taken;
}

/** The reason why the folder cannot be used. */
const refusal = async (path: string, subfolders?: string[]): Promise<string> => {
  const error: unknown = await take(path, subfolders).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(WeirError);
  return (error as WeirError).message;
};

const MODULE = fileURLToPath(new URL('../../src/core/data-folder.ts', import.meta.url));

/** Another process that holds the lock of the folder until it is killed. */
async function other(path: string): Promise<ChildProcess> {
  const program = `
    const { DataFolder } = await import(${JSON.stringify(MODULE)});
    // Kept in a variable, since an unreferenced lock is garbage-collected.
    globalThis.taken = new DataFolder(${JSON.stringify(path)}, [], { warn() {} });
    await globalThis.taken.start();
    process.stdout.write('taken');
    setInterval(() => {}, 1000);`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  others.add(child);
  await once(child.stdout, 'data');
  return child;
}

it('creates the folder and its parents, for their owner only, and releases the lock at the end', async () => {
  const path = join(folder(), 'a/b/data');
  const taken = await take(path);
  expect(readFileSync(join(path, 'weir.pid'), 'utf8')).toBe(`${process.pid} ${hostname()}\n`);
  taken.stop();
  expect(readdirSync(path)).toEqual(['weir.id', 'weir.lock']);
  await take(path);
});

it('keeps the id of the folder across restarts, and makes a new one if its file is damaged', async () => {
  const path = folder();
  const first = await take(path);
  expect(first.id).toMatch(/^[0-9a-f]{8}$/);
  first.stop();
  const second = await take(path);
  expect(second.id).toBe(first.id);
  second.stop();
  writeFileSync(join(path, 'weir.id'), '');
  const third = await take(path);
  expect(third.id).toMatch(/^[0-9a-f]{8}$/);
  expect(third.id).not.toBe(first.id);
  third.stop();
  expect((await take(path)).id).toBe(third.id);
});

it('fails with the pid of another process that uses the folder, and works once that process is killed', async () => {
  const path = folder();
  const child = await other(path);
  expect(await refusal(path)).toBe(
    `the data folder ${path} is in use by another weir (pid ${child.pid}); give this one a folder of its own with --data-dir`,
  );
  // The lock is waited for, since a supervisor may start the next weir before the last one has ended completely.
  const next = take(path);
  child.kill('SIGKILL');
  await next;
  expect(readFileSync(join(path, 'weir.pid'), 'utf8')).toMatch(`${process.pid} `);
});

it('fails for every path to a folder in use, and names the host of the other weir', async () => {
  const path = folder();
  await other(path);
  writeFileSync(join(path, 'weir.pid'), '7 some-other-host\n');
  expect(await refusal(join(path, '../', path.split('/').at(-1)!))).toContain(
    `${path} is in use by another weir (pid 7 on host some-other-host);`,
  );
  writeFileSync(join(path, 'weir.pid'), 'what is this');
  expect(await refusal(path)).toContain('is in use by another weir; give');
});

it.each([
  [
    'a file in its place',
    '',
    /cannot write to the data folder .*\/data: something in its path is not a folder \(\w+\);/,
  ],
  ['a file above it', '/deeper/still', /still: something in its path is not a folder \(ENOTDIR\);/],
])('fails if there is %s', async (_, below, message) => {
  const path = `${folder({ data: 'a file' })}/data${below}`;
  const said = await refusal(path);
  expect(said).toMatch(message);
  expect(said).toMatch(/choose another one with --data-dir, or keep nothing on disk with --logs-capture=off/);
});

it('fails at once if the file system allows no new folders', async () => {
  expect(await refusal('/proc/weir/data')).toMatch(
    /cannot write to the data folder \/proc\/weir\/data: E\w+: /,
  );
});

it('fails if its files cannot be written', async () => {
  const lock = folder();
  mkdirSync(join(lock, 'weir.lock'));
  expect(await refusal(lock)).toMatch(/EISDIR: /);
  const pid = folder();
  mkdirSync(join(pid, 'weir.pid'));
  expect(await refusal(pid)).toMatch(/EISDIR: /);
});
