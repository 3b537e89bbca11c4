// Kinds of settings. The options.ts files of all modules are written with them.
// Invariant: one schema gives the checks, `weir settings`, the table in the docs and the JSON schema for editors.
// Only this file imports zod.
import * as z from 'zod';
import { formatAddress, parseAddress, socketProblem, type Address } from './address.ts';
import { parseDate } from './time.ts';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

/** What help, docs and error messages need to know of a setting. */
export interface SettingInfo {
  /** Form of the values, for people: `duration`, `bytes`, `integer`, … */
  readonly kind: string;
  /** One sentence: what it does. */
  readonly doc: string;
  /** The default as text; `undefined` if there is none. */
  readonly defaultText: string | undefined;
  /** True: values are never shown. */
  readonly secret: boolean;
  /** A short name besides the long one: `listen` gives `--listen` and `WEIR_LISTEN`. */
  readonly alias: string | undefined;
  /** Value → text: the inverse of parsing. */
  readonly show: (value: unknown) => string;
}

/** The options of every kind that has a default. */
interface Common<T> {
  doc: string;
  default: T;
  alias?: string;
}

/** What else is known of a kind. */
interface More<T> {
  readonly show?: ((value: T) => string) | undefined;
  /** What an error message shows of a wrong input. */
  readonly shown?: (input: unknown) => string;
  readonly secret?: boolean;
  /** Keywords of the JSON schema that zod cannot know, since a file has the text form of the value. */
  readonly json?: Readonly<Record<string, unknown>>;
}

interface Registered extends SettingInfo {
  /** The end of an error message: `is 5, must be a whole number from 6 to 10`. */
  readonly problem: (input: unknown) => string;
  readonly json: Readonly<Record<string, unknown>>;
}

const registered = new WeakMap<object, Registered>();

/** What is known of a setting; `undefined` for a section or list. */
export const infoOf = (schema: object): Registered | undefined => registered.get(schema);

