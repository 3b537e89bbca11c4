// Small files that must be whole after any crash: written beside, flushed, put in the place of the old one.
// Must stay true: whoever reads finds the old text or the new one, and nobody but the owner may read it.
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces the file's text; on disk when it resolves. */
export async function writeAtomic(file: string, text: string): Promise<void> {
  const beside = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const handle = await open(beside, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** What a JSON file says; `undefined` where there is none. One that is no JSON is set aside and told by `damaged`. */
export async function readWhole(file: string, damaged: (aside: string) => void): Promise<unknown> {
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
    const aside = `${file}.damaged-${Date.now()}`;
    await rename(file, aside);
    damaged(aside);
    return undefined;
  }
}
