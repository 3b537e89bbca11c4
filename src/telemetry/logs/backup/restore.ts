// Makes a data folder of a backup, for a weir that is not running.
// Invariant: the folder appears when all files are in it and have the right digests, or not at all.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  utimesSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { digestOf, MANIFEST, parseManifest, type BackupManifest } from './backup-manifest.ts';

/** Copies the files of a backup into a folder that is empty or does not exist. Returns an error text if it cannot. Blocks. */
export function restoreBackup(dir: string, dataFolder: string): BackupManifest | string {
  const manifestPath = join(dir, MANIFEST);
  if (!existsSync(manifestPath))
    return `${dir} has no ${MANIFEST}, so it is not a backup, or not a complete one`;
  const manifest = parseManifest(readFileSync(manifestPath, 'utf8'));
  if (typeof manifest === 'string') return manifest;
  const target = resolve(dataFolder);
  if (existsSync(target) && readdirSync(target).length > 0)
    return `${target} is not empty; stop weir, move the folder away, and try again`;
  const temporary = `${target}.restored`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  for (const { path, bytes, sha256, mtime_ms: mtimeMs } of manifest.files) {
    const [from, to] = [join(dir, path), join(temporary, path)];
    const problem = copyChecked(from, to, bytes, sha256);
    if (problem !== '') {
      rmSync(temporary, { recursive: true, force: true });
      return problem;
    }
    // Retention deletes nothing for a day if the newest file is old.
    utimesSync(to, mtimeMs / 1000, mtimeMs / 1000);
  }
  if (existsSync(target)) rmdirSync(target);
  renameSync(temporary, target);
  return manifest;
}

function copyChecked(from: string, to: string, bytes: number, sha256: string): string {
  if (!existsSync(from)) return `${from} is missing`;
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  copyFileSync(from, to);
  chmodSync(to, 0o600);
  const found = digestOf(to);
  return found.bytes === bytes && found.sha256 === sha256
    ? ''
    : `${from} is damaged: its digest is not that of the manifest`;
}
