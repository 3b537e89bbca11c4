// Hides deleted records from readers: writes their numbers into the table `hidden` of the file that has them. The recorder
// may be writing the same file.
// Invariant: readers leave out all of the records from the end of one transaction on, or none.
import { DatabaseSync } from 'node:sqlite';
import type { SeqSet } from './seq-set.ts';

/** `n` grows, so that readers find what is new. */
export const HIDDEN = `
CREATE TABLE IF NOT EXISTS hidden (n INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, bits BLOB NOT NULL)`;

/** How long to wait for the recorder, in milliseconds. Its transactions are short. */
const WAIT_MS = 10_000;

/** Hides the records from one number to another in the file that has them. On disk when it returns. */
export function hideRecords(path: string, records: SeqSet, first: number, last: number): void {
  const db = new DatabaseSync(path, { timeout: WAIT_MS });
  try {
    db.exec('PRAGMA synchronous = full');
    db.exec('PRAGMA wal_autocheckpoint = 0');
    db.exec('BEGIN IMMEDIATE');
    db.exec(HIDDEN);
    const insert = db.prepare('INSERT INTO hidden (seq, bits) VALUES (?, ?)');
    for (const group of records.groups(first, last)) insert.run(group.first, group.bits);
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}
