// Temporary folders with files, made from a table of paths and texts, removed after the test.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const made = new Set<string>();

/** Writes the files into a new folder and returns its path. */
export function folder(files: Record<string, string> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'weir-'));
  made.add(path);
  write(path, files);
  return path;
}

/** Writes files into a folder, replacing existing ones. */
export function write(path: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
}

/** Removes all folders made by `folder`. */
export function removeFolders(): void {
  for (const path of made) rmSync(path, { recursive: true, force: true });
  made.clear();
}
