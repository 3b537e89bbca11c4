// The queue's SQLite file: each operation is one synchronous step inside a transaction, in a thread of its own.
// Invariant: an operation reads no more rows than it changes, since claims and sweeps use an index.
import type { SqliteFile, SqliteValue } from '../../../core/sqlite-file.ts';
import type { AddResult } from '../store.ts';
import type {
  CancelResult,
  ClaimedDelivery,
  ClaimedTask,
  QueueDepth,
  TaskEnding,
  NewTask,
  NextToExpire,
  TaskResult,
  RetryConfig,
  TaskError,
  TaskFacts,
  TaskPage,
  TaskQuery,
  TaskStatus,
  WebhookStatus,
} from '../task.ts';
import { listTasks, factsOfTask, nextToExpire } from './sqlite-listing.ts';
import { claimDelivery, deliverLater, finishDelivery, storedResult } from './sqlite-outbox.ts';
import { LONGEST_QUEUE_MS, recoverTasks } from './sqlite-recovery.ts';
import {
  createSchema,
  DONE,
  isMigratable,
  migrateSchema,
  OUTBOX,
  RESTING,
  statusOf,
  WAITING,
  type TaskRow,
} from './sqlite-schema.ts';
import { TaskCounts } from './task-counts.ts';

/** Rows of each phase that one sweep changes, since a long sweep would delay submits. */
const SWEEP_ROWS = 200;
/** Bytes of the file that submits cannot use: for changes of stored tasks, and for short results. */
const RESERVE_BYTES = 256 * 1024;
/** Most bytes that a task takes besides its body: its row and its index entries. */
const ROW_BYTES = 4096;

