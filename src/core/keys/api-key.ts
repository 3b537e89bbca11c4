// A key: what is stored of it, and how its properties are read from JSON of the admin API and of the key file.
// Invariant: a key itself is never stored, only its SHA-256. A fast hash is enough, since a made key has 256 random bits.
import { hash, randomBytes } from 'node:crypto';
import { unknownName } from '../nearest-name.ts';
import { parseDate } from '../time.ts';
import { isClientScope, SCOPES, type KeyScope } from './scopes.ts';

/** Limits of a key for the data server. Those that are missing do not exist. */
export interface KeyLimits {
  readonly requests_per_second?: number;
  readonly concurrency?: number;
  readonly tokens_per_minute?: number;
  /** In the currency of the price table. */
  readonly cost_per_day?: number;
}

/** A stored key. */
export interface ApiKey {
  readonly id: string;
  /** Several keys may have one name: they belong to the same client. */
  readonly name: string;
  /** SHA-256 of the whole key, in hex. */
  readonly sha256: string;
  readonly scopes: readonly KeyScope[];
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  readonly expiresMs?: number | undefined;
  /** Name of the key that made it, or `no key`; missing: not known. */
  readonly madeBy?: string | undefined;
  /** What a client may reach with it; missing: everything. Routes are paths, in which `*` stands for any characters. */
  readonly deployments?: readonly string[] | undefined;
  readonly environments?: readonly string[] | undefined;
  readonly routes?: readonly string[] | undefined;
  readonly limits?: KeyLimits | undefined;
}

/** Properties of a new key. */
export type NewKey = Omit<ApiKey, 'id' | 'sha256' | 'createdMs' | 'madeBy'>;

export const LIMIT_NAMES = [
  'requests_per_second',
  'concurrency',
  'tokens_per_minute',
  'cost_per_day',
] as const satisfies readonly (keyof KeyLimits)[];

const LIST_NAMES = ['deployments', 'environments', 'routes'] as const;
const FIELDS = ['name', 'scopes', 'expires_at', ...LIST_NAMES, 'limits'];
const LONGEST_NAME = 100;
const LONGEST_LIST = 100;
const LONGEST_WORD = 256;

/** SHA-256 of a text, in hex. */
export const digestOf = (text: string): string => hash('sha256', text, 'hex');

/** Makes a key with 256 random bits. */
export const newSecret = (): string => `weir_${randomBytes(32).toString('base64url')}`;

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads the properties of a key from JSON, or returns all its problems. `nowMs`: Date.now(), for the check of
 * `expires_at`. `more`: names of further fields, which the caller reads.
 */
export function readNewKey(value: unknown, nowMs: number, more: readonly string[] = []): NewKey | string[] {
  if (!isObject(value))
    return ['a key must be an object such as {"name": "grafana", "scopes": ["logs:read"]}'];
  const known = [...FIELDS, ...more];
  const problems = Object.keys(value)
    .filter((field) => !known.includes(field))
    .map((field) => unknownName('field', field, known));
  const { name, scopes, expires_at: expires, limits } = value;
  if (!isText(name, LONGEST_NAME))
    problems.push(`name: must be a string of 1 to ${LONGEST_NAME} characters, without control characters`);
  const areKnown = Array.isArray(scopes) && scopes.every((scope) => SCOPES.includes(scope as KeyScope));
  if (!areKnown || scopes.length === 0) problems.push(`scopes: must be a list of ${SCOPES.join(', ')}`);
  let expiresMs: number | undefined;
  if (expires !== undefined && expires !== null) {
    expiresMs = typeof expires === 'string' ? parseDate(expires) : undefined;
    if (expiresMs === undefined || expiresMs <= nowMs)
      problems.push('expires_at: must be a time in the future, such as 2030-01-01T00:00:00Z');
  }
  const lists = Object.fromEntries(
    LIST_NAMES.filter((list) => value[list] !== undefined).map((list) => [list, value[list] as string[]]),
  );
  for (const [list, words] of Object.entries(lists))
    if (!isWordList(words, list === 'routes'))
      problems.push(
        list === 'routes'
          ? `routes: must be a list of 1 to ${LONGEST_LIST} paths that begin with /, such as "/v1/*"`
          : `${list}: must be a list of 1 to ${LONGEST_LIST} ${list}; leave it out to allow all`,
      );
  problems.push(...limitProblems(limits));
  const isForClients = areKnown && (scopes as KeyScope[]).some(isClientScope);
  if (areKnown && !isForClients)
    for (const field of [...LIST_NAMES, 'limits'])
      if (value[field] !== undefined)
        problems.push(`${field}: has no meaning without a scope of the data server: predict, async or wake`);
  if (problems.length > 0) return problems;
  return {
    name: name as string,
    scopes: [...new Set(scopes as KeyScope[])],
    expiresMs,
    ...lists,
    ...(limits !== undefined && { limits: limits as KeyLimits }),
  };
}

const isText = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= longest && !/\p{Cc}/u.test(value);

const isWordList = (value: unknown, arePaths: boolean): value is string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= LONGEST_LIST &&
  value.every((word) => isText(word, LONGEST_WORD) && (!arePaths || word.startsWith('/')));

function limitProblems(limits: unknown): string[] {
  if (limits === undefined) return [];
  if (!isObject(limits) || Object.keys(limits).length === 0)
    return [`limits: must be an object with ${LIMIT_NAMES.join(', ')}`];
  return Object.entries(limits).flatMap(([name, value]) => {
    if (!(LIMIT_NAMES as readonly string[]).includes(name))
      return [unknownName('field', name, LIMIT_NAMES, 'limits.')];
    if (name === 'concurrency' ? Number.isSafeInteger(value) && Number(value) > 0 : isPositive(value))
      return [];
    return [`limits.${name}: must be a ${name === 'concurrency' ? 'whole ' : ''}number above 0`];
  });
}

const isPositive = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value > 0;

const isMs = (value: unknown): boolean => Number.isSafeInteger(value);

/** True for a key as the store writes it. */
export function isStoredKey(value: unknown): value is ApiKey {
  const key = (value ?? {}) as Partial<ApiKey>;
  return (
    typeof key.id === 'string' &&
    typeof key.name === 'string' &&
    /^[0-9a-f]{64}$/.test(key.sha256 ?? '') &&
    Array.isArray(key.scopes) &&
    key.scopes.every((scope) => SCOPES.includes(scope)) &&
    isMs(key.createdMs) &&
    (key.expiresMs === undefined || isMs(key.expiresMs)) &&
    (key.madeBy === undefined || typeof key.madeBy === 'string') &&
    LIST_NAMES.every((list) => key[list] === undefined || isWordList(key[list], list === 'routes')) &&
    limitProblems(key.limits).length === 0
  );
}