/** A value in an error message: short, quoted if text. */
const quoted = (input: unknown): string => {
  const text = JSON.stringify(input) ?? String(input);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** Registers a setting. `expected`: what would be right, as the end of `must be …`. */
function register<S extends z.ZodType>(
  schema: S,
  { doc, default: byDefault, alias }: { doc: string; default?: unknown; alias?: string },
  kind: string,
  expected: string,
  { show = String, shown = quoted, secret = false, json }: More<z.output<S>>,
): S {
  const defaultText = byDefault === undefined ? undefined : show(byDefault as z.output<S>);
  const wrong = (input: unknown) =>
    input === undefined ? 'is missing, ' : secret ? '' : `is ${shown(input)}, `;
  registered.set(schema, {
    kind,
    doc,
    defaultText,
    secret,
    alias,
    show: (value) => (value === undefined ? '' : show(value as z.output<S>)),
    problem: (input) => `${wrong(input)}must be ${expected}`,
    json: { description: doc, default: json?.['type'] === 'string' ? defaultText : byDefault, ...json },
  });
  return schema;
}

/** A setting with a default. */
const setting = <T>(schema: z.ZodType<T>, o: Common<T>, kind: string, expected: string, more: More<T> = {}) =>
  register<z.ZodDefault<z.ZodType<T>>>(schema.default(o.default as never), o, kind, expected, more);

/** A value with a text form. `parse` returns `undefined` for an invalid input. */
const parsed = <T>(parse: (input: unknown) => T | undefined) =>
  z.unknown().transform((input, context): T => {
    const value = parse(input);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', input });
    return z.NEVER;
  });

/** Numbers in flags and variables are text. */
const numeric = (input: unknown): unknown =>
  typeof input === 'string' && /^-?\d*\.?\d+$/.test(input.trim()) ? Number(input) : input;

/** A number in any notation of JavaScript, such as 1e-3. */
const anyNumber = (input: unknown): unknown =>
  typeof input === 'string' ? (input.trim() === '' ? NaN : Number(input)) : input;

/** Lists in flags and variables are text with separators. `item` converts each item. */
const list = <T>(item: z.ZodType<T>, convert: (item: unknown) => unknown = (one) => one, separator = ',') =>
  z.preprocess((input) => {
    const items: unknown =
      typeof input === 'string' ? input.split(separator).filter((one) => one.trim() !== '') : input;
    return Array.isArray(items) ? items.map(convert) : items;
  }, z.array(item));

/** JSON schema of a list that may also be text. */
const LIST = { type: ['array', 'string'] };

/** A whole number. */
export const int = (o: Common<number> & { min: number; max: number }) =>
  setting(
    z.preprocess(numeric, z.int().min(o.min).max(o.max)),
    o,
    'integer',
    `a whole number from ${o.min} to ${o.max}`,
  );

/** A whole number, or `auto`. */
export const intOrAuto = (o: Common<number | 'auto'> & { min: number; max: number }) =>
  setting<number | 'auto'>(
    z.preprocess(numeric, z.union([z.literal('auto'), z.int().min(o.min).max(o.max)])),
    o,
    'integer \\| auto',
    `auto, or a whole number from ${o.min} to ${o.max}`,
    { json: { type: ['integer', 'string'], default: o.default } },
  );

/** A number from 0 to 1. */
export const fraction = (o: Common<number>) =>
  setting(z.preprocess(numeric, z.number().min(0).max(1)), o, '0 to 1', 'a number from 0 to 1');

/** A time span in milliseconds, written with its unit. */
export const duration = (o: Common<number> & { min?: number; max?: number }) => {
  const { min = 0, max = 7 * 86_400_000 } = o;
  return setting(
    parsed((input) => (typeof input === 'string' ? parseDuration(input) : input === 0 ? 0 : undefined)).pipe(
      z.number().min(min).max(max),
    ),
    o,
    'duration',
    `a time from ${formatDuration(min)} to ${formatDuration(max)} with its unit, such as 500ms, 30s, 20m or 2h`,
    {
      show: formatDuration,
      json: { type: 'string', pattern: '^(0|(\\d+(\\.\\d+)? ?(ns|us|µs|ms|[smhdw]) ?)+)$' },
    },
  );
};

/** A size in bytes, as a number or with a binary unit. */
export const bytes = (o: Common<number> & { min?: number; max?: number }) => {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = o;
  const least = min === 0 ? '' : ` of at least ${formatBytes(min)},`;
  const range = o.max === undefined ? least : ` from ${formatBytes(min)} to ${formatBytes(max)},`;
  return setting(
    parsed((input) => (typeof input === 'string' ? parseBytes(input) : input)).pipe(
      z.int().min(min).max(max),
    ),
    o,
    'bytes',
    `a size${range} such as 64KiB, 100MiB or a number of bytes`,
    { show: formatBytes, json: { type: ['string', 'integer'], pattern: '^\\d+(\\.\\d+)? ?([KMGT]iB|B)?$' } },
  );
};

/** One of a few words. */
export const choice = <const W extends readonly string[]>(words: W, o: Common<W[number]>) =>
  setting<W[number]>(
    z.enum(words),
    o,
    words.map((word) => (word === '' ? '(empty)' : word)).join(' \\| '),
    `one of ${words.map((word) => word || '""').join(', ')}`,
  );

/** True or false. */
export const flag = (o: Common<boolean>) =>
  setting(
    z.preprocess((input) => (input === 'true' ? true : input === 'false' ? false : input), z.boolean()),
    o,
    'boolean',
    'true or false',
  );

/** Free text that matches `pattern`, if one is given. `show` hides secret parts. */
export const text = (
  o: Common<string> & { pattern?: RegExp; like?: string; show?: (value: string) => string },
) =>
  setting(
    z.preprocess(
      (input) => (typeof input === 'number' ? String(input) : input),
      o.pattern ? z.string().regex(o.pattern) : z.string(),
    ),
    o,
    'text',
    o.like ?? (o.pattern ? `text like ${o.pattern}` : 'text'),
    {
      show: o.show,
      shown: (input) => quoted(typeof input === 'string' && o.show ? o.show(input) : input),
      json: { type: ['string', 'number'] },
    },
  );

/** Text that is shown as ***. Empty means none. */
export const secret = (o: { doc: string; alias?: string; minLength: number }) =>
  setting(
    z.string().refine((value) => value === '' || value.length >= o.minLength),
    { ...o, default: '' },
    'secret',
    `text of at least ${o.minLength} characters`,
    { secret: true },
  );

/** Several secrets, in order: a YAML list or text with commas. Shown as ***; empty means none. */
export const secrets = (o: { doc: string; minLength: number; max: number }) =>
  setting<readonly string[]>(
    list(z.string().trim().min(o.minLength)).refine(({ length }) => length <= o.max),
    { ...o, default: [] },
    'secrets',
    `up to ${o.max} texts of at least ${o.minLength} characters each`,
    { show: (value) => value.join(', '), secret: true, json: LIST },
  );

/** An address to listen on: `host:port`, with IPv6 hosts in brackets, or `unix:` and the path of a Unix socket. */
export const address = (o: { doc: string; default: Address; alias?: string }) =>
  setting(
    z.unknown().transform((input, context): Address => {
      const text = typeof input === 'string' ? input : '';
      const value = parseAddress(text);
      if (value !== undefined) return value;
      const problem = socketProblem(text);
      context.addIssue({
        code: 'custom',
        input,
        ...(problem && { params: { problem: `is ${quoted(input)}: ${problem}` } }),
      });
      return z.NEVER;
    }),
    o,
    'host:port',
    'host:port, such as 127.0.0.1:8080 or [::1]:8080, or unix:/run/weir.sock',
    { show: formatAddress, json: { type: 'string', pattern: ':\\d+$|^unix:/' } },
  );

/** File mode of a Unix socket, in octal digits. */
export const socketMode = (o: { doc: string }) =>
  text({
    ...o,
    default: '660',
    pattern: /^0?[0-7]{3}$/,
    like: 'three octal digits, such as 660 or 666',
  });

/** Rising numbers, such as the bounds of a histogram: a YAML list or text with commas. */
export const bounds = (o: Common<readonly number[]>) =>
  setting<readonly number[]>(
    z.preprocess(
      (input) => {
        const items: unknown = typeof input === 'string' ? input.split(',') : input;
        return Array.isArray(items) ? items.map(anyNumber) : items;
      },
      z
        .array(z.number().positive())
        .refine(
          (all) => all.length >= 1 && all.length <= 64 && all.every((n, i) => i === 0 || n > all[i - 1]!),
        ),
    ),
    o,
    'numbers, rising',
    '1 to 64 numbers above 0, each larger than the one before',
    { show: (value) => value.join(', '), json: LIST },
  );

/** Several short texts or whole numbers: a YAML list, or text with commas (or another separator) between them. */
export const wordList = (
  o: Common<readonly string[]> & { pattern: Pick<RegExp, 'test'>; like: string; separator?: string },
) =>
  setting<readonly string[]>(
    list(
      z
        .string()
        .trim()
        .refine((word) => o.pattern.test(word)),
      (word) => (Number.isSafeInteger(word) ? String(word) : word),
      o.separator,
    ).refine(({ length }) => length <= 64),
    o,
    'list',
    `a list of ${o.like}`,
    {
      show: (value) => value.join(o.separator ?? ', '),
      json: { ...LIST, items: { type: ['string', 'integer'] } },
    },
  );

/** A required text that `read` parses, such as a URL. `problem`: the end of an error message, `is …, must be …`. */
export const required = <T>(
  kind: string,
  doc: string,
  read: (input: string) => { value: T } | { problem: string },
  show: (value: T) => string,
) =>
  register(
    z.unknown().transform((input, context): T => {
      const result = typeof input === 'string' ? read(input) : undefined;
      if (result && 'value' in result) return result.value;
      context.addIssue({ code: 'custom', input, params: result });
      return z.NEVER;
    }),
    { doc },
    kind,
    kind,
    { show, json: { type: 'string' } },
  );

/** A required number of at least 0, such as a price. Written as a number, never as text. */
export const amount = (o: { doc: string; max: number }) => register(amountSchema(o), o, ...amountTexts(o));

/** A number of at least 0 that may be missing. */
export const optionalAmount = (o: { doc: string; max: number }) =>
  register(amountSchema(o).optional(), o, ...amountTexts(o));

const amountSchema = ({ max }: { max: number }) => z.number().min(0).max(max);
const amountTexts = ({ max }: { max: number }): [kind: string, expected: string, more: More<unknown>] => [
  'number',
  `a number from 0 to ${max}, such as 0.15`,
  {},
];

/** A point in time in milliseconds since 1970, written as ISO 8601; it may be missing. */
export const optionalTime = (o: { doc: string }) =>
  register(
    z
      .string()
      .transform((input, context): number => {
        const ms = parseDate(input);
        if (ms !== undefined) return ms;
        context.addIssue({ code: 'custom', input });
        return z.NEVER;
      })
      .optional(),
    o,
    'time',
    'a time such as 2026-12-01 or 2026-12-01T08:00:00Z (without a zone: UTC)',
    { show: (ms) => (ms === undefined ? '' : new Date(ms).toISOString()), json: { type: 'string' } },
  );

/** A section: the named settings and no others. A missing section has all defaults. */
export const section = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape).prefault({} as never);

/** A list of sections. */
export const listOf = <S extends z.ZodType>(item: S, min = 0) =>
  z
    .array(item)
    .min(min)
    .prefault([] as never);

export type AnySchema = z.ZodType;

/** The type of a section once it is read. */
export type Settings<S extends AnySchema> = z.output<S>;
