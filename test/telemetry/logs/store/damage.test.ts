// Damaged values in files of the log store: they are set aside and reported once, and everything else is found.
import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { threadFile } from '../../../../src/core/worker-rpc.ts';
import { bodiesPlace } from '../../../../src/telemetry/logs/store/day-file.ts';
import { listSegments } from '../../../../src/telemetry/logs/store/segments.ts';
import { StoreReader } from '../../../../src/telemetry/logs/store/store-reader.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { closeStores, line, node, OwnStore } from '../../../kit/own-store.ts';
import { until } from '../../../kit/until.ts';

afterEach(() => {
  closeStores();
  removeFolders();
});

const newest = (store: OwnStore): string => listSegments(store.path).at(-1)!.path;

/** Runs a statement on the newest file, as if the disk had changed it. */
function damage(store: OwnStore, sql: string, ...values: (Uint8Array | number)[]): void {
  const file = new DatabaseSync(newest(store));
  expect(file.prepare(sql).run(...values).changes).toBeGreaterThan(0);
  file.close();
}

/** Two blocks of long lines, and some in the tail. Each line has a number, and a word of its own. */
function filled(): OwnStore {
  const store = new OwnStore(folder());
  const text = 'x'.repeat(60_000);
  for (let i = 0; i < 300; i += 10)
    store.add(...Array.from({ length: 10 }, (_, j) => line(`number ${i + j} word${i + j} ${text}`)));
  return store;
}

/** Overwrites a file and its write-ahead log. */
function overwrite(path: string): void {
  for (const one of [path, `${path}-wal`]) writeFileSync(one, randomBytes(statSync(one).size));
}

const numbersOf = (store: OwnStore, query = ''): number[] =>
  store.inOrder(query).map(({ message }) => Number(message.split(' ')[1]));
const reports = (store: OwnStore): string[] => store.logged.filter((text) => text.includes('amaged'));

describe('random bytes', () => {
  it.each([
    ['a page', 'UPDATE pages SET part = ? WHERE place = (SELECT min(place) FROM pages)'],
    ['a page of the tail', 'UPDATE tail SET page = ? WHERE seq = (SELECT max(seq) FROM tail)'],
    ['a directory', 'UPDATE blocks SET directory = ? WHERE seq = (SELECT min(seq) FROM blocks)'],
  ])('in %s are set aside and reported once, and everything else is found', (_, sql) => {
    const store = filled();
    damage(store, sql, randomBytes(2000));
    const before = numbersOf(store);
    expect(before.length).toBeGreaterThan(100);
    expect(before.length).toBeLessThan(300);
    expect(numbersOf(store)).toEqual(before);
    for (const number of before.filter((n) => n % 25 === 0))
      expect(numbersOf(store, `word${number}`)).toEqual([number]);
    expect(reports(store)).toHaveLength(1);
    store.close();
    store.open();
    store.add(line('number 1000'));
    expect(numbersOf(store)).toEqual([...before, 1000]);
    expect(reports(store)).toHaveLength(1);
  });

  it('in a new directory are reported before the next search', () => {
    const store = filled();
    expect(numbersOf(store)).toHaveLength(300);
    const text = 'x'.repeat(60_000);
    for (let i = 0; i < 20; i++)
      store.add(...Array.from({ length: 10 }, (_, j) => line(`number ${300 + 10 * i + j} ${text}`)));
    damage(
      store,
      'UPDATE blocks SET directory = ? WHERE seq = (SELECT max(seq) FROM blocks)',
      randomBytes(2000),
    );
    expect(reports(store)).toHaveLength(0);
    store.reader.refresh();
    expect(reports(store)).toHaveLength(1);
  });

  it('in bodies are set aside and reported once, and other bodies and all records are found', () => {
    const store = new OwnStore(folder());
    const body = (text: string) => ({ request: Buffer.from(text), response: undefined });
    for (const text of ['first', 'second', 'third']) {
      store.writer.add(line(`number ${text.length}`), body(text));
      expect(store.writer.store()).toEqual({ kind: 'stored' });
    }
    damage(store, 'UPDATE bodies SET bodies = ? WHERE seq = 2', randomBytes(200));
    for (let i = 0; i < 2; i++) {
      expect([1, 2, 3].map((seq) => store.reader.bodies(seq))).toEqual([
        body('first'),
        undefined,
        body('third'),
      ]);
      expect(numbersOf(store)).toEqual([5, 6, 5]);
      expect(reports(store)).toHaveLength(1);
      store.close();
      store.open();
    }
    const file = new DatabaseSync(newest(store));
    expect(file.prepare('SELECT place FROM damaged').all()).toEqual([{ place: bodiesPlace(2) }]);
    file.close();
    expect(store.writer.add(line('number 7'))).toBe(4);
  });

  it('in a filter of a block do not hide its records', () => {
    const store = filled();
    const file = new DatabaseSync(newest(store));
    const rows = file.prepare('SELECT id, length(pieces) AS bytes FROM filters').all() as {
      id: number;
      bytes: number;
    }[];
    for (const { id, bytes } of rows)
      file.prepare('UPDATE filters SET pieces = ? WHERE id = ?').run(randomBytes(bytes), id);
    file.close();
    expect(rows.length).toBeGreaterThan(0);
    for (let number = 0; number < 300; number += 25)
      expect(numbersOf(store, `word${number}`), `word${number}`).toEqual([number]);
  });
});

describe('a file that was renamed and written again', () => {
  it('is not renamed again for a report about the old one', () => {
    const store = new OwnStore(folder());
    store.add(line('number 1'));
    const path = newest(store);
    // The writer has it in memory. Two calls of the reader report the same damage.
    overwrite(path);
    store.writer.damaged(path, 'first report');
    store.add(line('number 2'));
    expect(newest(store)).toBe(path);
    store.writer.damaged(path, 'second report');
    store.add(line('number 3'));
    expect(numbersOf(store)).toEqual([1, 2, 3]);
    expect(reports(store)).toHaveLength(1);
  });

  it('is read, although the reader had opened the old one', () => {
    const store = new OwnStore(folder());
    store.add(line('number 1'));
    const reader = new StoreReader(store.path, { damaged: () => undefined }, 1000);
    expect(reader.after(node(''), 0, 10).records).toHaveLength(1);
    overwrite(newest(store));
    store.writer.damaged(newest(store), 'damage');
    store.add(line('number 2'));
    expect(reader.after(node(''), 0, 10).records).toHaveLength(2);
    reader.close();
  });

  it('gets its write-ahead log moved into it', async () => {
    const store = new OwnStore(folder());
    const thread = new Worker(
      threadFile(
        'checkpoint-thread',
        new URL('../../../../src/telemetry/logs/recorder/x.ts', import.meta.url).href,
      ),
    );
    const walBytes = () => statSync(`${newest(store)}-wal`).size;
    const checkpoint = async () => {
      store.add(line('number 1'));
      expect(walBytes()).toBeGreaterThan(0);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage(newest(store));
      await until('the write-ahead log is empty', () => walBytes() === 0);
    };
    await checkpoint();
    overwrite(newest(store));
    store.writer.damaged(newest(store), 'damage');
    await checkpoint();
    await thread.terminate();
  });
});
