// The key file of the operator (`client_keys.file`): keys of clients, by their digests.
// Invariant: it opens the data server only, so a change of it cannot lock anyone out of the admin API or into it.
import { readFileSync } from 'node:fs';
import { describe } from '../errors.ts';
import { readNewKey, type ApiKey } from './api-key.ts';
import { opensAdmin } from './scopes.ts';

/** Most keys of the file. */
const MAX_FILE_KEYS = 10_000;

/**
 * Reads the file: `{"keys": [{"name", "sha256", "scopes", …}]}`, with the fields of `POST /v1/keys`. A key that has
 * expired is valid, and opens nothing.
 */
export function readKeyFile(
  file: string,
): { readonly keys: readonly ApiKey[] } | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const what = error instanceof SyntaxError ? 'is not valid JSON' : 'cannot be read';
    return { problem: `${file} ${what}: ${describe(error)}` };
  }
  const entries = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(entries) || entries.length > MAX_FILE_KEYS)
    return { problem: `${file} must have a list "keys" of at most ${MAX_FILE_KEYS} keys` };
  const keys: ApiKey[] = [];
  const places = new Map<string, number>();
  for (const [i, entry] of entries.entries()) {
    const key = readEntry(entry);
    if (typeof key === 'string') return { problem: `${file}, keys[${i}]: ${key}` };
    const first = places.get(key.sha256);
    if (first !== undefined)
      return { problem: `${file}, keys[${i}]: has the same sha256 as keys[${first}]; give each key once` };
    places.set(key.sha256, i);
    keys.push(key);
  }
  return { keys };
}

/** The key of an entry, or the problem. */
function readEntry(entry: unknown): ApiKey | string {
  // Every time is after this one.
  const key = readNewKey(entry, -Infinity, ['sha256']);
  if (Array.isArray(key)) return key.join('; ');
  if (opensAdmin(key.scopes)) return 'scopes: may only be those of the data server: predict, async, wake';
  const { sha256 } = entry as { sha256?: unknown };
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/i.test(sha256))
    return 'sha256: must be 64 hex digits; weir keys hash prints them';
  const digest = sha256.toLowerCase();
  return { ...key, id: `file_${digest.slice(0, 16)}`, sha256: digest, createdMs: 0 };
}
