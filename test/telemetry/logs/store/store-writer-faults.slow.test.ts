// Faults of the log store in every phase of a drain and of a seal: the process is killed, the disk is full, pages are
// damaged, the clock is set.
import { randomBytes } from 'node:crypto';
import { cpSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { BLOCK_ROWS } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { listSegments } from '../../../../src/telemetry/logs/store/segments.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { closeStores, DAY_MS, line, OwnStore } from '../../../kit/own-store.ts';
import { onStatement } from '../../../kit/statements.ts';

/** Of the statements that write the parts of a block, a process is killed at each of so many. */
const EVERY_PART = Number(process.env['KILL_EVERY_PART'] ?? 80);

afterEach(() => {
  vi.restoreAllMocks();
  closeStores();
  removeFolders();
});

/** Lines with a number. `bytes`: of text that cannot be compressed. */
const lines = (from: number, count: number, bytes = 0): LogRecord[] =>
  Array.from({ length: count }, (_, i) => line(`number ${from + i} ${randomBytes(bytes).toString('hex')}`));

/** What the records of a store must be: numbered without a gap, each line once, in order. */
function expectLines(store: OwnStore, count: number): void {
  const records = store.inOrder();
  expect(records).toHaveLength(count);
  for (const [i, { seq, message }] of records.entries())
    if (seq !== i + 1 || !message.startsWith(`number ${i + 1} `))
      expect({ seq, message: message.slice(0, 20) }).toEqual({ seq: i + 1, message: `number ${i + 1} ` });
}

function expectIntact(path: string): void {
  for (const segment of listSegments(path)) {
    const file = new DatabaseSync(segment.path);
    expect(file.prepare('PRAGMA integrity_check').get(), segment.path).toEqual({ integrity_check: 'ok' });
    file.close();
  }
}

describe('a process that is killed', () => {
  /** Copies the files before statements of `work`: what a process leaves that is killed there, by acknowledged records. */
  function killedDuring(store: OwnStore, work: () => void): { path: string; acknowledged: number }[] {
    const copies: { path: string; acknowledged: number }[] = [];
    let parts = 0;
    const end = onStatement((sql) => {
      // A seal writes each of its many parts with the same statement.
      if (sql.includes('INTO pages') && parts++ % EVERY_PART !== 0) return;
      const path = folder();
      cpSync(store.path, path, { recursive: true });
      copies.push({ path, acknowledged: store.writer.headSeq });
    });
    work();
    end();
    return copies;
  }

  const expectKept = (copies: readonly { path: string; acknowledged: number }[]): void => {
    for (const { path, acknowledged } of copies) {
      expectIntact(path);
      const store = new OwnStore(path);
      expectLines(store, acknowledged);
      store.add(...lines(acknowledged + 1, 3));
      expectLines(store, acknowledged + 3);
      store.close();
      expect(store.logged).toEqual([]);
    }
  };

  it('at any statement of a drain leaves all records that were acknowledged, and no part of others', () => {
    const store = new OwnStore();
    const copies = killedDuring(store, () => {
      // Enough for pages of the tail that replace others.
      for (let i = 0; i < 70; i++) store.add(...lines(10 * i + 1, 10));
    });
    expect(copies.length).toBeGreaterThan(200);
    expectKept(copies.filter((_, i) => i % 9 === 0));
  });

  it('at any statement of a seal leaves each record in the tail or in the block', () => {
    const store = new OwnStore();
    // A block is full with 8 million characters.
    store.add(...lines(1, 130, 30_000));
    const copies = killedDuring(store, () => store.add(...lines(131, 15, 30_000)));
    expect(new Set(copies.map(({ acknowledged }) => acknowledged))).toEqual(new Set([130, 140]));
    expectKept(copies);
  }, 60_000);

  it('at any statement of a change to a new file leaves all records', () => {
    const store = new OwnStore();
    store.add(...lines(1, 100));
    store.nowMs += DAY_MS;
    const copies = killedDuring(store, () => store.add(...lines(101, 10)));
    expect(copies.length).toBeGreaterThan(10);
    expectKept(copies);
    expect(listSegments(store.path)).toHaveLength(2);
  });
});

it('stores no block without records', () => {
  const store = new OwnStore();
  // The recorder asks for room before it adds a record.
  expect(store.writer.rows()).toBeDefined();
  store.add(...lines(1, 10));
  const file = new DatabaseSync(listSegments(store.path)[0]!.path);
  expect(file.prepare('SELECT count(*) AS blocks FROM blocks').get()).toEqual({ blocks: 0 });
  file.close();
  expectLines(store, 10);
});

describe('a full disk', () => {
  const FULL = Object.assign(new Error('database or disk is full'), { errcode: 13 });

  it('at any statement loses only what was not stored, and stores again when there is space', () => {
    const store = new OwnStore();
    let count = BLOCK_ROWS - 10;
    store.add(...lines(1, count));
    let statements = 0;
    let isSealed = false;
    for (let failing = 1; !isSealed; failing += 1 + Math.floor(failing / 8)) {
      statements = 0;
      const end = onStatement((sql) => {
        if (sql !== 'ROLLBACK' && ++statements === failing) throw FULL;
      });
      // The first ten records fill the block.
      for (const record of lines(count + 1, 30)) expect(store.writer.add(record)).toBeGreaterThan(0);
      const result = store.writer.store();
      end();
      isSealed = statements < failing;
      if (isSealed) {
        expect(result).toEqual({ kind: 'stored' });
        count += 30;
      } else {
        expect(result.kind).toBe('lost');
        expect(result).toMatchObject({ why: 'store_full' });
        // What was stored before the failing statement is kept, and the rest has no numbers.
        const kept = store.writer.headSeq - count;
        expect(result).toMatchObject({ count: 30 - kept });
        count += kept;
      }
      expectLines(store, count);
    }
    store.add(...lines(count + 1, 5));
    expectLines(store, count + 5);
    expect(store.logged.filter((text) => text.startsWith('log records lost'))).toHaveLength(1);
    store.close();
    store.open();
    expectLines(store, count + 5);
    expectIntact(store.path);
  });
});

describe('a damaged page', () => {
  /** Runs SQL on the newest file, as if the disk had changed it. */
  function damage(store: OwnStore, sql: string): void {
    const file = new DatabaseSync(listSegments(store.path).at(-1)!.path);
    file.exec(sql);
    file.close();
  }
  const reports = (store: OwnStore): number =>
    store.logged.filter((text) => text.includes('is damaged')).length;

  it('at the end of the tail loses its records, but its numbers are not used again', () => {
    const store = new OwnStore();
    store.add(...lines(1, 10));
    store.add(...lines(11, 10));
    damage(store, 'UPDATE tail SET page = randomblob(1000) WHERE seq = 11');
    store.close();
    store.open();
    store.close();
    store.open();
    store.add(line('after'));
    const records = store.inOrder();
    expect(records.slice(0, 10).map(({ seq }) => seq)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
    expect(records.slice(10).map(({ message }) => message)).toEqual(['after']);
    expect(records[10]!.seq).toBeGreaterThan(20);
    expect(store.messages('number').length).toBe(10);
    expect(reports(store)).toBe(1);
  });
});
