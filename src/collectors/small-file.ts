// Reads files of /proc and cgroup file systems, whose size is not known in advance.
// Invariant: at most `maxBytes` are read, and never synchronously.
import { open } from 'node:fs/promises';

const CHUNK_BYTES = 16 * 1024;

/** The first `maxBytes` of a file as text; `undefined` if it is missing, not readable, or disappears meanwhile. */
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

/** True for errors that are normal with files of other processes: they end, and permissions differ. */
export const isExpected = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM', 'ENODEV', 'EOPNOTSUPP', 'EINVAL'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  );

/** The integer in a file that contains nothing else; `undefined` if it contains something else. */
export async function readNumber(path: string): Promise<number | undefined> {
  const text = (await readSmall(path, 64))?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Reads lines of the form `name number`, as in cpu.stat and memory.stat. */
export async function readTable(path: string): Promise<Map<string, number> | undefined> {
  const text = await readSmall(path);
  if (text === undefined) return undefined;
  return new Map(Array.from(text.matchAll(/^(\S+) (\d+)$/gm), ([, name, value]) => [name!, Number(value)]));
}
