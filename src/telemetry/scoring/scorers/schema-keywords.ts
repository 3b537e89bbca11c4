// The keywords of JSON schema: what each of them checks.
// Invariant: a keyword checks only values of the type it is for, and takes steps of the run for all that it does.
import { isObject, type JsonObject } from '../../../protocol/llm/json-values.ts';
import { compileRegex } from '../../logs/logs.ts';
import type { SchemaCheck, SchemaCompiler, SchemaRun } from './json-schema.ts';

/** Returns the checks of a keyword. Problems are added to the compiler. */
export type SchemaKeyword = (
  value: unknown,
  at: string,
  compiler: SchemaCompiler,
  /** The schema that the keyword is in. */
  schema: JsonObject,
) => SchemaCheck | readonly SchemaCheck[];

/** Keywords that check nothing, `format` too, and those that `if` reads. */
export const ANNOTATIONS: ReadonlySet<string> = new Set(
  '$schema $id $comment title description default examples deprecated readOnly writeOnly format contentMediaType contentEncoding contentSchema then else'.split(
    ' ',
  ),
);

/** Longest text that a pattern is searched in, in characters. */
const MAX_SEARCHED = 65_536;

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isTextList = (value: unknown): value is readonly string[] => isList(value) && value.every(isText);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  object: isObject,
  array: isList,
  number: isNumber,
  string: isText,
  integer: Number.isInteger,
};

