// The small language in which every room's options.ts states its settings: kind, default, bounds, one sentence.
// Must stay true: a setting knows enough about itself for checking, for `weir settings` and for the README.
// Only this file imports zod.
import * as z from 'zod';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

/** What a setting says of itself. */
export interface SettingInfo {
  /** What values look like, for people: `duration`, `bytes`, `integer`, … */
  readonly kind: string;
  /** One sentence: what it does. */
  readonly doc: string;
  /** The default as a person would write it; `undefined` where there is none. */
  readonly fallback: string | undefined;
  /** Values are never shown. */
  readonly secret: boolean;
  /** A short name beside the long one: `listen` gives `--listen` and `WEIR_LISTEN`. */
  readonly alias: string | undefined;
  /** How a value is shown: the inverse of parsing. */
  readonly show: (value: unknown) => string;
}

const abouts = new WeakMap<object, SettingInfo>();

/** What the setting says of itself, or `undefined` for a section or list. */
const aboutOf = (schema: object): SettingInfo | undefined => abouts.get(schema);

interface Common<T> {
  doc: string;
  default: T;
  alias?: string;
}

type Parsed<T> = { value: T } | { problem: string };

/** A setting whose text and YAML forms go through one `read`, which says what is wrong in words. */
function setting<T>(
  kind: string,
  options: { doc: string; default: T; alias?: string; secret?: boolean },
  read: (input: unknown) => Parsed<T>,
  show: (value: T) => string = String,
) {
  const schema = z
    .unknown()
    .transform((input, context): T => {
      const parsed = read(input);
      if ('value' in parsed) return parsed.value;
      context.addIssue({ code: 'custom', message: parsed.problem, input });
      return z.NEVER;
    })
    .default(options.default as never);
  abouts.set(schema, {
    kind,
    doc: options.doc,
    fallback: options.default === undefined ? undefined : show(options.default),
    secret: options.secret ?? false,
    alias: options.alias,
    show: (value) => (value === undefined ? '' : show(value as T)),
  });
  return schema;
}

