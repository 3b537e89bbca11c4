// Followed log files: no line is lost or delivered twice, across rotation, truncation and restarts.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { LogFileFollower } from '../../../../src/telemetry/logs/ingest/log-file-follower.ts';
import type { FilePosition } from '../../../../src/telemetry/logs/ingest/followed-file.ts';
import { StreamRecords } from '../../../../src/telemetry/logs/ingest/stream-records.ts';
import { Redactor } from '../../../../src/telemetry/logs/ingest/redact.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { until } from '../../../kit/until.ts';
import { NOW } from './read-lines.ts';

const redactor = new Redactor({ builtIn: false, custom: [] });
const open: LogFileFollower[] = [];

/** A follower with a clock that the test advances. The saved positions survive a restart of the follower. */
class FollowRun {
  readonly messages: string[] = [];
  readonly problems: string[] = [];
  saved: readonly FilePosition[] = [];
  isFull = false;
  #nowNs = NOW;
  #follower: LogFileFollower | undefined;
  readonly #paths: string[];

  constructor(...paths: string[]) {
    this.#paths = paths;
    this.begin();
  }

  begin(): void {
    this.#follower = new LogFileFollower({
      paths: this.#paths,
      readerOf: (source) =>
        new StreamRecords(
          { deployment: 'd', environment: '', replica: '', source, pod: 'p1', modelId: 'm1' },
          { maxLineBytes: 64 * 1024, redactor },
        ),
      deliver: (records) => void this.messages.push(...records.map(({ message }) => message)),
      isFull: () => this.isFull,
      save: (positions) => (this.saved = JSON.parse(JSON.stringify(positions)) as FilePosition[]),
      load: () => this.saved,
      report: (path, problem) => void this.problems.push(`${path} ${problem}`),
      nowNs: () => this.#nowNs,
    });
    open.push(this.#follower);
  }

  get follower(): LogFileFollower {
    return this.#follower!;
  }

  /** Advances the clock, and polls at each second until nothing is left. */
  async pass(seconds = 2): Promise<string[]> {
    for (let i = 0; i < seconds; i++) {
      this.#nowNs += 1_000_000_000n;
      while (await this.follower.poll());
    }
    return this.messages;
  }

  async restart(): Promise<void> {
    await this.follower.close();
    this.begin();
  }

  /** Restarts as after kill -9: what was delivered and saved while closing is undone. */
  async crash(): Promise<void> {
    const { saved } = this;
    const delivered = this.messages.length;
    await this.follower.close();
    this.saved = saved;
    this.messages.length = delivered;
    this.begin();
  }
}

afterEach(async () => {
  for (const follower of open.splice(0)) await follower.close();
  removeFolders();
});

const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `INFO line ${from + i}`);
const text = (from: number, to: number) =>
  lines(from, to)
    .map((line) => `${line}\n`)
    .join('');

describe('LogFileFollower', () => {
  it('reads a file that exists at the start from its end', async () => {
    const file = join(folder({ 'a.log': text(0, 3) }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(3, 6));
    expect(await run.pass()).toEqual(lines(3, 6));
  });

  it('reads a file that is created later from its beginning', async () => {
    const file = join(folder(), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    writeFileSync(file, text(0, 3));
    expect(await run.pass()).toEqual(lines(0, 3));
    expect(run.problems).toEqual([]);
  });

  it('reads a renamed file to its end, and the new one from its beginning', async () => {
    const path = folder({ 'a.log': '' });
    const file = join(path, 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 3));
    renameSync(file, `${file}.1`);
    writeFileSync(file, text(4, 6));
    await run.pass(1);
    appendFileSync(`${file}.1`, text(3, 4));
    await run.pass(10);
    expect(run.messages.toSorted()).toEqual(lines(0, 6));
    expect(run.saved.map((position) => position.path)).toEqual([file]);
  });

  it('reads a rotated file once, although its new name matches the pattern too', async () => {
    const path = folder({ 'a.log': '' });
    const file = join(path, 'a.log');
    const run = new FollowRun(join(path, '*.log*'));
    await run.pass();
    for (let i = 0; i < 5; i++) {
      appendFileSync(file, text(i, i + 1));
      renameSync(file, `${file}.${i}`);
      writeFileSync(file, '');
      await run.pass(3);
    }
    await run.pass(10);
    expect(run.messages).toEqual(lines(0, 5));
  });

  it('reads a file that was copied and truncated from its beginning', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 5));
    await run.pass();
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
    appendFileSync(file, text(5, 7));
    await run.pass();
    expect(run.messages).toEqual(lines(0, 7));
  });

  it('recognizes a file that was overwritten with longer content by its first bytes', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 2));
    await run.pass();
    writeFileSync(file, text(2, 9));
    expect(await run.pass()).toEqual(lines(0, 9));
  });

  it('skips the zeros that a writer leaves in a truncated file', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 5));
    await run.pass();
    truncateSync(file);
    truncateSync(file, 200_000);
    appendFileSync(file, text(5, 7));
    expect(await run.pass()).toEqual(lines(0, 7));
    await run.restart();
    expect(await run.pass()).toEqual(lines(0, 7));
  });

  it('reads a file that was deleted and created again from its beginning', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 2));
    rmSync(file);
    await run.pass(10);
    writeFileSync(file, text(2, 4));
    await run.pass();
    expect(run.messages).toEqual(lines(0, 4));
  });

  it('reads nothing while the receiver is full, and loses no line', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    run.isFull = true;
    appendFileSync(file, text(0, 100));
    expect(await run.pass(20)).toEqual([]);
    renameSync(file, `${file}.1`);
    expect(await run.pass(20)).toEqual([]);
    run.isFull = false;
    expect(await run.pass(20)).toEqual(lines(0, 100));
  });

  it('reads a limited number of bytes per poll', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    writeFileSync(file, text(0, 200_000));
    expect(await run.follower.poll()).toBe(true);
    expect(run.messages.length).toBeLessThan(200_000 / 2);
    expect(await run.pass()).toEqual(lines(0, 200_000));
  });

  it('reads other files while it reads a large one', async () => {
    const path = folder({ 'a.log': '', 'b.log': '' });
    const run = new FollowRun(join(path, 'a.log'), join(path, 'b.log'));
    await run.pass();
    appendFileSync(join(path, 'a.log'), 'x'.repeat(4 * 1024 * 1024));
    appendFileSync(join(path, 'b.log'), 'one\ntwo\n');
    await run.follower.poll();
    expect(run.messages).toEqual(['one']);
  });
});

