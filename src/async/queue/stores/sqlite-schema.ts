// Schema of the queue's SQLite file, and its migrations.
import type { SqliteFile } from '../../../core/sqlite-file.ts';
import { statusIn, type TaskPhase, type TaskState } from '../task.ts';

export const QUEUE_SCHEMA_VERSION = 3;

/** Phase by its number in the file. */
export const PHASES: readonly TaskPhase[] = ['waiting', 'running', 'resting', 'outbox', 'sending', 'done'];
export const WAITING = 0;
export const RESTING = 2;
export const OUTBOX = 3;
export const DONE = 5;

/**
 * Bodies have their own tables, so that a change of phase writes a few bytes, also when the file is nearly full.
 * `due`: when a waiting task expires, a resting task runs again, a result is delivered, or a done task is deleted.
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
  private INTEGER NOT NULL DEFAULT 0,
  client TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE inputs (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE results (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX line ON tasks (deployment, priority, seq) WHERE phase = 0;
CREATE INDEX timers ON tasks (phase, due);
CREATE UNIQUE INDEX keys ON tasks (key) WHERE key IS NOT NULL;
`;

/** Version → statements that lead to the next version. Adding a column takes constant time. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  1: `
ALTER TABLE tasks ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
`,
  2: `ALTER TABLE tasks ADD COLUMN client TEXT NOT NULL DEFAULT '';`,
};

/** Columns of `tasks`. A query may select only some of them. */
export interface TaskRow {
  readonly seq: number;
  readonly id: string;
  readonly deployment: string;
  readonly phase: number;
  readonly priority: number;
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
  readonly client: string;
}

/** The state of a task that clients see. */
export function statusOf({
  phase,
  attempts,
  ending,
}: Pick<TaskRow, 'phase' | 'attempts' | 'ending'>): TaskState {
  return (
    (ending as TaskState | null) ?? statusIn(PHASES[phase] as 'waiting' | 'running' | 'resting', attempts)
  );
}

/** Creates the tables of a new file. */
export function createSchema(file: SqliteFile): void {
  file.exec(`${SCHEMA} PRAGMA user_version = ${QUEUE_SCHEMA_VERSION};`);
}

/** Migrates a file of an earlier version, inside a transaction. */
export function migrateSchema(file: SqliteFile): void {
  for (let from = file.version; from < QUEUE_SCHEMA_VERSION; from++)
    file.exec(`${MIGRATIONS[from]!} PRAGMA user_version = ${from + 1};`);
}

/** False for a file of an unknown version, such as a later one. */
export const isMigratable = (version: number): boolean =>
  version === QUEUE_SCHEMA_VERSION || MIGRATIONS[version] !== undefined;
