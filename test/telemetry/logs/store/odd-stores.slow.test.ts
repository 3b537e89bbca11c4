// Stores that differ from the usual: old files, a clock that is set, very many different values, words of all
// scripts, requests of hours.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { BLOCK_ROWS } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { listSegments, utcDay } from '../../../../src/telemetry/logs/store/segments.ts';
import { cpuMs } from '../../../kit/cpu-time.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { closeStores, DAY_MS, line, node, NOON, OwnStore } from '../../../kit/own-store.ts';
import { V1Writer } from '../../../kit/v1-writer.ts';
import { writeV1File } from '../../../kit/v1-files.ts';

afterEach(() => {
  closeStores();
  removeFolders();
});

const HOUR_NS = 3_600_000_000_000n;
const atMs = (ms: number): bigint => BigInt(ms) * 1_000_000n;
const numbered = (from: number, count: number): LogRecord[] =>
  Array.from({ length: count }, (_, i) =>
    line(`number ${from + i}`, { timeNs: atMs(NOON) + BigInt(from + i) }),
  );
const seqs = (records: readonly LogRecord[]): number[] => records.map(({ seq }) => seq);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe('files of an older version', () => {
  it('are read together with new ones, whose numbers go on', () => {
    const path = folder();
    const entries = numbered(1, 50).map((record) => ({ record }));
    const old = writeV1File(path, utcDay(NOON - DAY_MS), 1, entries);
    const before = readFileSync(old);
    const store = new OwnStore(path);
    store.add(...numbered(51, 50));
    expect(seqs(store.inOrder())).toEqual(upTo(100));
    expect(seqs(store.all('number', { direction: 'up' }))).toEqual(upTo(100));
    expect(seqs(store.all('number', { direction: 'down' }))).toEqual(upTo(100).toReversed());
    expect(store.reader.at(50)?.message).toBe('number 50');
    expect(store.reader.at(51)?.message).toBe('number 51');
    expect(seqs(store.reader.after(node(''), 40, 20).records)).toEqual(upTo(60).slice(40));
    store.close();
    store.open();
    store.add(...numbered(101, 1));
    expect(seqs(store.inOrder())).toEqual(upTo(101));
    expect(readFileSync(old)).toEqual(before);
  });

  it('are all that the older version writes: it refuses newer files, which stay as they are', () => {
    const store = new OwnStore(folder());
    store.add(...numbered(1, 50));
    store.close();
    const { path } = listSegments(store.path)[0]!;
    const before = readFileSync(path);
    expect(() => new V1Writer(path)).toThrow(`${path} has schema version 2, this version of weir supports 1`);
    expect(readFileSync(path)).toEqual(before);
    store.open();
    expect(seqs(store.inOrder())).toEqual(upTo(50));
  });
});

describe('a clock that is set', () => {
  it.each([
    ['forward', 30 * DAY_MS],
    ['back', -30 * DAY_MS],
  ])('%s by a month deletes nothing, and all records are found in the order of their numbers', (_, step) => {
    const store = new OwnStore(folder(), { retentionMs: 7 * DAY_MS });
    let count = 0;
    const addLines = (): void => {
      const timeNs = atMs(store.nowMs + store.stepMs);
      store.add(...numbered(count + 1, 10).map((record) => ({ ...record, timeNs })));
      count += 10;
    };
    const expectAll = (): void => {
      expect(seqs(store.inOrder())).toEqual(upTo(count));
      const found = store.all('number', { direction: 'up' });
      expect(found).toHaveLength(count);
      const times = found.map(({ timeNs }) => timeNs);
      expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      const [fromNs, toNs] = [times[0]!, times[0]! + HOUR_NS];
      const inRange = found.filter(({ timeNs }) => timeNs >= fromNs && timeNs <= toNs);
      expect(seqs(store.all('number', { fromNs, toNs, direction: 'up' }))).toEqual(seqs(inRange));
    };
    addLines();
    for (const change of [step, 0, -step, 0]) {
      store.stepMs = change;
      store.nowMs += 60_000;
      addLines();
      expectAll();
      store.close();
      store.open();
      store.nowMs += 60_000;
      addLines();
      expectAll();
    }
    expect(store.logged).toEqual([]);
  });
});

