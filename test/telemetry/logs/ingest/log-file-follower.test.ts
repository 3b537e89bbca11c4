// Followed files: nothing is lost, nothing comes twice, whatever is done to them.
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

/** One who follows, at a time that the test makes go by. What was saved outlives it. */
class Desk {
  readonly messages: string[] = [];
  readonly said: string[] = [];
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
          { deployment: 'd', environment: '', replica: '', source },
          { maxLineBytes: 64 * 1024, redactor },
        ),
      deliver: (records) => void this.messages.push(...records.map(({ message }) => message)),
      isFull: () => this.isFull,
      save: (positions) => (this.saved = JSON.parse(JSON.stringify(positions)) as FilePosition[]),
      load: () => this.saved,
      report: (path, problem) => void this.said.push(`${path} ${problem}`),
      nowNs: () => this.#nowNs,
    });
    open.push(this.#follower);
  }

  get follower(): LogFileFollower {
    return this.#follower!;
  }

  /** Lets seconds go by, one turn and more each. */
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

  /** As after kill -9: nothing more is given out or saved. */
  async crash(): Promise<void> {
    const { saved } = this;
    const given = this.messages.length;
    await this.follower.close();
    this.saved = saved;
    this.messages.length = given;
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

describe('a followed file', () => {
  it('that is there is followed from its end', async () => {
    const file = join(folder({ 'a.log': text(0, 3) }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(3, 6));
    expect(await desk.pass()).toEqual(lines(3, 6));
  });

  it('that comes later is followed from its beginning', async () => {
    const file = join(folder(), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    writeFileSync(file, text(0, 3));
    expect(await desk.pass()).toEqual(lines(0, 3));
    expect(desk.said).toEqual([]);
  });

  it('that is renamed is read to its end, even when its writer notices late, and the new one whole', async () => {
    const path = folder({ 'a.log': '' });
    const file = join(path, 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 3));
    renameSync(file, `${file}.1`);
    writeFileSync(file, text(4, 6));
    await desk.pass(1);
    appendFileSync(`${file}.1`, text(3, 4));
    await desk.pass(10);
    expect(desk.messages.toSorted()).toEqual(lines(0, 6));
    expect(desk.saved.map((position) => position.path)).toEqual([file]);
  });

  it('that is rotated under a pattern comes once, though its new name fits too', async () => {
    const path = folder({ 'a.log': '' });
    const file = join(path, 'a.log');
    const desk = new Desk(join(path, '*.log*'));
    await desk.pass();
    for (let i = 0; i < 5; i++) {
      appendFileSync(file, text(i, i + 1));
      renameSync(file, `${file}.${i}`);
      writeFileSync(file, '');
      await desk.pass(3);
    }
    await desk.pass(10);
    expect(desk.messages).toEqual(lines(0, 5));
  });

  it('that is copied and cut off goes on from its beginning', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 5));
    await desk.pass();
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
    appendFileSync(file, text(5, 7));
    await desk.pass();
    expect(desk.messages).toEqual(lines(0, 7));
  });

  it('that was cut off and has grown beyond the old place already is noticed by how it begins', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 2));
    await desk.pass();
    writeFileSync(file, text(2, 9));
    expect(await desk.pass()).toEqual(lines(0, 9));
  });

  it('whose writer goes on at the old place after it was cut off has a hole, which is no line', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 5));
    await desk.pass();
    truncateSync(file);
    truncateSync(file, 200_000);
    appendFileSync(file, text(5, 7));
    expect(await desk.pass()).toEqual(lines(0, 7));
    await desk.restart();
    expect(await desk.pass()).toEqual(lines(0, 7));
  });

  it('that is deleted and made anew is followed on', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 2));
    rmSync(file);
    await desk.pass(10);
    writeFileSync(file, text(2, 4));
    await desk.pass();
    expect(desk.messages).toEqual(lines(0, 4));
  });

  it('is not read while nobody takes its lines, and nothing of it is lost', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    desk.isFull = true;
    appendFileSync(file, text(0, 100));
    expect(await desk.pass(20)).toEqual([]);
    renameSync(file, `${file}.1`);
    expect(await desk.pass(20)).toEqual([]);
    desk.isFull = false;
    expect(await desk.pass(20)).toEqual(lines(0, 100));
  });

  it('is read a bounded piece at a time', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    writeFileSync(file, text(0, 200_000));
    expect(await desk.follower.poll()).toBe(true);
    expect(desk.messages.length).toBeLessThan(200_000 / 2);
    expect(await desk.pass()).toEqual(lines(0, 200_000));
  });

  it('that is large does not hold up the others', async () => {
    const path = folder({ 'a.log': '', 'b.log': '' });
    const desk = new Desk(join(path, 'a.log'), join(path, 'b.log'));
    await desk.pass();
    appendFileSync(join(path, 'a.log'), 'x'.repeat(4 * 1024 * 1024));
    appendFileSync(join(path, 'b.log'), 'one\ntwo\n');
    await desk.follower.poll();
    expect(desk.messages).toEqual(['one']);
  });
});

