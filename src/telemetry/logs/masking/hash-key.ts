// The key of hashes that replace values of bodies.
// Invariant: the key stays the same as long as its file is there, so that equal values have equal hashes.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'mask.key';
const KEY = /^[0-9a-f]{64}\n?$/;

/** Reads the key in a folder, or makes one. Throws if the file is not a key or cannot be written. Empty: a new key. */
export function hashKeyIn(folder: string): Buffer {
  if (folder === '') return randomBytes(32);
  const file = join(folder, FILE);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(file, `${randomBytes(32).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const text = readFileSync(file, 'utf8');
  if (!KEY.test(text))
    throw new Error(`${file} is not a key of 64 hex digits; remove it, and a new one is made`);
  return Buffer.from(text.trim(), 'hex');
}
