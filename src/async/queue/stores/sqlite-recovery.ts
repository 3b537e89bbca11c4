// Repairs the queue's SQLite file after a crash or a clock change.
import type { SqliteFile } from '../../../core/sqlite-file.ts';

/** Longest pause between two runs or two deliveries, and longest time in the queue (contract 2.1). */
const LONGEST_REST_MS = 60_000;
export const LONGEST_QUEUE_MS = 259_200_000;

/**
 * Releases the claims of a process that ended: all tasks except those in `held`. Corrects due times that are further
 * ahead than a task can have: they were written before the clock was set back. Runs inside a transaction.
 */
export function recoverTasks(
  file: SqliteFile,
  nowMs: number,
  retentionMs: number,
  held: readonly string[],
): void {
  const kept = JSON.stringify(held);
  const isFree = 'id NOT IN (SELECT value FROM json_each(?))';
  // A task that has run once does not expire soon, but is not kept without limit.
  file.run(
    `UPDATE tasks SET phase = 0, due = ? WHERE phase = 1 AND ${isFree}`,
    nowMs + LONGEST_QUEUE_MS,
    kept,
  );
  file.run(`UPDATE tasks SET phase = 3, due = ? WHERE phase = 4 AND ${isFree}`, nowMs, kept);
  file.run('UPDATE tasks SET due = ? WHERE phase = 2 AND due > ?', nowMs, nowMs + LONGEST_REST_MS);
  file.run('UPDATE tasks SET due = ? WHERE phase = 3 AND due > ?', nowMs, nowMs + LONGEST_REST_MS);
  file.run('UPDATE tasks SET due = ? WHERE phase = 5 AND due > ?', nowMs + retentionMs, nowMs + retentionMs);
  file.run(
    'UPDATE tasks SET due = ? WHERE phase = 0 AND attempts = 0 AND due > ?',
    nowMs + LONGEST_QUEUE_MS,
    nowMs + LONGEST_QUEUE_MS,
  );
}
