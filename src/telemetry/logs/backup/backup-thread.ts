// The module that the reader thread of a backup loads: copies files one at a time.
// Invariant: a copy of a day file is the file at one moment, whatever is written meanwhile, without its free pages.
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { lowerPriority } from '../../../core/low-priority.ts';
import { listSegments, type Segment } from '../store/segments.ts';
import type { QueriedStore, ReadRecords } from '../threads/reader-module.ts';
import { digestOf, type BackupFile } from './backup-manifest.ts';

const WAIT_MS = 10_000;

export interface BackupOperations {
  /** The day files. */
  dayFiles(): readonly Segment[];
  /** Names of the files in a folder; none if it does not exist. */
  filesIn(path: string): readonly string[];
  /** Copies a file to `to`, as `name` in the manifest. `undefined`: it is gone. */
  copyFile(from: string, to: string, name: string): BackupFile | undefined;
  /** The same for a day file. */
  copyDayFile(from: string, to: string, name: string): BackupFile | undefined;
}

export function operations(_: ReadRecords, _store: QueriedStore, folder: string): BackupOperations {
  lowerPriority();
  return {
    dayFiles: () => listSegments(folder),
    filesIn: (path) =>
      statSync(path, { throwIfNoEntry: false }) === undefined
        ? []
        : readdirSync(path, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile() && !entry.name.endsWith('.tmp'))
            .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)),
    copyFile: (from, to, name) => copied(from, to, name, () => copyFileSync(from, to)),
    copyDayFile: (from, to, name) => copied(from, to, name, () => vacuumInto(from, to)),
  };
}

function copied(from: string, to: string, name: string, copy: () => void): BackupFile | undefined {
  const before = statSync(from, { throwIfNoEntry: false });
  if (before === undefined) return undefined;
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  try {
    copy();
  } catch (error) {
    if (statSync(from, { throwIfNoEntry: false }) === undefined) return undefined;
    throw error;
  }
  chmodSync(to, 0o600);
  const file = openSync(to, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return { path: name, ...digestOf(to), mtime_ms: Math.floor(before.mtimeMs) };
}

function vacuumInto(from: string, to: string): void {
  const db = new DatabaseSync(from, { readOnly: true, timeout: WAIT_MS });
  try {
    db.prepare('VACUUM INTO ?').run(to);
  } finally {
    db.close();
  }
}