/** A value as it stands in an error message: short, quoted when text. */
const shown = (input: unknown): string => {
  const text = JSON.stringify(input) ?? String(input);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

const within = (value: number, min: number, max: number, show: (n: number) => string): Parsed<number> =>
  value < min || value > max
    ? { problem: `is ${show(value)}, must be from ${show(min)} to ${show(max)}` }
    : { value };

/** A whole number. */
export const int = (o: Common<number> & { min: number; max: number }) =>
  setting('integer', o, (input) => {
    const value = typeof input === 'string' && /^-?\d+$/.test(input.trim()) ? Number(input) : input;
    return typeof value === 'number' && Number.isInteger(value)
      ? within(value, o.min, o.max, String)
      : { problem: `is ${shown(input)}, must be a whole number from ${o.min} to ${o.max}` };
  });

/** A part of a whole: a number from 0 to 1. */
export const fraction = (o: Common<number>) =>
  setting('0 to 1', o, (input) => {
    const value = typeof input === 'string' && /^\d*\.?\d+$/.test(input.trim()) ? Number(input) : input;
    return typeof value === 'number' && !Number.isNaN(value)
      ? within(value, 0, 1, String)
      : { problem: `is ${shown(input)}, must be a number from 0 to 1` };
  });

/** A time span in milliseconds, written with its unit. */
export const duration = (o: Common<number> & { min?: number; max?: number }) =>
  setting(
    'duration',
    o,
    (input) => {
      const ms = typeof input === 'string' ? parseDuration(input) : input === 0 ? 0 : undefined;
      return ms === undefined
        ? { problem: `is ${shown(input)}, must be a time with its unit, such as 500ms, 30s, 20m or 2h` }
        : within(ms, o.min ?? 0, o.max ?? 7 * 86_400_000, formatDuration);
    },
    formatDuration,
  );

/** A size in bytes, as a number or with a binary unit. */
export const bytes = (o: Common<number> & { min?: number; max?: number }) =>
  setting(
    'bytes',
    o,
    (input) => {
      const size =
        typeof input === 'string'
          ? parseBytes(input)
          : Number.isInteger(input)
            ? (input as number)
            : undefined;
      return size === undefined
        ? { problem: `is ${shown(input)}, must be a size such as 64KiB, 100MiB or a number of bytes` }
        : within(size, o.min ?? 0, o.max ?? Number.MAX_SAFE_INTEGER, formatBytes);
    },
    formatBytes,
  );

/** One of a few words. */
export const choice = <const W extends readonly string[]>(words: W, o: Common<W[number]>) =>
  setting<W[number]>(words.map((w) => (w === '' ? '(empty)' : w)).join(' \\| '), o, (input) =>
    words.includes(input as string)
      ? { value: input as W[number] }
      : { problem: `is ${shown(input)}, must be one of ${words.map((w) => w || '""').join(', ')}` },
  );

/** Yes or no. */
export const flag = (o: Common<boolean>) =>
  setting('boolean', o, (input) =>
    input === true || input === 'true'
      ? { value: true }
      : input === false || input === 'false'
        ? { value: false }
        : { problem: `is ${shown(input)}, must be true or false` },
  );

/** Free text that matches a pattern, if one is given. `show` leaves out what nobody may see. */
export const text = (
  o: Common<string> & { pattern?: RegExp; like?: string; show?: (value: string) => string },
) =>
  setting<string>(
    'text',
    o,
    (input) => {
      const value = typeof input === 'number' ? String(input) : input;
      if (typeof value !== 'string') return { problem: `is ${shown(input)}, must be text` };
      return o.pattern && !o.pattern.test(value)
        ? { problem: `is ${shown(o.show?.(value) ?? value)}, must be ${o.like ?? `like ${o.pattern}`}` }
        : { value };
    },
    o.show,
  );

/** Text that nobody may see: shown as ***. Empty means none. */
export const secret = (o: { doc: string; alias?: string; minLength: number }) =>
  setting<string>('secret', { ...o, default: '', secret: true }, (input) =>
    typeof input === 'string' && (input === '' || input.length >= o.minLength)
      ? { value: input }
      : { problem: `must be text of at least ${o.minLength} characters` },
  );

/** Several secrets, in order: a YAML list or text with commas. Shown as ***; empty means none. */
export const secrets = (o: { doc: string; minLength: number; max: number }) =>
  setting<readonly string[]>(
    'secrets',
    { ...o, default: [], secret: true },
    (input) => {
      const list: unknown = typeof input === 'string' ? input.split(',').filter((one) => one.trim()) : input;
      const texts = Array.isArray(list)
        ? list.map((one) => (typeof one === 'string' ? one.trim() : ''))
        : [''];
      return texts.length <= o.max && texts.every((one) => one.length >= o.minLength)
        ? { value: texts }
        : { problem: `must be up to ${o.max} texts of at least ${o.minLength} characters each` };
    },
    (value) => value.join(', '),
  );

/** `host:port`, an address to listen on. Port 0 means any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An address to listen on. IPv6 hosts stand in brackets. */
export const address = (o: { doc: string; default: Address; alias?: string }) =>
  setting<Address>(
    'host:port',
    o,
    (input) => {
      const match =
        typeof input === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d+)$/.exec(input) : null;
      const port = Number(match?.[3]);
      return match && port <= 65_535
        ? { value: { host: (match[1] ?? match[2])!, port } }
        : { problem: `is ${shown(input)}, must be host:port, such as 127.0.0.1:8080 or [::1]:8080` };
    },
    formatAddress,
  );

/** The text form of an address, IPv6 in brackets. */
export const formatAddress = ({ host, port }: Address): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** Numbers in rising order, such as the bounds of a histogram: a YAML list or text with commas. */
export const bounds = (o: Common<readonly number[]>) =>
  setting<readonly number[]>(
    'numbers, rising',
    o,
    (input) => {
      const list = (typeof input === 'string' ? input.split(',') : input) as unknown[];
      const numbers = Array.isArray(list) ? list.map((item) => (item === '' ? NaN : Number(item))) : [];
      const good =
        numbers.length >= 1 &&
        numbers.length <= 64 &&
        numbers.every((n, i) => Number.isFinite(n) && n > (i ? numbers[i - 1]! : 0));
      return good
        ? { value: numbers }
        : { problem: `is ${shown(input)}, must be 1 to 64 numbers above 0, each larger than the one before` };
    },
    (value) => value.join(', '),
  );

