// The queue's tables in SQLite: schema, statements, and each operation as one synchronous step inside a transaction.
// Must stay true: no step reads more rows than it changes, however deep the queue: claims and sweeps go by index.
// Phases are small numbers here; 0 (waiting) is the one that must be found by priority. Runs in a thread of its own.
import type { SqliteFile, SqliteValue } from '../../../core/sqlite-file.ts';
import type { AddResult } from '../store.ts';
import type {
  CancelResult,
  ClaimedDelivery,
  ClaimedTask,
  QueueDepth,
  TaskEnding,
  NewTask,
  TaskPhase,
  TaskResult,
  RetryConfig,
  TaskState,
  TaskError,
  TaskStatus,
  WebhookStatus,
} from '../task.ts';
import { statusIn } from '../task.ts';

export const QUEUE_SCHEMA_VERSION = 2;

const PHASES: readonly TaskPhase[] = ['waiting', 'running', 'resting', 'outbox', 'sending', 'done'];
const WAITING = 0;
const RESTING = 2;
const OUTBOX = 3;
const DONE = 5;
/** For what is due at no time: beyond all times. */
const NEVER = 8.64e15;
/** Longest wait between two runs, or two deliveries (contract 2.1), and longest time in the queue. */
const LONGEST_REST_MS = 60_000;
const LONGEST_QUEUE_MS = 259_200_000;
/** Rows that one sweep moves of each kind: it must not hold up those who submit. */
const SWEEP_ROWS = 200;
/** Room in the file that submits do not take: for the rows of what moves on, and for short results. */
const RESERVE_BYTES = 256 * 1024;
/** What a task takes beside its body, at most: its row, its places in the indexes. */
const ROW_BYTES = 4096;

/**
 * Bodies stand apart, so that moving a task from phase to phase writes a few bytes, also where there is room for no more.
 * `due`: when a waiting task expires, a resting one is tried again, a result is delivered, a done one forgotten.
 */
const SCHEMA = `
CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  deployment TEXT NOT NULL,
  phase INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  due INTEGER NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  deliveries INTEGER NOT NULL DEFAULT 0,
  ending TEXT,
  webhook TEXT NOT NULL,
  webhook_status TEXT NOT NULL,
  retry TEXT NOT NULL,
  errors TEXT NOT NULL DEFAULT '[]',
  keep INTEGER NOT NULL DEFAULT 0,
  key TEXT,
  digest TEXT NOT NULL,
  traceparent TEXT NOT NULL DEFAULT '',
  private INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE inputs (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE results (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX line ON tasks (deployment, priority, seq) WHERE phase = 0;
CREATE INDEX timers ON tasks (phase, due);
CREATE UNIQUE INDEX keys ON tasks (key) WHERE key IS NOT NULL;
`;

