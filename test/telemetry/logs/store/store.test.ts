// The reader and the writer of the log store on real files, without their threads.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { removeSegment } from '../../../../src/telemetry/logs/store/segments.ts';
import type { Direction } from '../../../../src/telemetry/logs/store/page-position.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { StoreWriter } from '../../../../src/telemetry/logs/store/store-writer.ts';
import { folder } from '../../../kit/folder.ts';
import { closeStores, DAY_MS, line, MAX_NS, node, NOON, OwnStore } from '../../../kit/own-store.ts';

afterEach(closeStores);

describe('a stored record', () => {
  it('is found by its kind', () => {
    const store = new OwnStore();
    const kinds = ['request', 'line', 'span', 'event'] as const;
    store.add(...kinds.map((kind) => line(`a ${kind}`, { kind })));
    for (const kind of kinds) expect(store.messages(`kind:${kind}`)).toEqual([`a ${kind}`]);
    expect(store.messages('-kind:event -kind:span')).toEqual(['a line', 'a request']);
  });

  it('is returned unchanged, with its time to the nanosecond', () => {
    const store = new OwnStore();
    const record = line('out of memory', {
      kind: 'request',
      timeNs: 1_763_640_000_123_456_789n,
      severity: 17,
      requestId: '31255019cf83c4d0c7492a5006591e1f502a5',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      parentSpanId: '00f067aa0ba902b7',
      source: 'weir',
      status: 502,
      durationNs: 1_200_000_000_000,
      attributes: '{"cause":"reset_midway","ünï":"中文"}',
    });
    store.add(record);
    expect(store.all('')).toEqual([{ ...record, seq: 1 }]);
    expect(store.reader.at(1)).toEqual({ ...record, seq: 1 });
    expect(store.reader.at(2)).toBeUndefined();
  });

  it('is found by id, trace, word, phrase, field and expression', () => {
    const store = new OwnStore();
    const requestId = '31255019cf83c4d0c7492a5006591e1f502a5';
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    store.add(
      line('CUDA out of memory', { requestId, severity: 17 }),
      line('took 12 ms', { severity: 5, attributes: '{"user":{"id":"u7"}}' }),
      line('POST /predict 500', { kind: 'request', requestId, traceId, status: 500, durationNs: 3e9 }),
      line('out for lunch, memory fine'),
    );
    expect(store.messages(`requestId:${requestId}`)).toHaveLength(2);
    // The line has no trace id of its own. It is found by that of its request.
    expect(store.messages(`trace:${traceId}`)).toEqual(['POST /predict 500', 'CUDA out of memory']);
    expect(store.messages('"out of memory"')).toEqual(['CUDA out of memory']);
    expect(store.messages('memory')).toHaveLength(2);
    expect(store.messages('mem*')).toHaveLength(2);
    expect(store.messages('memory -cuda')).toEqual(['out for lunch, memory fine']);
    expect(store.messages('/took \\d+ ms/')).toEqual(['took 12 ms']);
    expect(store.messages('user.id:u7')).toEqual(['took 12 ms']);
    expect(store.messages('level>=error')).toEqual(['CUDA out of memory']);
    expect(store.messages('status:5xx duration>2s')).toEqual(['POST /predict 500']);
    expect(store.messages('env:production replica:abc12 kind:request')).toEqual(['POST /predict 500']);
    expect(store.messages('replica:other')).toEqual([]);
  });

  it('is found by words in Chinese, Japanese and Arabic, and by words with umlauts', () => {
    const store = new OwnStore();
    store.add(
      line('模型加载失败:显存不足'),
      line('モデルを読み込みました'),
      line('فشل تحميل النموذج'),
      line('Größe überschritten'),
      line('unrelated'),
    );
    expect(store.messages('显存')).toEqual(['模型加载失败:显存不足']);
    expect(store.messages('読み込み')).toEqual(['モデルを読み込みました']);
    expect(store.messages('تحميل')).toEqual(['فشل تحميل النموذج']);
    expect(store.messages('grosse OR größe')).toEqual(['Größe überschritten']);
  });
});