export class SqliteTables {
  readonly #file: SqliteFile;
  readonly #counts = new TaskCounts();
  /** Bytes that submits of the current transaction may still add; `undefined` before the first submit. */
  #freeBytes: number | undefined;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  /** Creates the tables of a new file. */
  create(): void {
    this.transaction(() => createSchema(this.#file));
  }

  /** Migrates a file of an earlier version. Returns false for an unknown version. */
  migrate(): boolean {
    if (!isMigratable(this.#file.version)) return false;
    this.transaction(() => migrateSchema(this.#file));
    return true;
  }

  /** Releases what an ended process had claimed, except the tasks in `held`, and counts all tasks. */
  recover(nowMs: number, retentionMs: number, held: readonly string[]): void {
    this.transaction(() => recoverTasks(this.#file, nowMs, retentionMs, held));
    const rows = this.#file.all<{ deployment: string; tried: number; n: number }>(
      'SELECT deployment, attempts > 0 OR phase <> 0 AS tried, count(*) AS n FROM tasks WHERE phase < 3 GROUP BY 1, 2',
    );
    for (const { deployment, tried, n } of rows) this.#counts.add(deployment, tried ? 0 : n, tried ? n : 0);
  }

  /** Runs `work` in one durable transaction. If it or the commit throws, nothing has changed. */
  transaction<T>(work: () => T): T {
    const restoreCounts = this.#counts.snapshot();
    this.#freeBytes = undefined;
    try {
      return this.#file.transaction(work);
    } catch (error) {
      restoreCounts();
      throw error;
    }
  }

  close(): void {
    this.#file.close();
  }

  depths(): Record<string, QueueDepth> {
    return this.#counts.all();
  }

  // Operations of clients.

  add(task: NewTask, maxTasks: number): AddResult {
    if (task.idempotencyKey !== '') {
      const known = this.#row('SELECT id, digest FROM tasks WHERE key = ?', task.idempotencyKey);
      if (known)
        return known.digest === task.digest
          ? { kind: 'known', id: known.id }
          : { kind: 'idempotency_conflict' };
    }
    const count = this.#counts.of(task.deployment);
    if (count.queued + count.inProgress >= maxTasks) return { kind: 'queue_full' };
    if (!this.#fits(Buffer.byteLength(task.input))) return { kind: 'storage_full' };
    const inserted = this.#file.run(
      `INSERT INTO tasks (id, deployment, phase, priority, due, created, changed, webhook, webhook_status, retry, key, digest, traceparent, private, client)
       VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      task.id,
      task.deployment,
      task.priority,
      task.expiresMs,
      task.createdMs,
      task.createdMs,
      task.webhook,
      task.webhook === '' ? 'NO_WEBHOOK_PROVIDED' : 'PENDING',
      JSON.stringify(task.retry),
      task.idempotencyKey || null,
      task.digest,
      task.traceparent,
      task.isPrivate ? 1 : 0,
      task.client,
    );
    if (inserted === 0) return { kind: 'id_in_use' };
    this.#file.run(
      'INSERT INTO inputs (seq, body) VALUES (last_insert_rowid(), CAST(? AS BLOB))',
      task.input,
    );
    count.queued++;
    return { kind: 'added' };
  }

  status(id: string): TaskStatus | undefined {
    const row = this.#row(
      'SELECT id, deployment, phase, created, changed, attempts, ending, webhook_status, errors FROM tasks WHERE id = ?',
      id,
    );
    return (
      row && {
        id: row.id,
        deployment: row.deployment,
        status: statusOf(row),
        webhookStatus: row.webhook_status as WebhookStatus,
        createdMs: row.created,
        statusMs: row.changed,
        errors: JSON.parse(row.errors) as TaskError[],
      }
    );
  }

  cancel(id: string, nowMs: number, retentionMs: number): CancelResult {
    const row = this.#row(
      'SELECT seq, id, deployment, phase, attempts, ending, webhook FROM tasks WHERE id = ?',
      id,
    );
    if (row === undefined) return undefined;
    if (row.phase !== WAITING || row.attempts > 0) return { isCanceled: false, status: statusOf(row) };
    this.#abandon(row, 'CANCELED', nowMs, retentionMs);
    return { isCanceled: true, status: 'CANCELED' };
  }

  result(id: string): TaskResult | undefined {
    const row = this.#row('SELECT seq, phase, keep FROM tasks WHERE id = ?', id);
    return row?.keep === 1 ? storedResult(this.#file, row.seq) : undefined;
  }

  facts(id: string): TaskFacts | undefined {
    return factsOfTask(this.#file, id);
  }

  nextToExpire(): NextToExpire | undefined {
    return nextToExpire(this.#file);
  }

  list(query: TaskQuery): TaskPage {
    return listTasks(this.#file, query);
  }

  // Operations of the worker.

  /** Claims the next task. Calls `expired` for each task that it skips since its time in the queue is over. */
  claim(
    deployment: string,
    nowMs: number,
    retentionMs: number,
    expired: (deployment: string) => void,
  ): ClaimedTask | undefined {
    for (;;) {
      const row = this.#row(
        `SELECT seq, id, deployment, phase, created, attempts, due, webhook, retry, traceparent, private, client FROM tasks
         WHERE phase = 0 AND deployment = ? ORDER BY priority, seq LIMIT 1`,
        deployment,
      );
      if (row === undefined) return undefined;
      if (row.due <= nowMs) {
        this.#abandon(row, 'EXPIRED', nowMs, retentionMs);
        expired(deployment);
        continue;
      }
      const attempts = row.attempts + 1;
      // `due` still holds its expiry, in case the task is given back.
      this.#file.run(
        'UPDATE tasks SET phase = 1, attempts = ?, changed = ? WHERE seq = ?',
        attempts,
        nowMs,
        row.seq,
      );
      if (row.attempts === 0) this.#counts.add(deployment, -1, 1);
      return {
        id: row.id,
        deployment,
        input: this.#input(row.seq),
        attempts,
        createdMs: row.created,
        retry: JSON.parse(row.retry) as RetryConfig,
        hasWebhook: row.webhook !== '',
        traceparent: row.traceparent,
        isPrivate: row.private === 1,
        client: row.client,
      };
    }
  }

  retryLater(id: string, dueMs: number, error: TaskError): void {
    const row = this.#running(id);
    if (row === undefined) return;
    // Only the last 10 errors are kept, so that the row does not grow with each attempt.
    const errors = JSON.stringify([...(JSON.parse(row.errors) as TaskError[]), error].slice(-10));
    this.#file.run('UPDATE tasks SET phase = 2, due = ?, errors = ? WHERE seq = ?', dueMs, errors, row.seq);
  }

  giveBack(id: string): void {
    const row = this.#running(id);
    if (row === undefined) return;
    this.#file.run('UPDATE tasks SET phase = 0, attempts = attempts - 1 WHERE seq = ?', row.seq);
    if (row.attempts === 1) this.#counts.add(row.deployment, 1, -1);
  }

  finish(
    id: string,
    { status, errors, result, keepResult }: TaskEnding,
    nowMs: number,
    retentionMs: number,
  ): void {
    const row = this.#running(id);
    if (row === undefined) return;
    const isDone = row.webhook === '';
    const isKept = result !== undefined && (keepResult || !isDone);
    this.#file.run(
      'UPDATE tasks SET phase = ?, due = ?, changed = ?, ending = ?, errors = ?, keep = ? WHERE seq = ?',
      isDone ? DONE : OUTBOX,
      isDone ? nowMs + retentionMs : nowMs,
      nowMs,
      status,
      JSON.stringify(errors),
      keepResult ? 1 : 0,
      row.seq,
    );
    this.#file.run('DELETE FROM inputs WHERE seq = ?', row.seq);
    if (isKept)
      this.#file.run(
        'INSERT INTO results (seq, type, body) VALUES (?, ?, ?)',
        row.seq,
        result.contentType,
        result.body,
      );
    this.#counts.add(row.deployment, 0, -1);
  }

  // Operations of the outbox.

  claimDelivery(nowMs: number, busy: readonly string[] = []): ClaimedDelivery | undefined {
    return claimDelivery(this.#file, nowMs, busy);
  }

  deliverLater(id: string, dueMs: number): void {
    deliverLater(this.#file, id, dueMs);
  }

  finishDelivery(id: string, isDelivered: boolean, nowMs: number, retentionMs: number): void {
    finishDelivery(this.#file, id, isDelivered, nowMs, retentionMs);
  }

  /** Expires, wakes and deletes due tasks, at most SWEEP_ROWS of each. Returns true if a task or delivery is due. */
  sweep(nowMs: number, retentionMs: number, expired: (deployment: string) => void): boolean {
    for (const row of this.#due(WAITING, nowMs)) {
      this.#abandon(row, 'EXPIRED', nowMs, retentionMs);
      expired(row.deployment);
    }
    const rested = this.#due(RESTING, nowMs);
    for (const { seq } of rested)
      this.#file.run('UPDATE tasks SET phase = 0, due = ? WHERE seq = ?', nowMs + LONGEST_QUEUE_MS, seq);
    for (const { seq } of this.#due(DONE, nowMs)) {
      this.#file.run('DELETE FROM results WHERE seq = ?', seq);
      this.#file.run('DELETE FROM tasks WHERE seq = ?', seq);
    }
    return rested.length > 0 || this.#due(OUTBOX, nowMs).length > 0;
  }

  #row(sql: string, ...values: SqliteValue[]): TaskRow | undefined {
    return this.#file.get(sql, ...values) as TaskRow | undefined;
  }

  #due(phase: number, nowMs: number): TaskRow[] {
    return this.#file.all<TaskRow>(
      `SELECT seq, id, deployment, phase, webhook FROM tasks WHERE phase = ? AND due <= ? ORDER BY due LIMIT ${SWEEP_ROWS}`,
      phase,
      nowMs,
    );
  }

  /** Ends a waiting task that has not run. No webhook is sent for it (contract 2.7, inferred). */
  #abandon(row: TaskRow, ending: 'CANCELED' | 'EXPIRED', nowMs: number, retentionMs: number): void {
    this.#file.run(
      'UPDATE tasks SET phase = 5, due = ?, changed = ?, ending = ?, webhook_status = ? WHERE seq = ?',
      nowMs + retentionMs,
      nowMs,
      ending,
      row.webhook === '' ? 'NO_WEBHOOK_PROVIDED' : 'CANCELED',
      row.seq,
    );
    this.#file.run('DELETE FROM inputs WHERE seq = ?', row.seq);
    this.#counts.add(row.deployment, -1, 0);
  }

  /** The row of a running task; `undefined` if the task is not running any more. */
  #running(id: string): TaskRow | undefined {
    return this.#row(
      'SELECT seq, deployment, attempts, errors, webhook FROM tasks WHERE id = ? AND phase = 1',
      id,
    );
  }

  #input(seq: number): Uint8Array {
    return (this.#file.get('SELECT body FROM inputs WHERE seq = ?', seq) as { body: Uint8Array }).body;
  }

  /** True if a body fits into the file. RESERVE_BYTES stay free, so that stored tasks can proceed to their end. */
  #fits(bytes: number): boolean {
    this.#freeBytes ??= this.#file.freeBytes - RESERVE_BYTES;
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes + ROW_BYTES;
    return true;
  }
}
