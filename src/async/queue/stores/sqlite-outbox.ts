// Outbox of the queue's SQLite file: results that wait for delivery to their webhooks.
import type { SqliteFile } from '../../../core/sqlite-file.ts';
import type { ClaimedDelivery, TaskError, TaskResult } from '../task.ts';
import type { TaskRow } from './sqlite-schema.ts';

/** Due time of a delivery that is running: later than any time. */
const NEVER = 8.64e15;

/** Claims the oldest due delivery whose webhook URL begins with none of `busy`. */
export function claimDelivery(
  file: SqliteFile,
  nowMs: number,
  busy: readonly string[],
): ClaimedDelivery | undefined {
  const row = file.get(
    `SELECT seq, id, deployment, deliveries, ending, webhook, errors, traceparent FROM tasks
     WHERE phase = 3 AND due <= ?
       AND NOT EXISTS (SELECT 1 FROM json_each(?) WHERE substr(webhook, 1, length(value)) = value)
     ORDER BY due LIMIT 1`,
    nowMs,
    JSON.stringify(busy),
  ) as TaskRow | undefined;
  if (row === undefined) return undefined;
  file.run('UPDATE tasks SET phase = 4, due = ?, deliveries = deliveries + 1 WHERE seq = ?', NEVER, row.seq);
  return {
    id: row.id,
    deployment: row.deployment,
    url: row.webhook,
    status: row.ending as 'SUCCEEDED' | 'FAILED',
    errors: JSON.parse(row.errors) as TaskError[],
    result: storedResult(file, row.seq),
    attempts: row.deliveries + 1,
    traceparent: row.traceparent,
  };
}

/** Returns a claimed delivery to the outbox, due at `dueMs`. */
export function deliverLater(file: SqliteFile, id: string, dueMs: number): void {
  file.run('UPDATE tasks SET phase = 3, due = ? WHERE id = ? AND phase = 4', dueMs, id);
}

/** Ends a claimed delivery and its task. */
export function finishDelivery(
  file: SqliteFile,
  id: string,
  isDelivered: boolean,
  nowMs: number,
  retentionMs: number,
): void {
  file.run(
    'DELETE FROM results WHERE seq = (SELECT seq FROM tasks WHERE id = ? AND phase = 4 AND keep = 0)',
    id,
  );
  file.run(
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

/** Stored response of a task, if there is one. */
export function storedResult(file: SqliteFile, seq: number): TaskResult | undefined {
  const row = file.get('SELECT type, body FROM results WHERE seq = ?', seq) as
    { type: string; body: Uint8Array } | undefined;
  return row && { contentType: row.type, body: row.body };
}
