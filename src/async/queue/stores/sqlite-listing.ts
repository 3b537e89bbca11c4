// Tasks of the queue's SQLite file for operators: one by its id, and pages of all, the newest first.
// Invariant: a page reads at most LIST_ROWS rows and no bodies, since submits wait meanwhile.
import type { SqliteFile } from '../../../core/sqlite-file.ts';
import {
  isSelected,
  type NextToExpire,
  type RetryConfig,
  type TaskError,
  type TaskFacts,
  type TaskPage,
  type TaskQuery,
  type WebhookStatus,
} from '../task.ts';
import { OUTBOX, PHASES, RESTING, statusOf, WAITING, type TaskRow } from './sqlite-schema.ts';

/** Tasks that one page looks at. Reading them takes about a millisecond. */
const LIST_ROWS = 500;
const COLUMNS =
  'seq, id, deployment, phase, priority, due, created, changed, attempts, deliveries, ending, webhook, webhook_status, retry, errors, traceparent, client';
const AFTER_ALL = Number.MAX_SAFE_INTEGER;

export function factsOfTask(file: SqliteFile, id: string): TaskFacts | undefined {
  const row = file.get(`SELECT ${COLUMNS} FROM tasks WHERE id = ?`, id) as TaskRow | undefined;
  return row && factsOf(row);
}

export function listTasks(file: SqliteFile, query: TaskQuery): TaskPage {
  const rows = file.all<TaskRow>(
    `SELECT ${COLUMNS} FROM tasks WHERE seq < ? ORDER BY seq DESC LIMIT ${LIST_ROWS}`,
    /^\d{1,15}$/.test(query.after) ? Number(query.after) : AFTER_ALL,
  );
  const tasks: TaskFacts[] = [];
  for (const row of rows) {
    const task = factsOf(row);
    if (!isSelected(query, task)) continue;
    tasks.push(task);
    if (tasks.length === query.limit) return { tasks, next: String(row.seq) };
  }
  return { tasks, next: rows.length < LIST_ROWS ? '' : String(rows.at(-1)!.seq) };
}

/** The waiting task that expires first; one that has run before does not expire. */
export const nextToExpire = (file: SqliteFile): NextToExpire | undefined =>
  file.get(
    `SELECT created AS createdMs, due AS expiresMs FROM tasks WHERE phase = ${WAITING} AND attempts = 0 ORDER BY due LIMIT 1`,
  ) as NextToExpire | undefined;

const factsOf = (row: TaskRow): TaskFacts => ({
  id: row.id,
  deployment: row.deployment,
  status: statusOf(row),
  webhookStatus: row.webhook_status as WebhookStatus,
  createdMs: row.created,
  statusMs: row.changed,
  errors: JSON.parse(row.errors) as TaskError[],
  phase: PHASES[row.phase]!,
  priority: row.priority,
  attempts: row.attempts,
  maxAttempts: (JSON.parse(row.retry) as RetryConfig).max_attempts,
  deliveries: row.deliveries,
  expiresMs: row.phase === WAITING && row.attempts === 0 ? row.due : undefined,
  dueMs: row.phase === RESTING || row.phase === OUTBOX ? row.due : undefined,
  webhook: row.webhook,
  client: row.client,
  traceparent: row.traceparent,
});