describe('pages', () => {
  it('return each of 5,000 lines of one nanosecond once, in both directions', () => {
    const store = new OwnStore();
    store.add(...Array.from({ length: 5000 }, (_, i) => line(`line ${i}`)));
    const up = store.messages('', { direction: 'up', limit: 333 });
    expect(up).toEqual(Array.from({ length: 5000 }, (_, i) => `line ${i}`));
    expect(store.messages('', { limit: 1000 })).toEqual(up.toReversed());
  });

  it('return every record once and in order, for any segments, times and limits', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            timeNs: fc.bigInt({ min: 0n, max: 40n }),
            message: fc.constantFrom('red', 'green fox', 'blue fox', 'x'),
            isNewDay: fc.boolean(),
            severity: fc.constantFrom(0, 5, 9, 17),
          }),
          { maxLength: 40 },
        ),
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom<Direction>('up', 'down'),
        fc.constantFrom('', 'fox', 'level>=info', 'red OR level:error', '-fox'),
        fc.bigInt({ min: 0n, max: 20n }),
        (records, limit, direction, query, fromNs) => {
          const store = new OwnStore();
          for (const { isNewDay, ...more } of records) {
            if (isNewDay) store.nowMs += DAY_MS / 16;
            store.add(line(more.message, more));
          }
          const found = store.all(query, { limit, direction, fromNs, toNs: 30n });
          const every = store.all('', { limit: 1000, direction: 'up' });
          const wanted = every.filter(({ message, severity, timeNs }) => {
            const isFox = message.includes('fox');
            const fits = new Map([
              ['', true],
              ['fox', isFox],
              ['-fox', !isFox],
              ['level>=info', severity >= 9],
              ['red OR level:error', message === 'red' || severity === 17],
            ]);
            return timeNs >= fromNs && timeNs <= 30n && fits.get(query);
          });
          expect(every).toHaveLength(records.length);
          expect(found).toEqual(direction === 'up' ? wanted : wanted.toReversed());
          store.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('stay within the time budget if few records match, and continue where they ended', () => {
    const store = new OwnStore(undefined, {}, 2);
    for (let i = 0; i < 60; i++)
      store.add(...Array.from({ length: 1000 }, (_, j) => line(i === 3 && j === 5 ? 'the needle' : 'hay')));
    const first = store.reader.page({
      node: node('/needle$/'),
      fromNs: 0n,
      toNs: MAX_NS,
      direction: 'down',
      after: undefined,
      limit: 10,
    });
    // No index helps with this query, so one call examines only a part of the records.
    expect(first).toMatchObject({ records: [] });
    expect(first.next).toBeDefined();
    expect(store.messages('/needle$/')).toEqual(['the needle']);
  });
});