describe('very many different values', () => {
  it('of attribute names are all found, also in old blocks', () => {
    const store = new OwnStore();
    const perLine = 50;
    const lines = 2000;
    for (let from = 0; from < lines; from += 500)
      store.add(
        ...Array.from({ length: 500 }, (_, i) => {
          const names = Array.from({ length: perLine }, (__, j) => [
            `name${(from + i) * perLine + j}`,
            `v${j}`,
          ]);
          return line(`number ${from + i}`, { attributes: JSON.stringify(Object.fromEntries(names)) });
        }),
      );
    for (let n = 0; n < lines * perLine; n += 4999) {
      expect(store.messages(`@name${n}:v${n % perLine}`)).toEqual([`number ${Math.floor(n / perLine)}`]);
      expect(store.messages(`@name${n}:other`)).toEqual([]);
    }
    expect(store.writer.bytes).toBeLessThan(64 * 1024 ** 2);
  }, 60_000);
});

describe('words', () => {
  it('of all scripts are found in the tail and in blocks', () => {
    const words = ['超时', '메모리', 'タイムアウト', 'überlauf', 'مرحبا', 'Straße', 'ошибка', '🔥'];
    const store = new OwnStore();
    const addWords = (where: string): void =>
      store.add(...words.map((word) => line(`${where} ${word} ${where}`)));
    addWords('block');
    store.add(...numbered(1, BLOCK_ROWS - words.length));
    addWords('tail');
    for (const word of words)
      expect(store.messages(word).toSorted(), word).toEqual([`block ${word} block`, `tail ${word} tail`]);
    expect(store.messages('超')).toHaveLength(2);
    expect(store.messages('ÜBERLAUF')).toHaveLength(2);
  }, 60_000);
});

describe('requests of hours', () => {
  it('are found by id and by time, in order, and cost other searches little', () => {
    const store = new OwnStore();
    const count = 3 * BLOCK_ROWS;
    const step = 100_000_000n;
    // A record each 0.1 s. Each thousandth began six hours before it was stored.
    const timeOf = (i: number): bigint =>
      atMs(NOON) + BigInt(i) * step - (i % 1000 === 999 ? 6n * HOUR_NS : 0n);
    for (let from = 0; from < count; from += 8192)
      store.add(
        ...Array.from({ length: 8192 }, (_, i) =>
          line(`number ${from + i}`, {
            timeNs: timeOf(from + i),
            requestId: (from + i) % 1000 === 999 ? `long-${from + i}` : '',
          }),
        ),
      );
    for (const i of [999, 50_999, 97_999]) {
      expect(store.messages(`requestId:long-${i}`)).toEqual([`number ${i}`]);
      const timeNs = timeOf(i);
      expect(store.messages('number', { fromNs: timeNs, toNs: timeNs })).toContain(`number ${i}`);
    }
    const expected = Array.from({ length: count }, (_, i) => i)
      .map((i) => ({ i, timeNs: timeOf(i) }))
      .toSorted((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : a.i - b.i));
    const first = store.reader.page({
      node: node('number'),
      fromNs: 0n,
      toNs: 2n ** 62n,
      direction: 'up',
      limit: 500,
      after: undefined,
    });
    expect(seqs(first.records)).toEqual(expected.slice(0, 500).map(({ i }) => i + 1));
    // The newest records are found without reading the pages of all blocks.
    const minute = { fromNs: timeOf(count - 600), toNs: timeOf(count - 10) };
    const startMs = cpuMs();
    const newest = store.all('number', { ...minute, limit: 1000 });
    const newestMs = cpuMs() - startMs;
    expect(newest.map(({ message }) => message)).toEqual(
      expected
        .filter(({ timeNs }) => timeNs >= minute.fromNs && timeNs <= minute.toNs)
        .map(({ i }) => `number ${i}`)
        .toReversed(),
    );
    const allStartMs = cpuMs();
    expect(store.all('number', { limit: 10_000 })).toHaveLength(count);
    expect(newestMs).toBeLessThan((cpuMs() - allStartMs) / 3);
  }, 60_000);
});
