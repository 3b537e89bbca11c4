// All keys: `admin.key` of the settings, those made over the admin API, and those of the key file.
// Invariant: only the digest of a key is stored, and a change is acknowledged after it is on disk and in all threads. The time to find a
// key depends neither on the number of keys nor on how much of it is right: a table has them by digest, and the
// digest of a text cannot be chosen.
// A key file that cannot be read prevents the start, since without it the admin API might need no key.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeAtomic } from '../atomic-file.ts';
import { describe, WeirError } from '../errors.ts';
import { digestOf, isStoredKey, newSecret, type ApiKey, type KeyLimits, type NewKey } from './api-key.ts';
import { readKeyFile } from './key-file.ts';
import type { LastUse, LastUseTable } from './key-last-uses.ts';
import { opensAdmin, type KeyScope } from './scopes.ts';

/** A key in responses. */
export interface KeyObject {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  /** `null`: not known, since it is in the key file. */
  readonly created_at: string | null;
  readonly expires_at: string | null;
  /** `null`: not known. */
  readonly last_used_at: string | null;
  /** Name of the key that made it, or `no key`; `null`: not known. */
  readonly made_by: string | null;
  readonly deployments?: readonly string[];
  readonly environments?: readonly string[];
  readonly routes?: readonly string[];
  readonly limits?: KeyLimits;
  /** Set for a key of the key file. */
  readonly source?: 'file';
}

/** Id of the key of the settings. */
export const MAIN_KEY = 'admin.key';
/** Most keys of the admin API. */
const MAX_KEYS = 10_000;
/** Longer texts are not keys, and are not hashed. */
const MAX_KEY_LENGTH = 512;
const LOCKED_OUT =
  'a key with the scope admin that never expires must exist, or admin.key must be set; otherwise no further key could be made';

const isPermanentAdmin = ({ scopes, expiresMs }: ApiKey): boolean =>
  expiresMs === undefined && scopes.includes('admin');

/** All keys but `admin.key`, as plain data for other threads. */
export interface KeySnapshot {
  readonly keys: readonly ApiKey[];
  /** Those of the key file. */
  readonly ofFile: readonly ApiKey[];
}

export class KeyStore implements LastUseTable {
  readonly name = 'keys';
  readonly #path: string;
  readonly #file: string;
  readonly #mainKey: ApiKey | undefined;
  #keys: readonly ApiKey[] = [];
  #ofFile: readonly ApiKey[] = [];
  #byDigest: ReadonlyMap<string, ApiKey> = new Map();
  #hasAdminKey = false;
  #version = 0;
  readonly #lastUses = new Map<string, LastUse>();
  #saved: Promise<void> = Promise.resolve();
  /** Is told of each change by the admin API, and resolves when other threads know it. */
  changed: (() => Promise<void>) | undefined;

  /** `mainKey`: `admin.key`, which has all scopes of the admin API; '' for none. `file`: the key file; '' for none. */
  constructor(path: string, mainKey: string, file = '') {
    this.#path = path;
    this.#file = file;
    this.#mainKey =
      mainKey === ''
        ? undefined
        : { id: MAIN_KEY, name: MAIN_KEY, sha256: digestOf(mainKey), scopes: ['admin'], createdMs: 0 };
    this.#index();
  }

