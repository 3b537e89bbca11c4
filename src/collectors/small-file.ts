// Reads files of /proc and cgroup trees, which have no size of their own.
// Must stay true: never more than the limit is read, and never on the event loop's own thread.
import { open } from 'node:fs/promises';

const CHUNK_BYTES = 16 * 1024;

/** The first `maxBytes` of a file as text, or `undefined` where it is not there, not ours to read, or gone midway. */
export async function readSmall(path: string, maxBytes = 256 * 1024): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const chunks: Buffer[] = [];
    let size = 0;
    while (size < maxBytes) {
      const { bytesRead, buffer } = await file.read(
        Buffer.allocUnsafe(Math.min(CHUNK_BYTES, maxBytes - size)),
      );
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
    return Buffer.concat(chunks).toString('latin1');
  } catch (error) {
    if (isExpected(error)) return undefined;
    throw error;
  }
}

/** Processes end and permissions differ: what a reader of other people's files must live with. */
export const isExpected = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM', 'ENODEV', 'EOPNOTSUPP', 'EINVAL'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  );

/** A whole number of a file that holds nothing else; `undefined` where it does not. */
export async function readNumber(path: string): Promise<number | undefined> {
  const text = (await readSmall(path, 64))?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A file of `name number` lines, such as cpu.stat and memory.stat. */
export async function readTable(path: string): Promise<Map<string, number> | undefined> {
  const text = await readSmall(path);
  if (text === undefined) return undefined;
  return new Map(Array.from(text.matchAll(/^(\S+) (\d+)$/gm), ([, name, value]) => [name!, Number(value)]));
}