/** JSON with the fields of objects in one order. */
function canonical(value: unknown): string {
  if (isList(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
}

const canonicalIn = (value: unknown, run: SchemaRun): string => {
  const text = canonical(value);
  run.spend(text.length);
  return text;
};

/** A keyword with a number of at least 0: how many characters, items or fields there may be. */
const count =
  <T>(
    is: (value: unknown) => value is T,
    lengthOf: (value: T) => number,
    holds: (length: number, limit: number) => boolean,
  ): SchemaKeyword =>
  (limit, at, compiler) =>
    Number.isInteger(limit) && (limit as number) >= 0
      ? (value, run) => !is(value) || (run.spend(1) && holds(lengthOf(value), limit as number))
      : compiler.wrong(at, 'must be a whole number of at least 0');

/** A keyword with a number that numbers are compared with. */
const bound =
  (holds: (value: number, limit: number) => boolean): SchemaKeyword =>
  (limit, at, compiler) =>
    isNumber(limit)
      ? (value) => !isNumber(value) || holds(value, limit)
      : compiler.wrong(at, 'must be a number');

/** A keyword with a list of schemas. `holds`: how many of them a value may pass. */
const schemas =
  (holds: (passed: number, all: number) => boolean): SchemaKeyword =>
  (list, at, compiler) => {
    if (!isList(list) || list.length === 0) return compiler.wrong(at, 'must be a list of schemas');
    const checks = list.map((schema, i) => compiler.compile(schema, `${at}[${i}]`));
    return (value, run) =>
      holds(
        checks.reduce((passed, check) => passed + (check(value, run) ? 1 : 0), 0),
        checks.length,
      );
  };

/** Characters, not UTF-16 units. */
const characters = (text: string): number => Array.from(text).length;
const fields = (value: JsonObject): number => Object.keys(value).length;
const items = (value: readonly unknown[]): number => value.length;
const most = (length: number, limit: number): boolean => length <= limit;
const least = (length: number, limit: number): boolean => length >= limit;

export const KEYWORDS: Readonly<Record<string, SchemaKeyword>> = {
  $defs: definitions,
  definitions,
  $ref: (reference, at, compiler) => compiler.refer(reference, at),

  type: (type, at, compiler) => {
    const names = isText(type) ? [type] : isTextList(type) ? type : [];
    if (names.length === 0 || !names.every((name) => Object.hasOwn(TYPES, name)))
      return compiler.wrong(at, `must be one of ${Object.keys(TYPES).join(', ')}, or a list of them`);
    return (value) => names.some((name) => TYPES[name]!(value));
  },
  enum: (list, at, compiler) => {
    if (!isList(list)) return compiler.wrong(at, 'must be a list of values');
    const allowed = new Set(list.map(canonical));
    return (value, run) => allowed.has(canonicalIn(value, run));
  },
  const: (constant) => {
    const allowed = canonical(constant);
    return (value, run) => canonicalIn(value, run) === allowed;
  },

  maximum: bound((value, limit) => value <= limit),
  minimum: bound((value, limit) => value >= limit),
  exclusiveMaximum: bound((value, limit) => value < limit),
  exclusiveMinimum: bound((value, limit) => value > limit),
  multipleOf: (divisor, at, compiler) =>
    isNumber(divisor) && divisor > 0
      ? (value) => !isNumber(value) || isMultiple(value / divisor)
      : compiler.wrong(at, 'must be a number above 0'),

  maxLength: count(isText, characters, most),
  minLength: count(isText, characters, least),
  pattern: (pattern, at, compiler) => {
    const find = finder(pattern, at, compiler);
    return (value, run) => !isText(value) || find(value, run);
  },

  maxItems: count(isList, items, most),
  minItems: count(isList, items, least),
  uniqueItems: (wanted, at, compiler) =>
    typeof wanted === 'boolean'
      ? (value, run) =>
          !wanted ||
          !isList(value) ||
          new Set(value.map((item) => canonicalIn(item, run))).size === value.length
      : compiler.wrong(at, 'must be true or false'),
  prefixItems: (list, at, compiler) => listItems(list, at, compiler),
  // Draft 7: a list of schemas, and `additionalItems` for the rest.
  items: (given, at, compiler, { prefixItems }) =>
    isList(given)
      ? listItems(given, at, compiler)
      : restItems(given, at, compiler, isList(prefixItems) ? prefixItems.length : 0),
  additionalItems: (given, at, compiler, { items: first }) =>
    isList(first) ? restItems(given, at, compiler, first.length) : [],
  contains: (given, at, compiler, { minContains = 1, maxContains = Infinity }) => {
    const check = compiler.compile(given, at);
    return (value, run) => {
      if (!isList(value)) return true;
      const found = value.reduce<number>((sum, item) => sum + (check(item, run) ? 1 : 0), 0);
      return found >= (minContains as number) && found <= (maxContains as number);
    };
  },
  minContains: contained,
  maxContains: contained,

  maxProperties: count(isObject, fields, most),
  minProperties: count(isObject, fields, least),
  required: (names, at, compiler) =>
    isTextList(names)
      ? (value, run) =>
          !isObject(value) || (run.spend(names.length) && names.every((name) => Object.hasOwn(value, name)))
      : compiler.wrong(at, 'must be a list of names'),
  properties: (given, at, compiler) =>
    eachNamed(
      given,
      at,
      compiler,
      (name, check) => (value, run) =>
        !isObject(value) || !Object.hasOwn(value, name) || check(value[name], run),
    ),
  patternProperties: (given, at, compiler) =>
    eachNamed(given, at, compiler, (pattern, check) => {
      const find = finder(pattern, at, compiler);
      return (value, run) =>
        !isObject(value) ||
        Object.keys(value).every((name) => run.spend(1) && (!find(name, run) || check(value[name], run)));
    }),
  additionalProperties: (given, at, compiler, { properties, patternProperties }) => {
    const check = compiler.compile(given, at);
    const named = isObject(properties) ? properties : {};
    const patterns = isObject(patternProperties) ? Object.keys(patternProperties) : [];
    const finders = patterns.map((pattern) => finder(pattern, at, compiler));
    const isAdditional = (name: string, run: SchemaRun): boolean =>
      run.spend(1) && !Object.hasOwn(named, name) && !finders.some((find) => find(name, run));
    return (value, run) =>
      !isObject(value) ||
      Object.keys(value).every((name) => !isAdditional(name, run) || check(value[name], run));
  },
  propertyNames: (given, at, compiler) => {
    const check = compiler.compile(given, at);
    return (value, run) => !isObject(value) || Object.keys(value).every((name) => check(name, run));
  },
  dependentRequired: (given, at, compiler) => dependencies(given, at, compiler),
  dependentSchemas: (given, at, compiler) => dependencies(given, at, compiler),
  dependencies: (given, at, compiler) => dependencies(given, at, compiler),

  allOf: schemas((passed, all) => passed === all),
  anyOf: schemas((passed) => passed > 0),
  oneOf: schemas((passed) => passed === 1),
  not: (given, at, compiler) => {
    const check = compiler.compile(given, at);
    return (value, run) => !check(value, run);
  },
  if: (given, at, compiler, { then = true, else: otherwise = true }) => {
    const check = compiler.compile(given, at);
    const [yes, no] = [compiler.compile(then, `${at} then`), compiler.compile(otherwise, `${at} else`)];
    return (value, run) => (check(value, run) ? yes : no)(value, run);
  },
};

/** Definitions check nothing by themselves, but are to be valid. */
function definitions(given: unknown, at: string, compiler: SchemaCompiler): readonly SchemaCheck[] {
  eachNamed(given, at, compiler, (_, check) => check);
  return [];
}

function contained(limit: unknown, at: string, compiler: SchemaCompiler): readonly SchemaCheck[] {
  if (!Number.isInteger(limit) || (limit as number) < 0)
    compiler.wrong(at, 'must be a whole number of at least 0');
  return [];
}

/** The checks of an object of schemas. */
function eachNamed(
  given: unknown,
  at: string,
  compiler: SchemaCompiler,
  make: (name: string, check: SchemaCheck) => SchemaCheck,
): readonly SchemaCheck[] {
  if (!isObject(given)) return [compiler.wrong(at, 'must be an object of schemas')];
  return Object.entries(given).map(([name, schema]) => make(name, compiler.compile(schema, `${at}.${name}`)));
}

function listItems(list: unknown, at: string, compiler: SchemaCompiler): readonly SchemaCheck[] {
  if (!isList(list)) return [compiler.wrong(at, 'must be a list of schemas')];
  return list.map((schema, i) => {
    const check = compiler.compile(schema, `${at}[${i}]`);
    return (value, run) => !isList(value) || value.length <= i || check(value[i], run);
  });
}

/** The items after the first `start`. */
function restItems(given: unknown, at: string, compiler: SchemaCompiler, start: number): SchemaCheck {
  const check = compiler.compile(given, at);
  return (value, run) => !isList(value) || value.every((item, i) => i < start || check(item, run));
}

/** By the name of a field: names of fields, or a schema, that a value with this field must have. */
function dependencies(given: unknown, at: string, compiler: SchemaCompiler): readonly SchemaCheck[] {
  if (!isObject(given)) return [compiler.wrong(at, 'must be an object')];
  return Object.entries(given).map(([name, needed]) => {
    const check = isTextList(needed)
      ? (value: unknown) => needed.every((other) => Object.hasOwn(value as JsonObject, other))
      : compiler.compile(needed, `${at}.${name}`);
    return (value, run) => !isObject(value) || !Object.hasOwn(value, name) || check(value, run);
  });
}

/** RE2, so that a search takes time linear in the text. */
function finder(
  pattern: unknown,
  at: string,
  compiler: SchemaCompiler,
): (text: string, run: SchemaRun) => boolean {
  const regex = isText(pattern) ? compileRegex(pattern) : 'must be a regular expression';
  if (isText(regex)) {
    compiler.wrong(at, isText(pattern) ? `is an ${regex}` : regex);
    return () => false;
  }
  return (text, run) => {
    if (text.length > MAX_SEARCHED) run.problem ||= `a text is too long for a pattern of the schema`;
    return run.spend(1 + text.length) && regex.test(text);
  };
}

/** Quotients are not exact: 0.0075 / 0.0001 is 75.00000000000001. */
const isMultiple = (quotient: number): boolean =>
  Math.abs(quotient - Math.round(quotient)) <= 4 * Number.EPSILON * Math.abs(quotient);