  /** Reads the stored keys and the key file. Throws a WeirError if one of them is not valid. */
  start(): void {
    const keys = readStored(this.#path);
    if (typeof keys === 'string')
      throw new WeirError(
        'keys_unreadable',
        `cannot use the keys in ${this.#path}: ${keys}; repair the file, or remove it and make new keys`,
      );
    this.#keys = keys;
    const problem = this.reloadFile();
    if (problem !== '') throw new WeirError('keys_unreadable', `client_keys.file: ${problem}`);
    this.#index();
  }

  /** Resolves when the last change is on disk. */
  stop(): Promise<void> {
    return this.#saved;
  }

  /** Reads the key file again. Returns '', or the problem; then the keys that it had before stay valid. */
  reloadFile(): string {
    if (this.#file === '') return '';
    const read = readKeyFile(this.#file);
    if ('problem' in read) return read.problem;
    this.#ofFile = read.keys;
    this.#index();
    return '';
  }

  get snapshot(): KeySnapshot {
    return { keys: this.#keys, ofFile: this.#ofFile };
  }

  /** Uses the keys of another thread, in a thread that stores none. */
  use({ keys, ofFile }: KeySnapshot): void {
    this.#keys = keys;
    this.#ofFile = ofFile;
    this.#index();
  }

  /** Changes with each change of a key, so that a key that was found before must be looked up again. */
  get version(): number {
    return this.#version;
  }

  /** True if any key for the admin API exists, also an expired one. */
  get hasAdminKey(): boolean {
    return this.#hasAdminKey;
  }

  /** Number of keys, without `admin.key`. */
  get count(): number {
    return this.#keys.length + this.#ofFile.length;
  }

  /** The key of a text; `undefined` if there is none. */
  find(text: string, nowMs: number): ApiKey | 'expired' | undefined {
    if (text === '' || text.length > MAX_KEY_LENGTH) return undefined;
    const key = this.#byDigest.get(digestOf(text));
    if (key?.expiresMs !== undefined && key.expiresMs <= nowMs) return 'expired';
    if (key !== undefined && key.id !== MAIN_KEY) this.lastUseOf(key.id).ms = nowMs;
    return key;
  }

  /** The last use of a key; a caller that remembers a key that it found sets it with each use. */
  lastUseOf(id: string): LastUse {
    let use = this.#lastUses.get(id);
    if (use === undefined) this.#lastUses.set(id, (use = { ms: 0 }));
    return use;
  }

  /** A key was used in another thread. `ms`: milliseconds since the epoch. */
  used(id: string, ms: number): void {
    const use = this.#lastUses.get(id);
    if (use !== undefined) use.ms = Math.max(use.ms, ms);
    // A key that was removed meanwhile has no last use.
    else if (this.#keys.some((key) => key.id === id) || this.#ofFile.some((key) => key.id === id))
      this.#lastUses.set(id, { ms });
  }

  get lastUses(): ReadonlyMap<string, LastUse> {
    return this.#lastUses;
  }

  /** Name of a key of the admin API; `undefined`: there is none with this id. */
  nameOf(id: string): string | undefined {
    return id === this.#mainKey?.id ? MAIN_KEY : this.#keys.find((key) => key.id === id)?.name;
  }

  list(): KeyObject[] {
    return [
      ...this.#keys.map((key) => this.#object(key)),
      ...this.#ofFile.map((key) => ({ ...this.#object(key), created_at: null, source: 'file' as const })),
    ];
  }

  #object(key: ApiKey): KeyObject {
    return keyObject(key, this.#lastUses.get(key.id)?.ms ?? 0);
  }

  /** Makes a key. `madeBy`: name of the key that makes it. Resolves after it is on disk, or with the problem. */
  async create(
    wanted: NewKey,
    nowMs: number,
    madeBy?: string,
  ): Promise<{ key: string; object: KeyObject } | string> {
    if (this.#keys.length >= MAX_KEYS) return `the limit of ${MAX_KEYS} keys is reached; remove one first`;
    const secret = newSecret();
    const made: ApiKey = {
      ...wanted,
      id: `key_${randomBytes(8).toString('hex')}`,
      sha256: digestOf(secret),
      createdMs: nowMs,
      madeBy,
    };
    const problem = await this.#change((keys) => [...keys, made]);
    return problem === '' ? { key: secret, object: keyObject(made, 0) } : problem;
  }

  /** Removes a key. Resolves to '' after that is on disk, to the problem, or to `undefined` for an unknown id. */
  async remove(id: string): Promise<string | undefined> {
    if (this.#ofFile.some((key) => key.id === id)) return `this key is in ${this.#file}; remove it there`;
    if (!this.#keys.some((key) => key.id === id)) return undefined;
    const problem = await this.#change((keys) => keys.filter((key) => key.id !== id));
    if (problem === '') this.#lastUses.delete(id);
    return problem;
  }

  /** Applies changes one after the other. Each takes effect after it is on disk. */
  async #change(make: (keys: readonly ApiKey[]) => readonly ApiKey[]): Promise<string> {
    const before = this.#saved;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#saved = promise;
    try {
      await before;
      const keys = make(this.#keys);
      const needsAdmin = this.#mainKey === undefined && keys.some(({ scopes }) => opensAdmin(scopes));
      if (needsAdmin && !keys.some(isPermanentAdmin)) return LOCKED_OUT;
      await writeAtomic(this.#path, `${JSON.stringify({ keys }, null, 2)}\n`);
      this.#keys = keys;
      this.#index();
      await this.changed?.();
      return '';
    } finally {
      resolve();
    }
  }

  #index(): void {
    // A key that was made here wins over the same one in the file.
    const all = [...this.#ofFile, ...this.#keys, ...(this.#mainKey ? [this.#mainKey] : [])];
    this.#byDigest = new Map(all.map((key) => [key.sha256, key]));
    this.#hasAdminKey = all.some(({ scopes }) => opensAdmin(scopes));
    this.#version++;
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

const keyObject = (
  { id, name, scopes, createdMs, expiresMs, madeBy, deployments, environments, routes, limits }: ApiKey,
  lastUsedMs: number,
): KeyObject => ({
  id,
  name,
  scopes,
  created_at: iso(createdMs),
  expires_at: expiresMs === undefined ? null : iso(expiresMs),
  last_used_at: lastUsedMs === 0 ? null : iso(lastUsedMs),
  made_by: madeBy ?? null,
  ...(deployments && { deployments }),
  ...(environments && { environments }),
  ...(routes && { routes }),
  ...(limits && { limits }),
});

/** The keys in the file of the store, or the problem. Throws a WeirError if the file cannot be read. */
function readStored(path: string): readonly ApiKey[] | string {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return `it is not valid JSON (${error.message})`;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new WeirError('keys_unreadable', `cannot read the keys in ${path}: ${describe(error)}`, {
      cause: error,
    });
  }
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) return 'it has no list "keys"';
  const wrong = keys.findIndex((key) => !isStoredKey(key));
  return wrong === -1 ? (keys as ApiKey[]) : `entry ${wrong + 1} of "keys" is not a key`;
}
