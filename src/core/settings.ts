// Kinds of settings. The options.ts files of all modules are written with them.
// Invariant: one schema gives the checks, `weir settings`, the table in the docs and the JSON schema for editors.
import { formatAddress, parseAddress, socketProblem, type Address } from './address.ts';
import {
  ListSchema,
  Refusal,
  SectionSchema,
  ValueSchema,
  type AnySchema,
  type JsonSchema,
} from './setting-schema.ts';
import { parseDate } from './time.ts';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

export type { AnySchema, SettingInfo, Settings } from './setting-schema.ts';

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
  /** True: the value may be missing, and is undefined then. */
  readonly isOptional?: boolean;
}

/** Reads an input that is not missing. */
type Parse<T> = (input: unknown) => T | Refusal;

/** A value in an error message: short, quoted if text. */
const quoted = (input: unknown): string => {
  const text = JSON.stringify(input) ?? String(input);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

const REFUSED = new Refusal();

/** The value if it passes. */
const passes = <T>(value: T, isRight: boolean): T | Refusal => (isRight ? value : REFUSED);

/**
 * A setting. `expected`: what would be right, as the end of `must be …`. `json`: the JSON schema of its text form or value;
 * description and default are added.
 */
function setting<T>(
  parse: Parse<T>,
  { doc, default: byDefault, alias }: { doc: string; default?: T; alias?: string },
  kind: string,
  expected: string,
  json: JsonSchema,
  { show = String, shown = quoted, secret = false, isOptional = false }: More<T> = {},
): ValueSchema<T> {
  const defaultText = byDefault === undefined ? undefined : show(byDefault);
  const wrong = (input: unknown) =>
    input === undefined ? 'is missing, ' : secret ? '' : `is ${shown(input)}, `;
  const hasTextForm = json['type'] === 'string' && typeof byDefault !== 'string';
  return new ValueSchema(
    {
      kind,
      doc,
      defaultText,
      secret,
      alias,
      show: (value) => (value === undefined ? '' : show(value as T)),
    },
    {
      ...json,
      description: doc,
      ...(byDefault !== undefined && { default: hasTextForm ? defaultText : byDefault }),
    },
    parse,
    (input) => `${wrong(input)}must be ${expected}`,
    byDefault === undefined && !isOptional ? undefined : { value: byDefault as T },
  );
}

/** Numbers in flags and variables are text. */
const numeric = (input: unknown): unknown =>
  typeof input === 'string' && /^-?\d*\.?\d+$/.test(input.trim()) ? Number(input) : input;

/** A number in any notation of JavaScript, such as 1e-3. */
const anyNumber = (input: unknown): unknown =>
  typeof input === 'string' ? (input.trim() === '' ? NaN : Number(input)) : input;

/** A number within bounds, both included. */
const within = (input: unknown, min: number, max: number, isWhole = false): number | Refusal =>
  typeof input === 'number' &&
  (isWhole ? Number.isSafeInteger(input) : Number.isFinite(input)) &&
  input >= min &&
  input <= max
    ? input
    : REFUSED;

/** Lists in flags and variables are text with separators. `item` reads each item. */
const list =
  <T>(item: Parse<T>, isRight: (items: readonly T[]) => boolean, separator = ','): Parse<readonly T[]> =>
  (input) => {
    const given: unknown =
      typeof input === 'string' ? input.split(separator).filter((one) => one.trim() !== '') : input;
    if (!Array.isArray(given)) return REFUSED;
    const items = Array.from(given, item);
    return items.some((one) => one instanceof Refusal) || !isRight(items as T[]) ? REFUSED : (items as T[]);
  };

/** JSON schema of a list that may also be text. */
const LIST = { type: ['array', 'string'] };

/** A whole number. */
export const int = (o: Common<number> & { min: number; max: number }) =>
  setting(
    (input) => within(numeric(input), o.min, o.max, true),
    o,
    'integer',
    `a whole number from ${o.min} to ${o.max}`,
    { type: 'integer', minimum: o.min, maximum: o.max },
  );

/** A whole number, or `auto`. */
export const intOrAuto = (o: Common<number | 'auto'> & { min: number; max: number }) =>
  setting<number | 'auto'>(
    (input) => (input === 'auto' ? input : within(numeric(input), o.min, o.max, true)),
    o,
    'integer \\| auto',
    `auto, or a whole number from ${o.min} to ${o.max}`,
    {
      anyOf: [
        { type: 'integer', minimum: o.min, maximum: o.max },
        { type: 'string', const: 'auto' },
      ],
    },
  );

/** A number from 0 to 1. */
export const fraction = (o: Common<number>) =>
  setting((input) => within(numeric(input), 0, 1), o, '0 to 1', 'a number from 0 to 1', {
    type: 'number',
    minimum: 0,
    maximum: 1,
  });

/** A time span in milliseconds, written with its unit. */
export const duration = (o: Common<number> & { min?: number; max?: number }) => {
  const { min = 0, max = 7 * 86_400_000 } = o;
  return setting(
    (input) =>
      within(typeof input === 'string' ? parseDuration(input) : input === 0 ? 0 : undefined, min, max),
    o,
    'duration',
    `a time from ${formatDuration(min)} to ${formatDuration(max)} with its unit, such as 500ms, 30s, 20m or 2h`,
    { type: 'string', pattern: '^(0|(\\d+(\\.\\d+)? ?(ns|us|µs|ms|[smhdw]) ?)+)$' },
    { show: formatDuration },
  );
};

/** A size in bytes, as a number or with a binary unit. */
export const bytes = (o: Common<number> & { min?: number; max?: number }) => {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = o;
  const least = min === 0 ? '' : ` of at least ${formatBytes(min)},`;
  const range = o.max === undefined ? least : ` from ${formatBytes(min)} to ${formatBytes(max)},`;
  return setting(
    (input) => within(typeof input === 'string' ? parseBytes(input) : input, min, max, true),
    o,
    'bytes',
    `a size${range} such as 64KiB, 100MiB or a number of bytes`,
    { type: ['string', 'integer'], pattern: '^\\d+(\\.\\d+)? ?([KMGT]iB|B)?$' },
    { show: formatBytes },
  );
};

/** One of a few words. */
export const choice = <const W extends readonly string[]>(words: W, o: Common<W[number]>) =>
  setting<W[number]>(
    (input) => passes(input as W[number], words.includes(input as W[number])),
    o,
    words.map((word) => (word === '' ? '(empty)' : word)).join(' \\| '),
    `one of ${words.map((word) => word || '""').join(', ')}`,
    { type: 'string', enum: words },
  );

/** True or false. */
export const flag = (o: Common<boolean>) =>
  setting(
    (input) => {
      const value = input === 'true' ? true : input === 'false' ? false : input;
      return typeof value === 'boolean' ? value : REFUSED;
    },
    o,
    'boolean',
    'true or false',
    { type: 'boolean' },
  );

/** Free text that matches `pattern`, if one is given. `show` hides secret parts. */
export const text = (
  o: Common<string> & { pattern?: RegExp; like?: string; show?: (value: string) => string },
) =>
  setting(
    (input) => {
      const value = typeof input === 'number' ? String(input) : input;
      return typeof value === 'string' && (o.pattern?.test(value) ?? true) ? value : REFUSED;
    },
    o,
    'text',
    o.like ?? (o.pattern ? `text like ${o.pattern}` : 'text'),
    { type: ['string', 'number'], ...(o.pattern && { pattern: o.pattern.source }) },
    {
      show: o.show,
      shown: (input) => quoted(typeof input === 'string' && o.show ? o.show(input) : input),
    },
  );

/** Text that is shown as ***. Empty means none. */
export const secret = (o: { doc: string; alias?: string; minLength: number }) =>
  setting<string>(
    (input) => (typeof input === 'string' && (input === '' || input.length >= o.minLength) ? input : REFUSED),
    { ...o, default: '' },
    'secret',
    `text of at least ${o.minLength} characters`,
    { type: 'string' },
    { secret: true },
  );

/** Several secrets, in order: a YAML list or text with commas. Shown as ***; empty means none. */
export const secrets = (o: { doc: string; minLength: number; max: number }) =>
  setting<readonly string[]>(
    list(
      (one) => (typeof one === 'string' && one.trim().length >= o.minLength ? one.trim() : REFUSED),
      ({ length }) => length <= o.max,
    ),
    { ...o, default: [] },
    'secrets',
    `up to ${o.max} texts of at least ${o.minLength} characters each`,
    { ...LIST, items: { type: 'string', minLength: o.minLength } },
    { show: (value) => value.join(', '), secret: true },
  );

/** An address to listen on: `host:port`, with IPv6 hosts in brackets, or `unix:` and the path of a Unix socket. */
export const address = (o: { doc: string; default: Address; alias?: string }) =>
  setting<Address>(
    (input) => {
      const text = typeof input === 'string' ? input : '';
      const problem = socketProblem(text);
      return parseAddress(text) ?? new Refusal(problem && `is ${quoted(input)}: ${problem}`);
    },
    o,
    'host:port',
    'host:port, such as 127.0.0.1:8080 or [::1]:8080, or unix:/run/weir.sock',
    { type: 'string', pattern: ':\\d+$|^unix:/' },
    { show: formatAddress },
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
    (input) => {
      const items: unknown = typeof input === 'string' ? input.split(',') : input;
      if (!Array.isArray(items)) return REFUSED;
      const all = Array.from(items, anyNumber) as number[];
      const isRising = all.every((n, i) => Number.isFinite(n) && n > (i === 0 ? 0 : all[i - 1]!));
      return passes(all, isRising && all.length >= 1 && all.length <= 64);
    },
    o,
    'numbers, rising',
    '1 to 64 numbers above 0, each larger than the one before',
    { ...LIST, items: { type: 'number', exclusiveMinimum: 0 } },
    { show: (value) => value.join(', ') },
  );

/** Several short texts or whole numbers: a YAML list, or text with commas (or another separator) between them. */
export const wordList = (
  o: Common<readonly string[]> & { pattern: Pick<RegExp, 'test'>; like: string; separator?: string },
) =>
  setting<readonly string[]>(
    list(
      (one) => {
        const word = Number.isSafeInteger(one) ? String(one) : one;
        return typeof word === 'string' && o.pattern.test(word.trim()) ? word.trim() : REFUSED;
      },
      ({ length }) => length <= 64,
      o.separator,
    ),
    o,
    'list',
    `a list of ${o.like}`,
    { ...LIST, items: { type: ['string', 'integer'] } },
    { show: (value) => value.join(o.separator ?? ', ') },
  );

/** A required text that `read` parses, such as a URL. `problem`: the end of an error message, `is …, must be …`. */
export const required = <T>(
  kind: string,
  doc: string,
  read: (input: string) => { value: T } | { problem: string },
  show: (value: T) => string,
) =>
  setting<T>(
    (input) => {
      if (typeof input !== 'string') return REFUSED;
      const result = read(input);
      return 'value' in result ? result.value : new Refusal(result.problem);
    },
    { doc },
    kind,
    kind,
    { type: 'string' },
    { show },
  );

interface AmountOptions {
  doc: string;
  max: number;
}

const amountOf = <T>({ doc, max }: AmountOptions, isOptional: boolean): ValueSchema<T> =>
  setting<T>(
    (input) => within(input, 0, max) as T | Refusal,
    { doc },
    'number',
    `a number from 0 to ${max}, such as 0.15`,
    { type: 'number', minimum: 0, maximum: max },
    { isOptional },
  );

/** A required number of at least 0, such as a price. Written as a number, never as text. */
export const amount = (o: AmountOptions) => amountOf<number>(o, false);

/** A number of at least 0 that may be missing. */
export const optionalAmount = (o: AmountOptions) => amountOf<number | undefined>(o, true);

/** A point in time in milliseconds since 1970, written as ISO 8601; it may be missing. */
export const optionalTime = (o: { doc: string }) =>
  setting<number | undefined>(
    (input) => (typeof input === 'string' ? parseDate(input) : undefined) ?? REFUSED,
    o,
    'time',
    'a time such as 2026-12-01 or 2026-12-01T08:00:00Z (without a zone: UTC)',
    { type: 'string' },
    { show: (ms) => (ms === undefined ? '' : new Date(ms).toISOString()), isOptional: true },
  );

/** A section: the named settings and no others. A missing section has all defaults. */
export const section = <S extends Readonly<Record<string, AnySchema>>>(shape: S): SectionSchema<S> =>
  new SectionSchema(shape);

/** A list of sections. `min`: fewest of them. */
export const listOf = <S extends AnySchema>(item: S, min = 0): ListSchema<S> => new ListSchema(item, min);