/** Several short texts or whole numbers: a YAML list, or text with commas (or another separator) between them. */
export const wordList = (
  o: Common<readonly string[]> & { pattern: Pick<RegExp, 'test'>; like: string; separator?: string },
) =>
  setting<readonly string[]>(
    'list',
    o,
    (input) => {
      const list: unknown =
        typeof input === 'string' ? input.split(o.separator ?? ',').filter((word) => word.trim()) : input;
      const texts = Array.isArray(list)
        ? list.map((word) =>
            Number.isSafeInteger(word) || typeof word === 'string' ? String(word).trim() : '',
          )
        : [''];
      return texts.length <= 64 && texts.every((word) => o.pattern.test(word))
        ? { value: texts }
        : { problem: `is ${shown(input)}, must be a list of ${o.like}` };
    },
    (value) => value.join(o.separator ?? ', '),
  );

/** A room's section: the named settings and no others. Missing sections are all defaults. */
export const section = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape).prefault({} as never);

/** A list of sections. */
export const listOf = <S extends z.ZodType>(item: S, min = 0) =>
  z
    .array(item)
    .min(min)
    .prefault([] as never);

/** A required piece of text read by `read`, such as a URL: no default. */
export const required = <T>(
  kind: string,
  doc: string,
  read: (input: string) => Parsed<T>,
  show: (v: T) => string,
) =>
  setting<T>(
    kind,
    { doc, default: undefined as T },
    (input) => (typeof input === 'string' ? read(input) : { problem: `is ${shown(input)}, must be ${kind}` }),
    show,
  );

/** The type of a section once it is read. */
export type Settings<S extends z.ZodType> = z.output<S>;

/** One thing wrong with the input: where, and in words. `unknown` lists keys that no setting has. */
export interface SettingProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly unknown?: readonly string[];
}

/** Reads raw input against a schema and returns either frozen settings or all problems at once. */
export function read<S extends z.ZodType>(
  schema: S,
  input: unknown,
): { ok: true; settings: Settings<S> } | { ok: false; problems: SettingProblem[] } {
  const result = schema.safeParse(input);
  if (result.success) return { ok: true, settings: deepFreeze(result.data) };
  return {
    ok: false,
    problems: result.error.issues.map((issue) => {
      const path = issue.path.filter((key) => typeof key !== 'symbol');
      if (issue.code === 'unrecognized_keys') return { path, message: 'is no setting', unknown: issue.keys };
      if (issue.code === 'invalid_type') return { path, message: `must be ${expected(issue.expected)}` };
      if (issue.code === 'too_small') return { path, message: `must have at least ${issue.minimum} entries` };
      return { path, message: issue.message };
    }),
  };
}

const expected = (type: string): string =>
  type === 'object' ? 'a section (key: value lines)' : type === 'array' ? 'a list' : type;

const deepFreeze = <T>(value: T): T => {
  if (value !== null && typeof value === 'object' && !(value instanceof URL) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};

/** One setting found in a schema: where it stands and what it says. Lists appear as `[]` in the path. */
export interface FoundValue {
  readonly path: readonly string[];
  readonly about: SettingInfo;
}

/** Walks a schema and returns its settings in order. */
export function settingsIn(schema: object, path: readonly string[] = []): FoundValue[] {
  const about = aboutOf(schema);
  if (about) return [{ path, about }];
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional)
    return settingsIn(schema.def.innerType, path);
  if (schema instanceof z.ZodArray) return settingsIn(schema.def.element, [...path, '[]']);
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.def.shape as Record<string, object>).flatMap(([key, inner]) =>
      settingsIn(inner, [...path, key]),
    );
  return [];
}

/** The keys that may stand at a place in a schema: for "did you mean …?". */
export function keysAt(schema: object, path: readonly (string | number)[]): string[] {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional)
    return keysAt(schema.def.innerType, path);
  const [head, ...rest] = path;
  if (schema instanceof z.ZodArray) return keysAt(schema.def.element, rest);
  if (!(schema instanceof z.ZodObject)) return [];
  const shape = schema.def.shape as Record<string, object>;
  return head === undefined ? Object.keys(shape) : shape[head] ? keysAt(shape[head], rest) : [];
}
