// Tests of the file store: the contract of all stores, and damaged, full and locked files.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SqliteStore } from '../../../../src/async/queue/stores/sqlite-store.ts';
import { TaskStoreError, type TaskStoreEvents } from '../../../../src/async/queue/store.ts';
import { newTask, storeContract } from '../../../contract/store.ts';

const T0 = 1_790_000_000_000;
const MIB = 1024 ** 2;
const quiet: TaskStoreEvents = { added: () => undefined, work: () => undefined, expired: () => undefined };
let folder = '';
const opened: SqliteStore[] = [];

const open = async (events = quiet, maxBytes = 64 * MIB, from = folder, nowMs = T0) => {
  const store = new SqliteStore({ folder: from, fsync: true, maxBytes, retentionMs: 3_600_000 }, events);
  await store.open(nowMs);
  opened.push(store);
  return store;
};

const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

/** Tables of schema version 1. */
const VERSION_1 = `
CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL, phase INTEGER NOT NULL,
  priority INTEGER NOT NULL, due INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, ending TEXT, webhook TEXT NOT NULL,
  webhook_status TEXT NOT NULL, retry TEXT NOT NULL, errors TEXT NOT NULL DEFAULT '[]', keep INTEGER NOT NULL DEFAULT 0,
  key TEXT, digest TEXT NOT NULL
) STRICT;
CREATE TABLE inputs (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE results (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX line ON tasks (deployment, priority, seq) WHERE phase = 0;
CREATE INDEX timers ON tasks (phase, due);
CREATE UNIQUE INDEX keys ON tasks (key) WHERE key IS NOT NULL;
PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;
`;

storeContract('file', () => {
  const own = mkdtempSync(join(tmpdir(), 'weir-queue-'));
  const others: string[] = [];
  return {
    open: (events) => open(events, 64 * MIB, own),
    // A copy of the files at this moment is what a killed process leaves.
    reopen(events) {
      const copy = mkdtempSync(join(tmpdir(), 'weir-queue-'));
      others.push(copy);
      cpSync(own, copy, { recursive: true });
      return open(events, 64 * MIB, copy);
    },
    async clean() {
      await Promise.all(opened.splice(0).map((store) => store.close()));
      for (const path of [own, ...others]) rmSync(path, { recursive: true });
    },
  };
});

