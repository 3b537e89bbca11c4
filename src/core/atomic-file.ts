// Small files that are replaced as a whole: written to a temporary file, synced, renamed.
// Invariant: after any crash a file has its old text or its new one. Only its owner may read it.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces the text of the file and creates missing folders. The text is on disk when this resolves. */
export async function writeAtomic(file: string, text: string): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await withFile(temporary, 'wx', async (handle) => {
      await handle.writeFile(text);
      await handle.sync();
    });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  // The rename itself is on disk only once the folder is synced.
  await withFile(folder, 'r', (handle) => handle.sync());
}

/**
 * Value of a JSON file; `undefined` if there is no such file. A file that is not JSON is renamed, so that it is kept for
 * a person to look at; `damaged` receives its new name.
 */
export async function readJsonFile(file: string, damaged: (renamedTo: string) => void): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    damaged(await setAside(file));
    return undefined;
  }
}

/** Renames a damaged file, so that it is kept for a person to look at. Resolves to its new name. */
export async function setAside(file: string): Promise<string> {
  const aside = `${file}.damaged-${Date.now()}`;
  await rename(file, aside);
  return aside;
}

async function withFile(
  path: string,
  flags: string,
  work: (handle: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> {
  const handle = await open(path, flags, 0o600);
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}