/** From each earlier version to the next. A column that is added costs nothing, however many tasks there are. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  1: `
ALTER TABLE tasks ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
`,
};

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly deployment: string;
  readonly phase: number;
  readonly created: number;
  readonly changed: number;
  readonly attempts: number;
  readonly deliveries: number;
  readonly due: number;
  readonly ending: string | null;
  readonly webhook: string;
  readonly webhook_status: string;
  readonly retry: string;
  readonly errors: string;
  readonly keep: number;
  readonly digest: string;
  readonly traceparent: string;
  readonly private: number;
}

interface Count {
  queued: number;
  inProgress: number;
}

export class SqliteTables {
  readonly #file: SqliteFile;
  /** deployment → tasks that wait and run: kept here, because counting rows takes longer the more there are. */
  #counts = new Map<string, Count>();
  /** Bytes that submits of the transaction under way may still take; `undefined` before the first of them asks. */
  #room: number | undefined;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  /** Makes the tables of a new file. */
  create(): void {
    this.transaction(() => this.#file.exec(`${SCHEMA} PRAGMA user_version = ${QUEUE_SCHEMA_VERSION};`));
  }

  /** Brings a file that an earlier weir wrote up to this version; false where nobody knows how. */
  migrate(): boolean {
    const { version } = this.#file;
    if (version !== QUEUE_SCHEMA_VERSION && MIGRATIONS[version] === undefined) return false;
    this.transaction(() => {
      for (let from = version; from < QUEUE_SCHEMA_VERSION; from++)
        this.#file.exec(`${MIGRATIONS[from]!} PRAGMA user_version = ${from + 1};`);
    });
    return true;
  }

  /**
   * What was claimed by a process that is no more is free again: all but `held`. A time that lies further ahead than it can is one of
   * a clock that was put back since: it is now.
   */
  recover(nowMs: number, retentionMs: number, held: readonly string[]): void {
    const kept = JSON.stringify(held);
    const isFree = 'id NOT IN (SELECT value FROM json_each(?))';
    this.transaction(() => {
      // What has been tried once does not expire, but is not kept for ever either.
      this.#file.run(
        `UPDATE tasks SET phase = 0, due = ? WHERE phase = 1 AND ${isFree}`,
        nowMs + LONGEST_QUEUE_MS,
        kept,
      );
      this.#file.run(`UPDATE tasks SET phase = 3, due = ? WHERE phase = 4 AND ${isFree}`, nowMs, kept);
      this.#file.run('UPDATE tasks SET due = ? WHERE phase = 2 AND due > ?', nowMs, nowMs + LONGEST_REST_MS);
      this.#file.run('UPDATE tasks SET due = ? WHERE phase = 3 AND due > ?', nowMs, nowMs + LONGEST_REST_MS);
      this.#file.run(
        'UPDATE tasks SET due = ? WHERE phase = 5 AND due > ?',
        nowMs + retentionMs,
        nowMs + retentionMs,
      );
      this.#file.run(
        'UPDATE tasks SET due = ? WHERE phase = 0 AND attempts = 0 AND due > ?',
        nowMs + LONGEST_QUEUE_MS,
        nowMs + LONGEST_QUEUE_MS,
      );
    });
    const rows = this.#file.all<{ deployment: string; tried: number; n: number }>(
      'SELECT deployment, attempts > 0 OR phase <> 0 AS tried, count(*) AS n FROM tasks WHERE phase < 3 GROUP BY 1, 2',
    );
    for (const { deployment, tried, n } of rows)
      this.#count(deployment)[tried ? 'inProgress' : 'queued'] += n;
  }

  /** Runs `work` in one durable transaction; where it or the commit throws, nothing of it has happened. */
  transaction<T>(work: () => T): T {
    const before = new Map(Array.from(this.#counts, ([key, count]) => [key, { ...count }]));
    this.#room = undefined;
    try {
      return this.#file.transaction(work);
    } catch (error) {
      this.#counts = before;
      throw error;
    }
  }

  close(): void {
    this.#file.close();
  }

  depths(): Record<string, QueueDepth> {
    return Object.fromEntries(this.#counts);
  }

  // ── What clients ask ─────────────────────────────────────────────────────────────────────────────────────────────

  add(task: NewTask, maxTasks: number): AddResult {
    if (task.idempotencyKey !== '') {
      const known = this.#row('SELECT id, digest FROM tasks WHERE key = ?', task.idempotencyKey);
      if (known) return known.digest === task.digest ? { kind: 'known', id: known.id } : { kind: 'conflict' };
    }
    const count = this.#count(task.deployment);
    if (count.queued + count.inProgress >= maxTasks) return { kind: 'full' };
    if (!this.#isRoomFor(task.input.length)) return { kind: 'no_room' };
    const inserted = this.#file.run(
      `INSERT INTO tasks (id, deployment, phase, priority, due, created, changed, webhook, webhook_status, retry, key, digest, traceparent, private)
       VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
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
    );
    if (inserted === 0) return { kind: 'taken' };
    this.#file.run('INSERT INTO inputs (seq, body) VALUES (last_insert_rowid(), ?)', task.input);
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
    return row?.keep === 1 ? this.#resultOf(row.seq) : undefined;
  }

  // ── What the worker does ─────────────────────────────────────────────────────────────────────────────────────────

  /** `expired` hears of tasks that it passes because their time is over. */
  claim(
    deployment: string,
    nowMs: number,
    retentionMs: number,
    expired: (deployment: string) => void,
  ): ClaimedTask | undefined {
    for (;;) {
      const row = this.#row(
        `SELECT seq, id, deployment, phase, created, attempts, due, webhook, retry, traceparent, private FROM tasks
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
      // When it expires is kept, for the case that it is given back.
      this.#file.run(
        'UPDATE tasks SET phase = 1, attempts = ?, changed = ? WHERE seq = ?',
        attempts,
        nowMs,
        row.seq,
      );
      if (row.attempts === 0) this.#move(deployment, -1, 1);
      return {
        id: row.id,
        deployment,
        input: this.#body('SELECT body FROM inputs WHERE seq = ?', row.seq)!.body,
        attempts,
        createdMs: row.created,
        retry: JSON.parse(row.retry) as RetryConfig,
        hasWebhook: row.webhook !== '',
        traceparent: row.traceparent,
        isPrivate: row.private === 1,
      };
    }
  }

  rest(id: string, dueMs: number, error: TaskError): void {
    const row = this.#running(id);
    if (row === undefined) return;
    // The last errors: a task tried often must not grow.
    const errors = JSON.stringify([...(JSON.parse(row.errors) as TaskError[]), error].slice(-10));
    this.#file.run('UPDATE tasks SET phase = 2, due = ?, errors = ? WHERE seq = ?', dueMs, errors, row.seq);
  }

  giveBack(id: string): void {
    const row = this.#running(id);
    if (row === undefined) return;
    this.#file.run('UPDATE tasks SET phase = 0, attempts = attempts - 1 WHERE seq = ?', row.seq);
    if (row.attempts === 1) this.#move(row.deployment, 1, -1);
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
    this.#move(row.deployment, 0, -1);
  }

  // ── The outbox ───────────────────────────────────────────────────────────────────────────────────────────────────

  claimDelivery(nowMs: number, busy: readonly string[] = []): ClaimedDelivery | undefined {
    const row = this.#row(
      `SELECT seq, id, deployment, deliveries, ending, webhook, errors, traceparent FROM tasks
       WHERE phase = 3 AND due <= ?
         AND NOT EXISTS (SELECT 1 FROM json_each(?) WHERE substr(webhook, 1, length(value)) = value)
       ORDER BY due LIMIT 1`,
      nowMs,
      JSON.stringify(busy),
    );
    if (row === undefined) return undefined;
    this.#file.run(
      'UPDATE tasks SET phase = 4, due = ?, deliveries = deliveries + 1 WHERE seq = ?',
      NEVER,
      row.seq,
    );
    return {
      id: row.id,
      deployment: row.deployment,
      url: row.webhook,
      status: row.ending as 'SUCCEEDED' | 'FAILED',
      errors: JSON.parse(row.errors) as TaskError[],
      result: this.#resultOf(row.seq),
      attempts: row.deliveries + 1,
      traceparent: row.traceparent,
    };
  }

  deliverLater(id: string, dueMs: number): void {
    this.#file.run('UPDATE tasks SET phase = 3, due = ? WHERE id = ? AND phase = 4', dueMs, id);
  }

  delivered(id: string, isDelivered: boolean, nowMs: number, retentionMs: number): void {
    this.#file.run(
      'DELETE FROM results WHERE seq = (SELECT seq FROM tasks WHERE id = ? AND phase = 4 AND keep = 0)',
      id,
    );
    this.#file.run(
      `UPDATE tasks SET phase = 5, due = ?, changed = ?, webhook_status = ?,
         ending = CASE WHEN ending = 'SUCCEEDED' AND NOT ? THEN 'WEBHOOK_FAILED' ELSE ending END
       WHERE id = ? AND phase = 4`,
      nowMs + retentionMs,
      nowMs,
      isDelivered ? 'SUCCEEDED' : 'FAILED',
      isDelivered ? 1 : 0,
      id,
    );
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Moves what is due, a bounded number of each kind; true when something may be worked on. */
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

  #row(sql: string, ...values: SqliteValue[]): Row | undefined {
    return this.#file.get(sql, ...values) as Row | undefined;
  }

  #due(phase: number, nowMs: number): Row[] {
    return this.#file.all<Row>(
      `SELECT seq, id, deployment, phase, webhook FROM tasks WHERE phase = ? AND due <= ? ORDER BY due LIMIT ${SWEEP_ROWS}`,
      phase,
      nowMs,
    );
  }

  /** A waiting task ends without having run: no webhook is sent for that (contract 2.7, inferred). */
  #abandon(row: Row, ending: 'CANCELED' | 'EXPIRED', nowMs: number, retentionMs: number): void {
    this.#file.run(
      'UPDATE tasks SET phase = 5, due = ?, changed = ?, ending = ?, webhook_status = ? WHERE seq = ?',
      nowMs + retentionMs,
      nowMs,
      ending,
      row.webhook === '' ? 'NO_WEBHOOK_PROVIDED' : 'CANCELED',
      row.seq,
    );
    this.#file.run('DELETE FROM inputs WHERE seq = ?', row.seq);
    this.#move(row.deployment, -1, 0);
  }

  /** The row of a task that runs; `undefined` where somebody else has ended it. */
  #running(id: string): Row | undefined {
    return this.#row(
      'SELECT seq, deployment, attempts, errors, webhook FROM tasks WHERE id = ? AND phase = 1',
      id,
    );
  }

  #resultOf(seq: number): TaskResult | undefined {
    const row = this.#body('SELECT type, body FROM results WHERE seq = ?', seq);
    return row && { contentType: row.type, body: row.body };
  }

  #body(sql: string, seq: number): { type: string; body: Uint8Array } | undefined {
    return this.#file.get(sql, seq) as { type: string; body: Uint8Array } | undefined;
  }

  /** Room that submits leave: what is here already must be able to move on to its end. */
  #isRoomFor(bytes: number): boolean {
    this.#room ??= this.#file.freeBytes - RESERVE_BYTES;
    if (bytes > this.#room) return false;
    this.#room -= bytes + ROW_BYTES;
    return true;
  }

  #count(deployment: string): Count {
    let count = this.#counts.get(deployment);
    if (count === undefined) this.#counts.set(deployment, (count = { queued: 0, inProgress: 0 }));
    return count;
  }

  #move(deployment: string, queued: number, inProgress: number): void {
    const count = this.#count(deployment);
    count.queued += queued;
    count.inProgress += inProgress;
  }
}

function statusOf({ phase, attempts, ending }: Pick<Row, 'phase' | 'attempts' | 'ending'>): TaskState {
  return (
    (ending as TaskState | null) ?? statusIn(PHASES[phase] as 'waiting' | 'running' | 'resting', attempts)
  );
}