describe('the file store', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weir-queue-'));
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    rmSync(folder, { recursive: true });
  });
  const file = () => join(folder, 'queue.sqlite');

  it('refuses a file that is in use', async () => {
    await open();
    expect(statSync(file()).size).toBeGreaterThan(0);
    await expect(open()).rejects.toThrow(/queue\.sqlite is in use by another weir/);
  });

  it('refuses a damaged file and does not change it', async () => {
    const store = await open();
    for (let i = 0; i < 200; i++) await store.add(newTask({ input: 'x'.repeat(1000) }), 1e6);
    await store.close();
    const good = readFileSync(file());
    for (const damage of [
      () => Buffer.from('not a database, but long enough to look like a file of pages: '.repeat(100)),
      () => Buffer.concat([good.subarray(0, 8192), Buffer.alloc(8192, 0xff), good.subarray(16_384)]),
      () => good.subarray(0, good.length / 2),
    ]) {
      const bad = damage();
      writeFileSync(file(), bad);
      rmSync(`${file()}-wal`, { force: true });
      await expect(open()).rejects.toThrow(/is damaged \(.*\): keep a copy/);
      expect(readFileSync(file()).equals(bad)).toBe(true);
    }
  });

  it('refuses a file with another schema version', async () => {
    await (await open()).close();
    const db = new DatabaseSync(file());
    db.exec('PRAGMA user_version = 99');
    db.close();
    await expect(open()).rejects.toThrow(
      /has schema version 99, but this weir supports 3; use the version of weir that wrote it/,
    );
  });

  it('migrates a file of version 1 with its tasks', async () => {
    const db = new DatabaseSync(file());
    db.exec(VERSION_1);
    const insert = db.prepare(
      `INSERT INTO tasks (id, deployment, phase, priority, due, created, changed, attempts, ending, webhook, webhook_status, retry, key, digest)
       VALUES (?, 'dep1', ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'd')`,
    );
    const retry = '{"max_attempts":3,"initial_delay_ms":1000,"max_delay_ms":5000}';
    insert.run('waits', 0, T0 + 600_000, T0, T0, 0, null, '', 'NO_WEBHOOK_PROVIDED', retry, 'k');
    insert.run('ran', 1, T0 + 600_000, T0, T0, 1, null, '', 'NO_WEBHOOK_PROVIDED', retry, null);
    insert.run('ended', 3, T0, T0, T0, 1, 'SUCCEEDED', 'https://x/', 'PENDING', retry, null);
    db.exec(`INSERT INTO inputs VALUES (1, CAST('{"n":1}' AS BLOB)), (2, CAST('{"n":2}' AS BLOB));
             INSERT INTO results VALUES (3, 'application/json', CAST('"done"' AS BLOB));`);
    db.close();
    const store = await open();
    expect(store.depth('dep1')).toEqual({ queued: 1, inProgress: 1 });
    expect(await store.add(newTask({ idempotencyKey: 'k' }), 10)).toEqual({ kind: 'known', id: 'waits' });
    const claims = [await store.claim('dep1', T0, 1000), await store.claim('dep1', T0, 1000)];
    expect(claims.map((task) => ({ ...task, input: Buffer.from(task!.input).toString() }))).toMatchObject([
      { id: 'waits', attempts: 1, input: '{"n":1}', traceparent: '', isPrivate: false },
      { id: 'ran', attempts: 2, input: '{"n":2}', traceparent: '', isPrivate: false },
    ]);
    expect(await store.claimDelivery(T0)).toMatchObject({ id: 'ended', attempts: 1, traceparent: '' });
    const traced = newTask({ traceparent: TRACEPARENT, isPrivate: true });
    expect(await store.add(traced, 10)).toEqual({ kind: 'added' });
    await store.close();
    // The file is of the present version now.
    const again = await open();
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await again.claim('dep1', T0, 1000));
    expect(ids.find((task) => task!.id === traced.id)).toMatchObject({
      traceparent: TRACEPARENT,
      isPrivate: true,
    });
  });

  it('refuses submits when the file is full, and accepts them again when there is space', async () => {
    const store = await open(quiet, MIB);
    const kept: string[] = [];
    const big = () => newTask({ input: 'x'.repeat(50_000), expiresMs: 8e15 });
    let last: unknown;
    for (let i = 0; i < 100 && last === undefined; i++) {
      const task = big();
      const added = await store.add(task, 1e6);
      if (added.kind === 'added') kept.push(task.id);
      else last = added;
    }
    expect(last).toEqual({ kind: 'storage_full' });
    expect(kept.length).toBeGreaterThan(5);
    expect(store.depth('dep1')).toEqual({ queued: kept.length, inProgress: 0 });
    for (const id of kept) expect(await store.status(id)).toMatchObject({ status: 'QUEUED' });
    // Stored tasks can proceed to their end.
    for (let i = 0; i < 3; i++) {
      const task = await store.claim('dep1', 0, 0);
      await store.finish(
        task!.id,
        { status: 'SUCCEEDED', errors: [], result: undefined, keepResult: false },
        0,
        0,
      );
    }
    expect(await store.add(big(), 1e6)).toEqual({ kind: 'added' });
    expect(existsSync(file())).toBe(true);
  });

  it('corrects due times after the clock was set back', async () => {
    const store = await open();
    const [resting, sent, done] = [newTask(), newTask({ webhook: 'https://x/' }), newTask()];
    for (const task of [resting, sent, done]) await store.add(task, 10);
    for (let i = 0; i < 3; i++) await store.claim('dep1', T0, 1000);
    const ending = { status: 'SUCCEEDED' as const, errors: [], result: undefined, keepResult: false };
    await store.retryLater(resting.id, T0 + 5000, { code: 'c', message: 'm' });
    await store.finish(sent.id, ending, T0, 1000);
    await store.claimDelivery(T0);
    await store.deliverLater(sent.id, T0 + 2000);
    await store.finish(done.id, ending, T0, 3_600_000);
    await store.close();
    const yesterday = T0 - 86_400_000;
    const again = await open(quiet, 64 * MIB, folder, yesterday);
    await again.sweep(yesterday, 1000);
    expect((await again.claim('dep1', yesterday, 1000))!.id).toBe(resting.id);
    expect((await again.claimDelivery(yesterday))!.id).toBe(sent.id);
    await again.sweep(yesterday + 3_600_000, 1000);
    expect(await again.status(done.id)).toBeUndefined();
  });

  describe('a crash of its thread', () => {
    beforeEach(() => {
      vi.spyOn(Worker.prototype, 'postMessage');
    });
    afterEach(() => void vi.restoreAllMocks());
    const ending = { status: 'SUCCEEDED' as const, errors: [], result: undefined, keepResult: false };
    /** Messages sent to threads, with the thread of each. */
    // oxlint-disable-next-line typescript/unbound-method -- the spy itself is read
    const posts = () => vi.mocked(Worker.prototype.postMessage).mock;
    const kill = async (store: SqliteStore) => {
      await store.status('x');
      const waiting = expect(store.sweep(T0, 1000)).rejects.toThrow(/the thread of the queue ended/);
      await (posts().contexts.at(-1) as Worker).terminate();
      await waiting;
    };

    it('fails running operations, and loses nothing when the next sweep starts a new thread', async () => {
      let works = 0;
      const store = await open({ ...quiet, work: () => void works++ });
      const kept = newTask();
      await store.add(kept, 10);
      await kill(store);
      await expect(store.add(newTask(), 10)).rejects.toThrow(TaskStoreError);
      await expect(store.status(kept.id)).rejects.toThrow(/the thread of the queue ended/);
      works = 0;
      await store.sweep(T0 + 1000, 3_600_000);
      expect(works).toBeGreaterThan(0);
      expect(await store.status(kept.id)).toMatchObject({ status: 'QUEUED' });
      expect(store.depth('dep1')).toEqual({ queued: 1, inProgress: 0 });
      expect((await store.claim('dep1', T0, 1000))!.id).toBe(kept.id);
    });

    it('does not keep close waiting', async () => {
      const store = await open();
      await store.status('x');
      const thread = posts().contexts.at(-1) as Worker;
      // A call that the thread never gets, so that it is pending when the thread ends.
      vi.spyOn(Worker.prototype, 'postMessage').mockImplementationOnce(() => undefined);
      const pending = expect(store.status('y')).rejects.toThrow(TaskStoreError);
      const closed = store.close();
      await thread.terminate();
      await pending;
      await closed;
    });

    it('keeps the claims of this process, so that no task or delivery runs twice', async () => {
      const store = await open();
      const [running, sending] = [newTask({ priority: 1 }), newTask({ webhook: 'https://a/' })];
      for (const task of [running, sending]) await store.add(task, 10);
      for (let i = 0; i < 2; i++) await store.claim('dep1', T0, 1000);
      await store.finish(sending.id, ending, T0, 1000);
      expect((await store.claimDelivery(T0))!.id).toBe(sending.id);
      await kill(store);
      await expect(store.finish(running.id, ending, T0, 1000)).rejects.toThrow(TaskStoreError);
      await store.sweep(T0 + 1000, 1000);
      expect(await store.claim('dep1', T0 + 1000, 1000)).toBeUndefined();
      expect(await store.claimDelivery(T0 + 1000)).toBeUndefined();
      await store.finish(running.id, ending, T0 + 1000, 1000);
      await store.finishDelivery(sending.id, true, T0 + 1000, 1000);
      expect(await store.status(running.id)).toMatchObject({ status: 'SUCCEEDED' });
      expect(await store.status(sending.id)).toMatchObject({ webhookStatus: 'SUCCEEDED' });
    });

    it('is retried with growing pauses while the file cannot be used, and reports why', async () => {
      const store = await open();
      await kill(store);
      const other = new DatabaseSync(file());
      other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE');
      await expect(store.sweep(T0 + 1000, 1000)).rejects.toThrow(/is in use by another weir/);
      await expect(store.sweep(T0 + 1500, 1000)).rejects.toThrow(/is in use by another weir/);
      other.close();
      // The pause is not over yet.
      await expect(store.sweep(T0 + 1900, 1000)).rejects.toThrow(/is in use by another weir/);
      await store.sweep(T0 + 2000, 1000);
      expect(await store.status('x')).toBeUndefined();
    });

    it('does not reopen a closed store', async () => {
      const store = await open();
      await kill(store);
      await store.close();
      await expect(store.sweep(T0 + 9000, 1000)).rejects.toThrow(/the queue is closed/);
    });
  });

  it('fails operations after the store was closed', async () => {
    const store = await open();
    const late = store.status('x');
    await store.close();
    await late;
    await expect(store.status('x')).rejects.toThrow(/the queue is closed/);
  });
});
