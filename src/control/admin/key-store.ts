// The keys of the admin door: `admin.key` of the settings, and those that were made here.
// Must stay true: a key itself is shown once and never kept, only its digest is; what was answered for is on disk; a file
// that cannot be read keeps weir from starting, for it could be the one thing that keeps others out.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, WeirError } from '../../core/errors.ts';
import { SCOPES, type KeyScope } from './scopes.ts';

/** A key as it is kept. Random ones need no slow hash: nobody guesses 256 bits. */
interface Key {
  readonly id: string;
  readonly name: string;
  /** Of the whole key, in hex. */
  readonly sha256: string;
  readonly scopes: readonly KeyScope[];
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  readonly expiresMs: number | undefined;
}

/** A key as it may be shown. */
export interface ShownKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly created_at: string;
  readonly expires_at: string | null;
}

/** What a new key is to be. */
export type WantedKey = Pick<Key, 'name' | 'scopes' | 'expiresMs'>;

const MAX_KEYS = 1000;
const LOCKED_OUT =
  'there must always be a key with the scope admin that never expires, or admin.key, or nobody could make another';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const isAdminForEver = ({ scopes, expiresMs }: WantedKey): boolean =>
  expiresMs === undefined && scopes.includes('admin');

export class KeyStore {
  readonly #path: string;
  readonly #main: Buffer | undefined;
  #keys: readonly Key[] = [];
  #saved: Promise<void> = Promise.resolve();

  /** `main`: `admin.key`, which is good for everything; empty: none. */
  constructor(path: string, main: string) {
    this.#path = path;
    this.#main = main === '' ? undefined : digest(main);
  }

  /** Reads the file; throws a Fault where that is not what was written there. */
  load(): void {
    let text;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw new WeirError('keys_unreadable', `cannot read the keys in ${this.#path}: ${describe(error)}`, {
        cause: error,
      });
    }
    const keys = read(text);
    if (typeof keys === 'string')
      throw new WeirError(
        'keys_unreadable',
        `the keys in ${this.#path} cannot be used: ${keys}; repair the file, or remove it and make new keys`,
      );
    this.#keys = keys;
  }

  /** True where there is any key, also one that has expired. */
  get areThere(): boolean {
    return this.#main !== undefined || this.#keys.length > 0;
  }

  /** What a key is good for; `undefined` for one that is none. Compares it with all, whatever comes out. */
  scopesOf(presented: string, nowMs: number): readonly KeyScope[] | 'expired' | undefined {
    const given = digest(presented);
    let scopes: readonly KeyScope[] | 'expired' | undefined;
    if (this.#main !== undefined && timingSafeEqual(given, this.#main)) scopes = ['admin'];
    for (const key of this.#keys)
      if (timingSafeEqual(given, Buffer.from(key.sha256, 'hex')))
        scopes = key.expiresMs !== undefined && key.expiresMs <= nowMs ? 'expired' : key.scopes;
    return scopes;
  }

  list(): ShownKey[] {
    return this.#keys.map(shown);
  }

  /** Makes a key; resolves once it is on disk, or says why there cannot be one. */
  async create(wanted: WantedKey, nowMs: number): Promise<{ key: string; shown: ShownKey } | string> {
    if (this.#keys.length >= MAX_KEYS) return `there are ${MAX_KEYS} keys already; remove some`;
    const secret = `weir_${randomBytes(32).toString('base64url')}`;
    const made: Key = {
      ...wanted,
      id: `key_${randomBytes(8).toString('hex')}`,
      sha256: digest(secret).toString('hex'),
      createdMs: nowMs,
    };
    const problem = await this.#change((keys) => [...keys, made]);
    return problem === '' ? { key: secret, shown: shown(made) } : problem;
  }

  /** Removes a key; resolves to '' once that is on disk, to why it stays, or `undefined` for an id that is none. */
  async remove(id: string): Promise<string | undefined> {
    if (!this.#keys.some((key) => key.id === id)) return undefined;
    return this.#change((keys) => keys.filter((key) => key.id !== id));
  }

  /** One change after the other: each is in force when it is on disk. */
  async #change(make: (keys: readonly Key[]) => readonly Key[]): Promise<string> {
    const before = this.#saved;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#saved = promise;
    try {
      await before;
      const keys = make(this.#keys);
      if (this.#main === undefined && keys.length > 0 && !keys.some(isAdminForEver)) return LOCKED_OUT;
      await this.#save(keys);
      this.#keys = keys;
      return '';
    } finally {
      resolve();
    }
  }

  async #save(keys: readonly Key[]): Promise<void> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const next = `${this.#path}.next`;
    const file = await open(next, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ keys }, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, this.#path);
    const folder = await open(dirname(this.#path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

const shown = ({ id, name, scopes, createdMs, expiresMs }: Key): ShownKey => ({
  id,
  name,
  scopes,
  created_at: iso(createdMs),
  expires_at: expiresMs === undefined ? null : iso(expiresMs),
});

/** The keys of a file's text, or what is wrong with it. */
function read(text: string): Key[] | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return `it is no JSON (${error.message})`;
    throw error;
  }
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) return 'it has no list of keys';
  const wrong = keys.findIndex((key) => !isKey(key));
  return wrong === -1 ? (keys as Key[]) : `its entry ${wrong + 1} is no key`;
}

const isMs = (value: unknown): boolean => Number.isSafeInteger(value);

function isKey(value: unknown): value is Key {
  const key = (value ?? {}) as Partial<Key>;
  return (
    typeof key.id === 'string' &&
    typeof key.name === 'string' &&
    /^[0-9a-f]{64}$/.test(key.sha256 ?? '') &&
    Array.isArray(key.scopes) &&
    key.scopes.every((scope) => SCOPES.includes(scope)) &&
    isMs(key.createdMs) &&
    (key.expiresMs === undefined || isMs(key.expiresMs))
  );
}
