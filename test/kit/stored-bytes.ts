// All bytes of a data folder, to search them for texts that must not be on the disk.
// Invariant: compressed values of the log store are decompressed too.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fromBlob } from '../../src/telemetry/logs/store/blob.ts';

/** Paths of all files in a folder and its subfolders. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The values of all tables of a SQLite file, as they are stored. */
function valuesIn(path: string): unknown[] {
  const file = new DatabaseSync(path);
  const tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as {
    name: string;
  }[];
  const values = tables.flatMap(({ name }) =>
    file
      .prepare(`SELECT * FROM "${name}"`)
      .all()
      .flatMap((row) => Object.values(row) as unknown[]),
  );
  file.close();
  return values;
}

/**
 * Everything that the files of a folder hold, by path: their raw bytes and, of files of the log store, all values,
 * decompressed. The folder must not be in use.
 */
export function bytesIn(folder: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  // Before SQLite opens them, since that moves the write-ahead log.
  for (const path of filesIn(folder)) found.set(path, readFileSync(path));
  for (const path of found.keys()) {
    if (!/logs-\d{8}-\d{15}(?:-r\d+)?\.sqlite$/.test(path)) continue;
    const parts = valuesIn(path).map((value) =>
      value instanceof Uint8Array && looksLikeBlob(value) ? fromBlob(value) : Buffer.from(String(value)),
    );
    found.set(`${path}, decompressed`, Buffer.concat(parts));
  }
  return found;
}

/** Filters and directories are stored as they are. */
function looksLikeBlob(value: Uint8Array): boolean {
  try {
    fromBlob(value);
    return true;
  } catch {
    return false;
  }
}
