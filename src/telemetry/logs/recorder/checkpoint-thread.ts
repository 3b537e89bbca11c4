// Worker thread that moves write-ahead logs of the log store into their files, since that waits for the disk.
// Invariant: the recorder can write meanwhile; only at the end, when few pages are left, it may find the file locked.
import { parentPort } from 'node:worker_threads';
import { DatabaseSync } from 'node:sqlite';

/** How long to wait for readers and the recorder at the end, in milliseconds. */
const WAIT_MS = 20;

// Opened each time, since a damaged file is renamed and another one gets its name.
parentPort!.on('message', (path: string) => {
  const file = new DatabaseSync(path, { timeout: WAIT_MS });
  try {
    file.exec('PRAGMA synchronous = normal');
    file.exec('PRAGMA wal_checkpoint(PASSIVE)');
    file.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    file.close();
  }
});
