// The value of an expression for a row, written again from the contract and without regard to time: a reference for the
// compiled form.
import type { Expr } from '../../../src/telemetry/btql/tree.ts';

type Row = Readonly<Record<string, unknown>>;

const isNumber = (value: unknown): value is number => typeof value === 'number';
const isText = (value: unknown): value is string => typeof value === 'string';
const json = (value: unknown): string => JSON.stringify(value);
const text = (value: unknown): string => (isText(value) ? value : value === null ? '' : json(value));

/** All ways to read a name with dots: as a whole, then split at each dot. */
function lookUp(value: unknown, parts: readonly string[]): unknown {
  if (parts.length === 0) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  for (const length of [parts.length, ...parts.keys()]) {
    const name = parts.slice(0, length).join('.');
    if (length === 0 || !Object.hasOwn(value, name)) continue;
    const found = lookUp((value as Row)[name], parts.slice(length));
    if (found !== undefined) return found;
  }
  return undefined;
}

function fieldOf(row: Row, [...name]: readonly (string | number)[]): unknown {
  const index = name.findIndex(isNumber);
  const names = (index === -1 ? name : name.slice(0, index)) as string[];
  let value = lookUp(row, names.join('.').split('.'));
  for (const part of index === -1 ? [] : name.slice(index))
    value = isNumber(part)
      ? Array.isArray(value)
        ? (value as unknown[]).at(part)
        : null
      : lookUp(value, part.split('.'));
  const isOfNumbers = name.length > 1 && (name[0] === 'scores' || name[0] === 'metrics');
  return isOfNumbers && !isNumber(value) ? null : (value ?? null);
}

function isSame(a: unknown, b: unknown): boolean {
  if (isNumber(a) !== isNumber(b) && (isText(a) || isText(b)))
    return String(a) === String(b) && (isNumber(a) || isNumber(b));
  if (typeof a === 'object' && typeof b === 'object') return json(a) === json(b);
  return a === b;
}

/** Below, equal, above, or no order. */
function order(a: unknown, b: unknown): number | undefined {
  const number = (value: unknown): number =>
    isText(value) ? (value.trim() === '' ? NaN : Number(value)) : Number(value);
  if (isNumber(a) !== isNumber(b) && (isText(a) || isText(b))) {
    if (!isNumber(a) && !isNumber(b)) return undefined;
    const difference = number(a) - number(b);
    return Number.isNaN(difference) ? undefined : difference;
  }
  if (typeof a !== typeof b || typeof a === 'object') return undefined;
  const [left, right] = [a as string, b as string];
  return left < right ? -1 : left > right ? 1 : 0;
}

const isTrue = (value: unknown): boolean | null =>
  value === null
    ? null
    : isNumber(value)
      ? value !== 0
      : isText(value)
        ? value !== ''
        : typeof value === 'boolean'
          ? value
          : true;

const escaped = (part: string): string => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

function isLike(value: string, pattern: string): boolean {
  const source = pattern.replace(/\\[\\%]|[\s\S]/gu, (part) =>
    part === '%' ? '[\\s\\S]*' : escaped(part.length > 1 && part.startsWith('\\') ? part.slice(1) : part),
  );
  return new RegExp(`^${source}$`).test(value);
}

const has = (whole: unknown, part: unknown): boolean => {
  if (Array.isArray(part)) return part.every((one) => has(whole, one));
  if (Array.isArray(whole)) return whole.some((one) => isSame(one, part));
  return isText(whole) && (isText(part) || isNumber(part)) && whole.includes(String(part));
};

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
const numeric = (value: unknown): number | null =>
  typeof value === 'boolean' ? Number(value) : isNumber(value) ? value : null;

/** Only for operators without times. */
export function naiveValue(expr: Expr, row: Row): unknown {
  const of = (one: Expr): unknown => naiveValue(one, row) ?? null;
  switch (expr.op) {
    case 'literal':
      return expr.value;
    case 'ident':
      return fieldOf(row, expr.name);
    case 'and':
    case 'or': {
      const values = new Set(expr.children.map((one) => isTrue(of(one))));
      const ends = expr.op === 'or';
      return values.has(ends) ? ends : values.has(null) ? null : !ends;
    }
    case 'not': {
      const value = isTrue(of(expr.expr));
      return value === null ? null : !value;
    }
    case 'isnull':
      return of(expr.expr) === null;
    case 'isnotnull':
      return of(expr.expr) !== null;
    case 'neg': {
      const value = numeric(of(expr.expr));
      return value === null ? null : -value;
    }
    case 'if':
      return of(isTrue(of(expr.cond)) === true ? expr.yes : expr.no);
    case 'star':
    case 'interval':
    case 'function':
      throw new TypeError(`${expr.op} is not a part of the reference`);
    default:
  }
  const [a, b] = [of(expr.left), of(expr.right)];
  switch (expr.op) {
    case 'includes':
      return has(a, b);
    case 'match':
      throw new TypeError('words are those of the log store');
    case 'in': {
      const isIn = (one: unknown): boolean => (b as unknown[]).some((known) => isSame(one, known));
      return a === null ? null : isIn(a) || (Array.isArray(a) && a.some(isIn));
    }
    case 'like':
      return a === null || b === null ? null : isLike(text(a), text(b));
    case 'ilike':
      return a === null || b === null ? null : isLike(text(a).toLowerCase(), text(b).toLowerCase());
    case 'eq':
      return a === null || b === null ? null : isSame(a, b);
    case 'ne':
      return a === null || b === null ? null : !isSame(a, b);
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge': {
      const found = a === null || b === null ? undefined : order(a, b);
      if (found === undefined) return null;
      return { lt: found < 0, le: found <= 0, gt: found > 0, ge: found >= 0 }[expr.op];
    }
    default: {
      const [x, y] = [numeric(a), numeric(b)];
      if (x === null || y === null) return null;
      return finite({ add: x + y, sub: x - y, mul: x * y, div: x / y, mod: x % y }[expr.op]);
    }
  }
}
