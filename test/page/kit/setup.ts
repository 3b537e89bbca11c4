// Runs once before all tests: builds the web page if a source is newer than dist/page, and makes the folder that the
// test files of this run share.
// Invariant: the folder is removed after the run.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of this run, which all test files share. */
    readonly runFolder: string;
  }
}

export default function setup(project: TestProject): () => void {
  execFileSync(process.execPath, [
    fileURLToPath(new URL('../../../scripts/build-page.ts', import.meta.url)),
    '--if-old',
  ]);
  const runFolder = mkdtempSync(join(tmpdir(), 'weir-run-'));
  project.provide('runFolder', runFolder);
  return () => rmSync(runFolder, { recursive: true, force: true });
}
