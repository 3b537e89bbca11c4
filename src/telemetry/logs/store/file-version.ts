// The version of the format of a file of the log store.
import { DatabaseSync } from 'node:sqlite';

/** `user_version` of the file: 1 (store/v1), 2 (day-file.ts), or 0 while it is being created. Throws errors of SQLite. */
export function fileVersion(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  try {
    return (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
  } finally {
    db.close();
  }
}
