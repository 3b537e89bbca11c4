// The list of the files of a backup.
// Invariant: it is written when all files are on disk, so a folder without it is not a backup.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { isPlainObject } from '../annotation.ts';

export const MANIFEST = 'manifest.json';
/** Version of the form of backups. */
export const BACKUP_FORMAT = 1;

export interface BackupFile {
  /** Below the folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  /** When the original was changed last, in milliseconds since the epoch. */
  readonly mtime_ms: number;
}

export interface BackupManifest {
  readonly format: number;
  /** Version of weir that made it. */
  readonly weir: string;
  readonly created_at: string;
  /** All records up to this sequence number that were stored then are in it. */
  readonly head_seq: number;
  readonly files: readonly BackupFile[];
}

/** Parts of a path in a backup, which never leads out of it. */
const PATH = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[\w.-]+(?:\/[\w.%~+=@-]+)*$/;

const isFile = (value: unknown): value is BackupFile => {
  if (!isPlainObject(value)) return false;
  const { path, bytes, sha256, mtime_ms: mtime } = value;
  return (
    typeof path === 'string' &&
    PATH.test(path) &&
    typeof bytes === 'number' &&
    typeof sha256 === 'string' &&
    typeof mtime === 'number'
  );
};

/** Reads a manifest. Returns an error text if it is not one. */
export function parseManifest(text: string): BackupManifest | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `${MANIFEST} is not JSON: ${error.message}`;
  }
  if (!isPlainObject(value) || typeof value['format'] !== 'number')
    return `${MANIFEST} is not that of a backup`;
  if (value['format'] > BACKUP_FORMAT)
    return `the backup has format ${value['format']}, this version of weir reads up to ${BACKUP_FORMAT}`;
  const files: unknown = value['files'];
  if (!Array.isArray(files) || !files.every(isFile))
    return `${MANIFEST} names files that are not those of a backup`;
  return value as unknown as BackupManifest;
}

const CHUNK_BYTES = 1024 ** 2;

/** Size and digest of a file. Blocks. */
export function digestOf(path: string): { readonly bytes: number; readonly sha256: string } {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = openSync(path, 'r');
  try {
    let bytes = 0;
    for (;;) {
      const read = readSync(file, chunk);
      if (read === 0) return { bytes, sha256: hash.digest('hex') };
      hash.update(chunk.subarray(0, read));
      bytes += read;
    }
  } finally {
    closeSync(file);
  }
}
