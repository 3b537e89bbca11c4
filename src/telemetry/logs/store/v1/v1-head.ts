// What the writer needs of a file of version 1: where its sequence numbers end, and its note.
import { DatabaseSync } from 'node:sqlite';

export interface V1Head {
  /** 0 without records. */
  readonly lastSeq: number;
  /** Positions in followed files, as JSON; empty if there are none. */
  readonly note: string;
}

/** Throws errors of SQLite. */
export function readV1Head(path: string): V1Head {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  try {
    const last = db.prepare('SELECT max(seq) AS seq FROM records').get() as { seq: number | null };
    const note = db.prepare("SELECT value FROM notes WHERE name = 'followed'").get() as
      { value: string } | undefined;
    return { lastSeq: last.seq ?? 0, note: note?.value ?? '' };
  } finally {
    db.close();
  }
}