describe('LogFileFollower after a restart', () => {
  it('loses no line and reads none twice, also one that was half written', async () => {
    const file = join(folder({ 'a.log': text(0, 1) }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, `${text(1, 3)}INFO li`);
    await run.pass();
    await run.restart();
    appendFileSync(file, `ne 3\n${text(4, 6)}`);
    expect(await run.pass()).toEqual(lines(1, 6));
    await run.restart();
    expect(await run.pass()).toEqual(lines(1, 6));
  });

  it('loses no line and reads none twice after kill -9 at any moment', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    for (let i = 0; i < 20; i++) {
      appendFileSync(file, `INFO line ${i}\n  more of it\nINFO hal`);
      await run.follower.poll();
      if (i % 3 === 0) await run.crash();
      appendFileSync(file, 'f\n');
      if (i % 4 === 0) await run.pass(1);
      if (i % 5 === 0) await run.crash();
    }
    expect(await run.pass()).toEqual(lines(0, 20).flatMap((line) => [`${line}\n  more of it`, 'INFO half']));
  });

  it('finds a file that was rotated meanwhile by its inode, and reads it to its end', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 2));
    await run.pass();
    await run.restart();
    appendFileSync(file, text(2, 4));
    renameSync(file, `${file}.1`);
    writeFileSync(file, text(4, 6));
    expect((await run.pass(10)).toSorted()).toEqual(lines(0, 6));
    expect(run.problems).toEqual([]);
  });

  it('reports a file that was replaced meanwhile, and reads the new one from its beginning', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 2));
    await run.pass();
    await run.restart();
    rmSync(file);
    writeFileSync(file, text(7, 20));
    expect(await run.pass()).toEqual([...lines(0, 2), ...lines(7, 20)]);
    expect(run.problems).toEqual([
      `${file} was replaced or truncated while weir was stopped; unread lines of the old file are lost`,
    ]);
  });

  it('continues a file that appears late at its saved position', async () => {
    const path = folder({ 'a.log': '' });
    const file = join(path, 'a.log');
    const run = new FollowRun(file);
    await run.pass();
    appendFileSync(file, text(0, 2));
    await run.pass();
    await run.restart();
    mkdirSync(join(path, 'away'));
    renameSync(file, join(path, 'away', 'a.log'));
    await run.pass();
    await run.restart();
    await run.pass();
    renameSync(join(path, 'away', 'a.log'), file);
    appendFileSync(file, text(2, 3));
    expect(await run.pass()).toEqual(lines(0, 3));
  });
});

describe('LogFileFollower with a path that cannot be followed', () => {
  it('reports a directory and a FIFO once', async () => {
    const path = folder();
    mkdirSync(join(path, 'folder'));
    execFileSync('mkfifo', [join(path, 'fifo')]);
    const run = new FollowRun(join(path, 'folder'), join(path, 'fifo'));
    await run.pass(5);
    expect(run.problems).toEqual([
      `${join(path, 'folder')} not a regular file: it is a directory`,
      `${join(path, 'fifo')} not a regular file: it is a FIFO`,
    ]);
  });

  it('reports an error of the system once, and follows the file when the error is gone', async () => {
    const path = folder({ blocked: '' });
    const file = join(path, 'blocked', 'a.log');
    const run = new FollowRun(file);
    await run.pass(5);
    expect(run.problems).toEqual([expect.stringContaining('ENOTDIR')]);
    rmSync(join(path, 'blocked'));
    mkdirSync(join(path, 'blocked'));
    writeFileSync(file, text(0, 1));
    expect(await run.pass()).toEqual(lines(0, 1));
  });
});

it('follows a file on its own timer until it is closed', async () => {
  const file = join(folder({ 'a.log': '' }), 'a.log');
  const run = new FollowRun(file);
  run.follower.start();
  await until('the file is known', () => run.saved.length === 1);
  appendFileSync(file, text(0, 3));
  await until('two lines came', () => run.messages.length >= 2);
  await run.follower.close();
  expect(run.messages).toEqual(lines(0, 3));
  expect(run.saved[0]!.offset).toBe(statSync(file).size);
});
