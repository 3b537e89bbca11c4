// Keys of the admin API: `admin.key` of the settings, and keys made over the API.
// Invariant: only the digest of a key is stored, and a change is acknowledged after it is on disk.
// A key file that cannot be read prevents the start, since without it the API might need no key.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeAtomic } from '../../core/atomic-file.ts';
import { describe, WeirError } from '../../core/errors.ts';
import { SCOPES, type KeyScope } from './scopes.ts';

/** A stored key. A fast hash is enough, since a key has 256 random bits. */
interface Key {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the whole key, in hex. */
  readonly sha256: string;
  readonly scopes: readonly KeyScope[];
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  readonly expiresMs: number | undefined;
}

/** A key in responses. */
export interface KeyObject {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly created_at: string;
  readonly expires_at: string | null;
}

/** Properties of a new key. */
export type NewKey = Pick<Key, 'name' | 'scopes' | 'expiresMs'>;

const MAX_KEYS = 1000;
const LOCKED_OUT =
  'a key with the scope admin that never expires must exist, or admin.key must be set; otherwise no further key could be made';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const isPermanentAdmin = ({ scopes, expiresMs }: NewKey): boolean =>
  expiresMs === undefined && scopes.includes('admin');

export class KeyStore {
  readonly #path: string;
  readonly #mainKey: Buffer | undefined;
  #keys: readonly Key[] = [];
  #saved: Promise<void> = Promise.resolve();

  /** `mainKey`: `admin.key`, which has all scopes; '' for none. */
  constructor(path: string, mainKey: string) {
    this.#path = path;
    this.#mainKey = mainKey === '' ? undefined : digest(mainKey);
  }

  /** Reads the key file. Throws a WeirError if it is not valid. */
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
    const keys = parseKeys(text);
    if (typeof keys === 'string')
      throw new WeirError(
        'keys_unreadable',
        `cannot use the keys in ${this.#path}: ${keys}; repair the file, or remove it and make new keys`,
      );
    this.#keys = keys;
  }

  /** True if any key exists, also an expired one. */
  get hasAny(): boolean {
    return this.#mainKey !== undefined || this.#keys.length > 0;
  }

  /** Scopes of a key; `undefined` for an unknown key. Compares it with all keys, so that the time is constant. */
  scopesOf(key: string, nowMs: number): readonly KeyScope[] | 'expired' | undefined {
    const given = digest(key);
    let scopes: readonly KeyScope[] | 'expired' | undefined;
    if (this.#mainKey !== undefined && timingSafeEqual(given, this.#mainKey)) scopes = ['admin'];
    for (const known of this.#keys)
      if (timingSafeEqual(given, Buffer.from(known.sha256, 'hex')))
        scopes = known.expiresMs !== undefined && known.expiresMs <= nowMs ? 'expired' : known.scopes;
    return scopes;
  }

  /** Who a key belongs to, for what its owner has made: its id, or `admin.key`. Empty for an unknown key. */
  ownerOf(key: string): string {
    const given = digest(key);
    if (this.#mainKey !== undefined && timingSafeEqual(given, this.#mainKey)) return 'admin.key';
    return this.#keys.find(({ sha256 }) => timingSafeEqual(given, Buffer.from(sha256, 'hex')))?.id ?? '';
  }

  /** Name of the key with an id; `undefined`: there is none. */
  nameOf(id: string): string | undefined {
    return this.#keys.find((key) => key.id === id)?.name;
  }

  list(): KeyObject[] {
    return this.#keys.map(keyObject);
  }

  /** Makes a key. Resolves after it is on disk, or with the problem. */
  async create(wanted: NewKey, nowMs: number): Promise<{ key: string; object: KeyObject } | string> {
    if (this.#keys.length >= MAX_KEYS) return `the limit of ${MAX_KEYS} keys is reached; remove one first`;
    const secret = `weir_${randomBytes(32).toString('base64url')}`;
    const made: Key = {
      ...wanted,
      id: `key_${randomBytes(8).toString('hex')}`,
      sha256: digest(secret).toString('hex'),
      createdMs: nowMs,
    };
    const problem = await this.#change((keys) => [...keys, made]);
    return problem === '' ? { key: secret, object: keyObject(made) } : problem;
  }

  /** Removes a key. Resolves to '' after that is on disk, to the problem, or to `undefined` for an unknown id. */
  async remove(id: string): Promise<string | undefined> {
    if (!this.#keys.some((key) => key.id === id)) return undefined;
    return this.#change((keys) => keys.filter((key) => key.id !== id));
  }

  /** Applies changes one after the other. Each takes effect after it is on disk. */
  async #change(make: (keys: readonly Key[]) => readonly Key[]): Promise<string> {
    const before = this.#saved;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#saved = promise;
    try {
      await before;
      const keys = make(this.#keys);
      if (this.#mainKey === undefined && keys.length > 0 && !keys.some(isPermanentAdmin)) return LOCKED_OUT;
      await writeAtomic(this.#path, `${JSON.stringify({ keys }, null, 2)}\n`);
      this.#keys = keys;
      return '';
    } finally {
      resolve();
    }
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

const keyObject = ({ id, name, scopes, createdMs, expiresMs }: Key): KeyObject => ({
  id,
  name,
  scopes,
  created_at: iso(createdMs),
  expires_at: expiresMs === undefined ? null : iso(expiresMs),
});

/** Keys of the file's text, or the problem. */
function parseKeys(text: string): Key[] | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return `it is not valid JSON (${error.message})`;
    throw error;
  }
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) return 'it has no list "keys"';
  const wrong = keys.findIndex((key) => !isKey(key));
  return wrong === -1 ? (keys as Key[]) : `entry ${wrong + 1} of "keys" is not a key`;
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
