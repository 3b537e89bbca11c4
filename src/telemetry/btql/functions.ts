// The functions of BTQL that work on single values.
// Invariant: a function returns null for values that it has no meaning for, and never throws for a row.
import { truncateTime, intervalOf, timeOfValue } from './btql-time.ts';
import {
  asNumber,
  asTime,
  constant,
  made,
  NO_ROW,
  timeValue,
  type Compiled,
  type Scope,
  type ValueType,
} from './compiled.ts';
import { compileCost } from './span-prices.ts';
import { QueryError, UNITS, type FunctionCall, type IntervalUnit } from './tree.ts';
import { compareForSort, includes, isEqual, textOf, wordsTest } from './values.ts';

type Any = Compiled<unknown>;

interface CallSite {
  readonly expr: FunctionCall;
  readonly scope: Scope<never>;
}

interface BtqlFunction {
  /** Least and most number of arguments. */
  readonly args: readonly [number, number];
  readonly compile: (args: readonly Any[], site: CallSite) => Any;
}

/** Longest text that concat makes, in UTF-16 code units. */
const MAX_TEXT = 1024 ** 2;
/** Fields that search() looks into. */
const SEARCHED = ['input', 'output', 'expected', 'metadata', 'tags', 'span_attributes'];

const simple = (
  least: number,
  most: number,
  type: ValueType,
  of: (...values: readonly unknown[]) => unknown,
): BtqlFunction => ({
  args: [least, most],
  compile: (args) => made(type, args, (row) => of(...args.map((arg) => arg.of(row) ?? null))),
});

const onNumber = (of: (value: number) => number): BtqlFunction =>
  simple(1, 1, 'number', (value) => {
    const number = asNumber(value);
    return number === null ? null : of(number);
  });

const onText = (of: (text: string) => unknown, type: ValueType = 'text'): BtqlFunction =>
  simple(1, 1, type, (value) => (value === null ? null : of(textOf(value))));

const truncation = (unit: IntervalUnit): BtqlFunction => ({
  args: [1, 1],
  compile: ([time], { expr, scope }) => truncated(time!, expr, 0, unit, 1, scope),
});

function truncated(
  time: Any,
  expr: FunctionCall,
  index: number,
  unit: IntervalUnit,
  count: number,
  { westMs }: Pick<Scope<never>, 'westMs'>,
): Any {
  const ms = asTime(time, expr.args[index]!, NO_ROW);
  return timeValue((row) => {
    const at = ms(row);
    return at === null ? null : truncateTime(at, unit, count, westMs);
  }, time.isConstant);
}

/** `date_trunc('15 minutes', x)`. */
function dateTrunc([step, time]: readonly Any[], { expr, scope }: CallSite): Any {
  const text = step!.isConstant ? step!.of(NO_ROW) : undefined;
  const [, count = '1', name = ''] = /^\s*(?:(\d{1,9})\s+)?([a-z]+?)s?\s*$/i.exec(String(text)) ?? [];
  const unit = name.toLowerCase() as IntervalUnit;
  const isMultiple = Number(count) !== 1;
  if (!UNITS.includes(unit) || Number(count) < 1 || (isMultiple && ['week', 'month', 'year'].includes(unit)))
    throw new QueryError(
      "date_trunc() takes a unit (second, minute, hour, day, week, month, year) or a multiple of it up to days, as in '15 minutes'",
      expr.args[0]!.at,
    );
  return truncated(time!, expr, 1, unit, Number(count), scope);
}

function concatenated(...values: readonly unknown[]): string {
  let text = '';
  for (const value of values) text += textOf(value);
  return text.slice(0, MAX_TEXT);
}

function rounded(value: unknown, digits: unknown): number | null {
  const number = asNumber(value);
  const places = digits === undefined ? 0 : asNumber(digits);
  if (number === null || places === null) return null;
  const cut = Math.trunc(Math.min(Math.max(places, -15), 15));
  // Through the text, since 1.005 * 100 is less than 100.5.
  const [mantissa, exponent = '0'] = String(number).split('e');
  const scaled = Math.round(Number(`${mantissa}e${Number(exponent) + cut}`));
  return asNumber(Number(`${scaled}e${-cut}`));
}

