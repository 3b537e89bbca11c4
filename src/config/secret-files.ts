// Secrets from files: a value `file:/run/secrets/weir` of a secret setting stands for the text of that file.
// Invariant: a problem names the file and never shows what is in it. Only the configuration is read in this way, never a
// value from the admin API, whose clients may not read the files of this machine.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { describe } from '../core/errors.ts';
import { settings } from './schema.ts';
import { keyOf } from './explain.ts';
import type { GivenValue } from './given-value.ts';

const PREFIX = 'file:';
const MAX_BYTES = 65_536;

/** Kinds of the settings that are secret, by key. */
const secretKinds: ReadonlyMap<string, string> = new Map(
  settings.filter(({ info }) => info.secret).map(({ key, info }) => [key, info.kind]),
);

/** Replaces the names of files by the secrets in them. Adds a sentence to `problems` for each that cannot be read. */
export function readSecretFiles(given: readonly GivenValue[], problems: string[]): GivenValue[] {
  return given.map((one) => {
    // An item of a list of secrets has its number at the end of the path.
    const key = keyOf(one.path)
      .replaceAll(/\[\d+\]$/g, '')
      .replaceAll(/\[\d+\]/g, '[]');
    const kind = secretKinds.get(key);
    if (kind === undefined || !JSON.stringify(one.value ?? '').includes(PREFIX)) return one;
    const read = (value: unknown): unknown => {
      if (typeof value !== 'string' || !value.trim().startsWith(PREFIX)) return value;
      const path = value.trim().slice(PREFIX.length);
      const result = secretIn(path);
      if ('secret' in result) return result.secret;
      problems.push(`${one.origin}: ${keyOf(one.path)}: ${result.problem}`);
      // Any other text, so that the setting has this problem only.
      return value;
    };
    const { value } = one;
    const isList = kind === 'secrets' && typeof value === 'string' && typeof one.path.at(-1) === 'string';
    if (isList) return { ...one, value: value.split(',').map(read) };
    return { ...one, value: Array.isArray(value) ? value.map(read) : read(value) };
  });
}

/** The text of a file without the end of its last line. */
function secretIn(path: string): { readonly secret: string } | { readonly problem: string } {
  try {
    const text = firstBytes(path);
    if (text === undefined) return { problem: `${path} is not a file of at most 64 KiB` };
    const secret = text.replace(/\r?\n$/, '');
    // An empty file would switch off what the secret protects.
    return secret === '' ? { problem: `the file ${path} is empty` } : { secret };
  } catch (error) {
    return { problem: `the file cannot be read: ${describe(error)}` };
  }
}

/** `undefined`: it is too large, or something else than a file, such as a pipe. */
function firstBytes(path: string): string | undefined {
  // Without O_NONBLOCK, opening a named pipe waits for another process to write to it.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    if (!fstatSync(fd).isFile() || size > MAX_BYTES) return undefined;
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    const length = readSync(fd, bytes);
    return length > MAX_BYTES ? undefined : bytes.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}