describe('sequence numbers', () => {
  it('are followed to the end if each call has no time left', () => {
    const store = new OwnStore(undefined, {}, -1);
    const texts = Array.from({ length: 1500 }, (_, i) => `line ${i}`);
    store.add(...texts.map((text) => line(text)));
    let seq = 0;
    const seen: string[] = [];
    for (let calls = 0; calls < 100 && seen.length < texts.length; calls++) {
      const { records, lastSeq } = store.reader.after(node(''), seq, 512);
      expect(lastSeq).toBeGreaterThan(seq);
      seen.push(...records.map(({ message }) => message));
      seq = lastSeq;
    }
    expect(seen).toEqual(texts);
  });

  it('have no gaps across days and restarts, and a follower reads each record once', () => {
    const store = new OwnStore();
    let seq = 0;
    const seen: number[] = [];
    const follow = (): void => {
      for (;;) {
        const { records, lastSeq, headSeq } = store.reader.after(node('-hay'), seq, 3);
        seen.push(...records.map((record) => record.seq));
        seq = lastSeq;
        if (lastSeq >= headSeq) return;
      }
    };
    for (let i = 0; i < 5; i++) {
      store.add(...Array.from({ length: 7 }, (_, j) => line(j % 2 ? 'hay' : `wanted ${i}`)));
      if (i % 2) follow();
      store.nowMs += DAY_MS / 2;
      if (i === 2) {
        store.close();
        store.open();
      }
    }
    follow();
    expect(seen).toEqual(Array.from({ length: 35 }, (_, i) => i + 1).filter((n) => ((n - 1) % 7) % 2 === 0));
    expect(
      readdirSync(store.path).filter((name) => name.endsWith('.sqlite') && name.startsWith('logs')),
    ).toHaveLength(3);
  });

  it('are not used twice after the newest segment was damaged', () => {
    const store = new OwnStore();
    store.add(line('old'), line('old too'));
    store.nowMs += DAY_MS;
    store.add(line('new'));
    store.close();
    const newest = readdirSync(store.path)
      .filter((name) => /^logs-.*sqlite$/.test(name))
      .sort()
      .at(-1)!;
    writeFileSync(join(store.path, newest), 'this is not a database, despite its name'.repeat(100));
    store.open();
    store.add(line('after'));
    expect(store.messages('')).toEqual(expect.arrayContaining(['after', 'old too', 'old']));
    expect(store.all('').every(({ seq, message }) => message.startsWith('old') || seq > 3)).toBe(true);
    expect(store.logged.join()).toMatch(/damaged and was set aside/);
    expect(readdirSync(store.path).some((name) => name.includes('.damaged-'))).toBe(true);
  });
});

describe('a segment that is damaged while it is used', () => {
  it('is renamed and reported, and the store continues with the others', () => {
    const store = new OwnStore();
    store.add(...Array.from({ length: 3000 }, (_, i) => line(`old ${i}`)));
    store.nowMs += DAY_MS;
    store.add(line('new'));
    const [oldest] = readdirSync(store.path)
      .filter((name) => /^logs-.*sqlite$/.test(name))
      .sort();
    const path = join(store.path, oldest!);
    truncateSync(path, 8192);
    expect(store.messages('')).toContain('new');
    expect(existsSync(path)).toBe(false);
    expect(store.logged.join()).toMatch(/damaged and was set aside/);
    store.add(line('newer'));
    expect(store.messages('')).toEqual(expect.arrayContaining(['newer', 'new']));
  });
});

describe('retention', () => {
  it('deletes whole days by age and frees their disk space', () => {
    const store = new OwnStore(undefined, { retentionMs: 2 * DAY_MS });
    for (let i = 0; i < 5; i++) {
      store.add(line(`day ${i}`));
      store.nowMs += DAY_MS;
    }
    store.writer.applyLimits();
    store.reader.refresh();
    expect(store.messages('')).toEqual(['day 4', 'day 3']);
    expect(readdirSync(store.path).filter((name) => name.startsWith('logs-')).length).toBeLessThan(8);
  });

  it('keeps all segments below the maximum size, and deletes the oldest records first', () => {
    const store = new OwnStore(undefined, { maxBytes: 16 * 2 ** 20 });
    const text = 'some words that need some space on the disk '.repeat(20);
    for (let i = 0; i < 40; i++)
      store.add(...Array.from({ length: 1000 }, (_, j) => line(`${i} ${j} ${text}`)));
    store.writer.applyLimits();
    expect(store.writer.bytes).toBeLessThan(17 * 2 ** 20);
    const kept = store.all('', { limit: 1000 });
    expect(kept.length).toBeGreaterThan(5000);
    expect(kept[0]!.message).toMatch(/^39 999 /);
  });
});