/** Looks up a path such as `results[-1].score` in a value or in its JSON text. */
function extracted(value: unknown, path: unknown): unknown {
  let at = typeof value === 'string' ? parsed(value) : value;
  for (const [, name, quoted, index] of textOf(path).matchAll(/([^.[\]"$]+)|"([^"]*)"|\[(-?\d+)\]/g)) {
    if (typeof at !== 'object' || at === null) return null;
    if (index !== undefined) at = Array.isArray(at) ? (at as unknown[]).at(Number(index)) : null;
    else {
      const key = name ?? quoted!;
      at = Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : null;
    }
  }
  return at ?? null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function toNumber(value: unknown): number | null {
  if (typeof value !== 'string') return asNumber(value);
  return value.trim() === '' ? null : asNumber(Number(value));
}

function toBoolean(value: unknown): boolean | null {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  const text = typeof value === 'string' ? value.trim().toLowerCase() : '';
  if (['true', 't', 'yes', '1'].includes(text)) return true;
  return ['false', 'f', 'no', '0'].includes(text) ? false : null;
}

function extreme(sign: 1 | -1): BtqlFunction {
  return simple(1, Infinity, 'any', (...values) =>
    values
      .filter((value) => value !== null)
      .reduce<unknown>(
        (best, value) => (best === null || sign * compareForSort(value, best) > 0 ? value : best),
        null,
      ),
  );
}

const now = (): BtqlFunction => ({
  args: [0, 0],
  compile: (_, { scope: { nowMs } }) => timeValue(() => nowMs, true),
});

const lengthOf = (value: unknown): number | null => {
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.length;
  return typeof value === 'object' && value !== null ? Object.keys(value).length : null;
};

export const FUNCTIONS: Readonly<Record<string, BtqlFunction>> = {
  second: truncation('second'),
  minute: truncation('minute'),
  hour: truncation('hour'),
  day: truncation('day'),
  week: truncation('week'),
  month: truncation('month'),
  year: truncation('year'),
  date_trunc: { args: [2, 2], compile: dateTrunc },
  now: now(),
  current_timestamp: now(),
  current_date: {
    args: [0, 0],
    compile: (_, { scope: { nowMs, westMs } }) =>
      timeValue(() => truncateTime(nowMs, 'day', 1, westMs), true),
  },
  lower: onText((text) => text.toLowerCase()),
  upper: onText((text) => text.toUpperCase()),
  concat: simple(1, Infinity, 'text', concatenated),
  len: simple(1, 1, 'integer', lengthOf),
  length: simple(1, 1, 'integer', lengthOf),
  contains: simple(2, 2, 'boolean', includes),
  search: {
    args: [1, 1],
    compile([words], { expr, scope }) {
      const given = words!.isConstant ? words!.of(NO_ROW) : undefined;
      if (typeof given !== 'string')
        throw new QueryError('search() takes a text in quotes', expr.args[0]!.at);
      const test = wordsTest(given);
      const fields = SEARCHED.map((name) => (scope as Scope<unknown>).field({ op: 'ident', name: [name] }));
      return made('boolean', fields, (row) => fields.some((field) => test(field.of(row))));
    },
  },
  json_extract: simple(2, 2, 'any', extracted),
  coalesce: simple(1, Infinity, 'any', (...values) => values.find((value) => value !== null) ?? null),
  nullif: simple(2, 2, 'any', (a, b) => (isEqual(a, b) ? null : a)),
  least: extreme(-1),
  greatest: extreme(1),
  round: simple(1, 2, 'number', rounded),
  floor: onNumber(Math.floor),
  ceil: onNumber(Math.ceil),
  abs: onNumber(Math.abs),
  to_string: onText((text) => text),
  to_boolean: simple(1, 1, 'boolean', toBoolean),
  to_integer: simple(1, 1, 'integer', (value) => {
    const number = toNumber(value);
    return number === null ? null : Math.trunc(number);
  }),
  to_number: simple(1, 1, 'number', toNumber),
  to_date: {
    args: [1, 1],
    compile: ([time], { expr, scope }) => truncated(time!, expr, 0, 'day', 1, scope),
  },
  to_datetime: {
    args: [1, 1],
    compile([time]) {
      const ms = time!.ms ?? ((row: unknown) => timeOfValue(time!.of(row)));
      return timeValue(ms, time!.isConstant);
    },
  },
  to_interval: {
    args: [1, 1],
    compile([text], { expr }) {
      const given = text!.isConstant ? text!.of(NO_ROW) : undefined;
      const [, count, name = ''] = /^\s*(-?\d{1,9})\s+([a-z]+?)s?\s*$/i.exec(String(given)) ?? [];
      const unit = name.toLowerCase() as IntervalUnit;
      if (!UNITS.includes(unit))
        throw new QueryError("to_interval() takes a text such as '7 days'", expr.args[0]!.at);
      return { ...constant(null, 'interval'), interval: intervalOf(Number(count), unit) };
    },
  },
  estimated_cost: {
    args: [0, 0],
    compile: (_, { scope, expr }) => compileCost(scope as Scope<unknown>, expr.at),
  },
  any_span: {
    args: [1, 1],
    compile(_, { expr }) {
      throw new QueryError(
        'any_span() is allowed in the filter of the shapes traces and summary only',
        expr.at,
      );
    },
  },
};