describe('over a restart', () => {
  it('no line is lost or doubled: appended meanwhile, or half there when it stopped', async () => {
    const file = join(folder({ 'a.log': text(0, 1) }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, `${text(1, 3)}INFO li`);
    await desk.pass();
    await desk.restart();
    appendFileSync(file, `ne 3\n${text(4, 6)}`);
    expect(await desk.pass()).toEqual(lines(1, 6));
    await desk.restart();
    expect(await desk.pass()).toEqual(lines(1, 6));
  });

  it('nor after kill -9, at whatever moment', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    for (let i = 0; i < 20; i++) {
      appendFileSync(file, `INFO line ${i}\n  more of it\nINFO hal`);
      await desk.follower.poll();
      if (i % 3 === 0) await desk.crash();
      appendFileSync(file, 'f\n');
      if (i % 4 === 0) await desk.pass(1);
      if (i % 5 === 0) await desk.crash();
    }
    expect(await desk.pass()).toEqual(lines(0, 20).flatMap((line) => [`${line}\n  more of it`, 'INFO half']));
  });

  it('in which the file was rotated, the old one is found by its inode and read to its end first', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 2));
    await desk.pass();
    await desk.restart();
    appendFileSync(file, text(2, 4));
    renameSync(file, `${file}.1`);
    writeFileSync(file, text(4, 6));
    expect((await desk.pass(10)).toSorted()).toEqual(lines(0, 6));
    expect(desk.said).toEqual([]);
  });

  it('in which the file was replaced, the new one is read whole, and that the old one is missing is said', async () => {
    const file = join(folder({ 'a.log': '' }), 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 2));
    await desk.pass();
    await desk.restart();
    rmSync(file);
    writeFileSync(file, text(7, 20));
    expect(await desk.pass()).toEqual([...lines(0, 2), ...lines(7, 20)]);
    expect(desk.said).toEqual([`${file} was replaced; what it held before is not found`]);
  });

  it('after which the file’s disk is mounted late, it goes on where it was', async () => {
    const path = folder({ 'a.log': '' });
    const file = join(path, 'a.log');
    const desk = new Desk(file);
    await desk.pass();
    appendFileSync(file, text(0, 2));
    await desk.pass();
    await desk.restart();
    mkdirSync(join(path, 'away'));
    renameSync(file, join(path, 'away', 'a.log'));
    await desk.pass();
    await desk.restart();
    await desk.pass();
    renameSync(join(path, 'away', 'a.log'), file);
    appendFileSync(file, text(2, 3));
    expect(await desk.pass()).toEqual(lines(0, 3));
  });
});

describe('what cannot be followed', () => {
  it('is said once and in words: a folder, a FIFO', async () => {
    const path = folder();
    mkdirSync(join(path, 'folder'));
    execFileSync('mkfifo', [join(path, 'fifo')]);
    const desk = new Desk(join(path, 'folder'), join(path, 'fifo'));
    await desk.pass(5);
    expect(desk.said).toEqual([
      `${join(path, 'folder')} is a directory, only regular files can be followed`,
      `${join(path, 'fifo')} is a FIFO, only regular files can be followed`,
    ]);
  });

  it('for reasons of the system is said once, and followed once it can be', async () => {
    const path = folder({ blocked: '' });
    const file = join(path, 'blocked', 'a.log');
    const desk = new Desk(file);
    await desk.pass(5);
    expect(desk.said).toEqual([expect.stringContaining('ENOTDIR')]);
    rmSync(join(path, 'blocked'));
    mkdirSync(join(path, 'blocked'));
    writeFileSync(file, text(0, 1));
    expect(await desk.pass()).toEqual(lines(0, 1));
  });
});

it('on its own clock it follows until it is closed', async () => {
  const file = join(folder({ 'a.log': '' }), 'a.log');
  const desk = new Desk(file);
  desk.follower.start();
  await until('the file is known', () => desk.saved.length === 1);
  appendFileSync(file, text(0, 3));
  await until('two lines came', () => desk.messages.length >= 2);
  await desk.follower.close();
  expect(desk.messages).toEqual(lines(0, 3));
  expect(desk.saved[0]!.offset).toBe(statSync(file).size);
});