describe('a segment that the writer is creating', () => {
  it('is skipped until its tables exist', () => {
    const store = new OwnStore();
    store.add(line('old'));
    const path = join(store.path, 'logs-20261121-000000000000002.sqlite');
    const segment = new DatabaseSync(path);
    segment.exec('PRAGMA journal_mode = WAL; CREATE TABLE incomplete (x)');
    expect(store.messages('')).toEqual(['old']);
    expect(store.reader.after(node(''), 0, 10)).toMatchObject({ records: [{ seq: 1 }], lastSeq: 1 });
    segment.close();
    removeSegment(path);
    store.nowMs += DAY_MS;
    store.add(line('new'));
    expect(store.messages('')).toEqual(['new', 'old']);
  });
});

it('keeps stored records even if the next segment cannot be created', () => {
  const store = new OwnStore(folder(), { maxBytes: 1_000_000 });
  const first = Array.from({ length: 2000 }, (_, i) => line(`first ${i} ${Math.random()} ${Math.random()}`));
  const next = join(store.path, 'logs-20261120-000000000002001.sqlite');
  mkdirSync(next);
  store.add(...first);
  expect(() => store.add(line('refused'))).toThrow('lost');
  expect(store.logged.join()).toMatch(/log records lost.*unable to open/);
  rmSync(next, { recursive: true });
  store.add(line('second'));
  expect(store.messages('', { direction: 'up' })).toEqual([...first.map(({ message }) => message), 'second']);
});

describe('a folder', () => {
  it('can be used by only one weir at a time', () => {
    const store = new OwnStore();
    const second = new StoreWriter(
      { folder: store.path, maxBytes: 2 ** 30, retentionMs: DAY_MS },
      () => undefined,
      { now: () => NOON, steady: () => NOON },
    );
    expect(second.open()).toMatch(/in use by another weir/);
  });
});

it('skips an empty file without an error', () => {
  const store = new OwnStore();
  store.add(line('a'));
  // SQLite leaves such a file between opening it and the end of the first transaction.
  writeFileSync(join(store.path, 'logs-20261121-000000000000500.sqlite'), '');
  expect(store.messages('')).toEqual(['a']);
  expect(store.reader.after(node(''), 0, 10).records).toHaveLength(1);
  expect(store.logged).toEqual([]);
});

it('keeps all records when a day ends while the next ones wait to be stored', () => {
  const store = new OwnStore();
  store.add(line('a'));
  store.writer.add(line('b'));
  store.nowMs += DAY_MS;
  expect(store.writer.store()).toEqual({ kind: 'stored' });
  store.add(line('c'));
  expect(store.messages('')).toEqual(['c', 'b', 'a']);
  expect(store.reader.after(node(''), 0, 10).records.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  store.close();
  store.open();
  store.add(line('d'));
  expect(store.messages('')).toEqual(['d', 'c', 'b', 'a']);
});

describe('long records', () => {
  const long = Array.from({ length: 100 }, (_, i) =>
    line(`${i} ${'x'.repeat(50_000)}`, { timeNs: BigInt(i + 1) }),
  );
  const numbers = (records: readonly LogRecord[]) =>
    records.map(({ message }) => Number.parseInt(message, 10));
  const all = Array.from({ length: 100 }, (_, i) => i);

  it('are returned in pages of limited size, without loss', () => {
    const store = new OwnStore();
    store.add(...long);
    const query = { node: node(''), fromNs: 0n, toNs: MAX_NS, direction: 'up' as const, limit: 1000 };
    const page = store.reader.page({ ...query, after: undefined });
    expect(page.records.length).toBeLessThan(30);
    expect(page.next).toBeDefined();
    expect(numbers(store.all('', query))).toEqual(all);
  });

  it('are followed in pages of limited size, without loss', () => {
    const store = new OwnStore();
    store.add(...long);
    const seen: number[] = [];
    let seq = 0;
    for (;;) {
      const { records, lastSeq, headSeq } = store.reader.after(node(''), seq, 1000);
      expect(records.length).toBeLessThan(30);
      seen.push(...numbers(records));
      seq = lastSeq;
      if (seq >= headSeq) break;
    }
    expect(seen).toEqual(all);
  });
});
