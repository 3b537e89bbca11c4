// Compiles an expression to a function of a row (docs/contracts/btql.md 4).
// Invariant: names, types and numbers of arguments are checked once, so that evaluating a row never fails.
import { unknownName } from '../../core/nearest-name.ts';
import { addInterval, intervalOf } from './btql-time.ts';
import {
  type ValueType,
  type Compiled,
  type Scope,
  constant,
  timeValue,
  asTime,
  NO_ROW,
  made,
  asNumber,
} from './compiled.ts';
import { FUNCTIONS } from './functions.ts';
import { functionName, QueryError, type BinaryOp, type FunctionCall, type Expr } from './tree.ts';
import { compare, includes, isEqual, likeTest, textOf, truth, wordsTest } from './values.ts';

/** Names of aggregates, for messages here; aggregate.ts computes them. */
const AGGREGATES = [
  'count',
  'count_distinct',
  'sum',
  'avg',
  'min',
  'max',
  'percentile',
  'any_value',
] as const;
export const isAggregate = (expr: Expr): expr is FunctionCall =>
  expr.op === 'function' && (AGGREGATES as readonly string[]).includes(functionName(expr));

export function compile<Row>(expr: Expr, scope: Scope<Row>): Compiled<Row> {
  const given = scope.override?.(expr);
  if (given !== undefined) return given;
  const sub = (one: Expr): Compiled<Row> => compile(one, scope);
  const value = (one: Expr): Compiled<Row> => {
    const compiled = sub(one);
    if (compiled.type === 'interval')
      throw new QueryError('an interval can only be added to a time or subtracted from it', one.at);
    return compiled;
  };
  switch (expr.op) {
    case 'literal':
      return constant(expr.value, typeOf(expr.value));
    case 'interval':
      return { ...constant<Row>(null, 'interval'), interval: intervalOf(expr.value, expr.unit) };
    case 'ident':
      return scope.field(expr);
    case 'star':
      throw new QueryError('* is allowed in select and in count(*) only', expr.at);
    case 'function':
      return call(expr, scope, value);
    case 'and':
    case 'or':
      return logic(expr.op, expr.children.map(value));
    case 'not': {
      const of = value(expr.expr);
      return made('boolean', [of], (row) => {
        const is = truth(of.of(row));
        return is === null ? null : !is;
      });
    }
    case 'isnull':
    case 'isnotnull': {
      const of = value(expr.expr);
      const isNull = expr.op === 'isnull';
      return made('boolean', [of], (row) => ((of.of(row) ?? null) === null) === isNull);
    }
    case 'neg': {
      const of = value(expr.expr);
      return made('number', [of], (row) => {
        const number = asNumber(of.of(row));
        return number === null ? null : -number;
      });
    }
    case 'if': {
      const [cond, yes, no] = [value(expr.cond), value(expr.yes), value(expr.no)];
      const type = yes.type === no.type && yes.type !== 'time' ? yes.type : 'any';
      return made(type, [cond, yes, no], (row) => (truth(cond.of(row)) === true ? yes : no).of(row));
    }
    default:
      return binary(expr, sub, value);
  }
}

function typeOf(value: unknown): ValueType {
  if (typeof value === 'string') return 'text';
  return typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'any';
}

function call<Row>(
  expr: FunctionCall,
  scope: Scope<Row>,
  value: (one: Expr) => Compiled<Row>,
): Compiled<Row> {
  const name = functionName(expr);
  if ((AGGREGATES as readonly string[]).includes(name))
    throw new QueryError(
      `${name}() is an aggregate; use it in select, measures, HAVING or sort, and not inside another aggregate or a filter`,
      expr.at,
    );
  const known = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (known === undefined)
    throw new QueryError(
      unknownName('function', expr.name.name[0], [...Object.keys(FUNCTIONS), ...AGGREGATES]),
      expr.at,
    );
  const [least, most] = known.args;
  if (expr.args.length < least || expr.args.length > most) {
    const wanted =
      least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
    throw new QueryError(
      `${name}() takes ${wanted} argument${wanted === '1' ? '' : 's'}, not ${expr.args.length}`,
      expr.at,
    );
  }
  return known.compile(expr.args.map(value) as readonly Compiled<unknown>[], { expr, scope });
}

function logic<Row>(op: 'and' | 'or', parts: readonly Compiled<Row>[]): Compiled<Row> {
  const ends = op === 'or';
  return made('boolean', parts, (row) => {
    let isUnknown = false;
    for (const part of parts) {
      const is = truth(part.of(row));
      if (is === ends) return ends;
      isUnknown ||= is === null;
    }
    return isUnknown ? null : !ends;
  });
}

const ARITHMETIC: Readonly<Partial<Record<BinaryOp, (a: number, b: number) => number>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  mod: (a, b) => a % b,
};
const ORDER: Readonly<Partial<Record<BinaryOp, (order: number) => boolean>>> = {
  lt: (order) => order < 0,
  le: (order) => order <= 0,
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
};

type BinaryExpr = Extract<Expr, { readonly op: BinaryOp }>;

function binary<Row>(
  expr: BinaryExpr,
  sub: (one: Expr) => Compiled<Row>,
  value: (one: Expr) => Compiled<Row>,
): Compiled<Row> {
  const { op } = expr;
  const isSum = op === 'add' || op === 'sub';
  const [left, right] = isSum ? [sub(expr.left), sub(expr.right)] : [value(expr.left), value(expr.right)];
  if (isSum && (left.interval ?? right.interval) !== undefined) return shifted(expr, left, right);
  const both = [left, right];
  const arithmetic = ARITHMETIC[op];
  if (arithmetic !== undefined) {
    if (left.type === 'time' || right.type === 'time')
      throw new QueryError('times have no arithmetic with numbers; write now() - interval 1 day', expr.at);
    return made('number', both, (row) => {
      const [a, b] = [asNumber(left.of(row)), asNumber(right.of(row))];
      return a === null || b === null ? null : asNumber(arithmetic(a, b));
    });
  }
  if (op === 'eq' || op === 'ne' || ORDER[op] !== undefined) return comparison(expr, left, right);
  return made('boolean', both, search(op, left, right));
}

/** A time plus or minus an interval. */
function shifted<Row>(expr: BinaryExpr, left: Compiled<Row>, right: Compiled<Row>): Compiled<Row> {
  const isLeft = right.interval === undefined;
  if (left.interval && right.interval)
    throw new QueryError('intervals cannot be added to each other', expr.at);
  if (isLeft && expr.op === 'sub')
    throw new QueryError('a time cannot be subtracted from an interval', expr.at);
  const [time, interval] = isLeft ? [right, left.interval!] : [left, right.interval];
  const ms = asTime(time, isLeft ? expr.right : expr.left, NO_ROW);
  const sign = expr.op === 'sub' ? -1 : 1;
  return timeValue((row) => {
    const at = ms(row);
    return at === null ? null : addInterval(at, interval, sign);
  }, time.isConstant);
}

function comparison<Row>(expr: BinaryExpr, left: Compiled<Row>, right: Compiled<Row>): Compiled<Row> {
  const order = ORDER[expr.op];
  const both = [left, right];
  if (left.type === 'time' || right.type === 'time') {
    const [a, b] = [asTime(left, expr.left, NO_ROW), asTime(right, expr.right, NO_ROW)];
    return made('boolean', both, (row) => {
      const [x, y] = [a(row), b(row)];
      if (x === null || y === null) return null;
      return order ? order(x - y) : (x === y) === (expr.op === 'eq');
    });
  }
  if (order !== undefined)
    return made('boolean', both, (row) => {
      const found = compare(left.of(row) ?? null, right.of(row) ?? null);
      return found === undefined ? null : order(found);
    });
  const isWanted = expr.op === 'eq';
  return made('boolean', both, (row) => {
    const [a, b] = [left.of(row) ?? null, right.of(row) ?? null];
    return a === null || b === null ? null : isEqual(a, b) === isWanted;
  });
}

/** A test for values that are equal to one of a list. Its time does not grow with the number of texts and numbers. */
function memberTest(list: unknown): (value: unknown) => boolean {
  const values = Array.isArray(list) ? (list as unknown[]) : [list];
  const hasText = (value: unknown): value is string | number =>
    typeof value === 'string' || typeof value === 'number';
  // A number equals its text.
  const texts = new Set(values.filter(hasText).map(String));
  const others = values.filter((value) => !hasText(value));
  return (value) =>
    hasText(value) ? texts.has(String(value)) : others.some((other) => isEqual(value, other));
}

/** LIKE, MATCH, INCLUDES and IN. */
function search<Row>(op: BinaryOp, left: Compiled<Row>, right: Compiled<Row>): (row: Row) => unknown {
  /** The test of a pattern, which is made once for a constant. */
  const prepared = (
    make: (pattern: string) => (value: unknown) => boolean,
  ): ((row: Row) => (value: unknown) => boolean) => {
    if (!right.isConstant) return (row) => make(textOf(right.of(row)));
    const test = make(textOf(right.of(NO_ROW)));
    return () => test;
  };
  switch (op) {
    case 'like':
    case 'ilike': {
      const lower = (text: string): string => (op === 'ilike' ? text.toLowerCase() : text);
      const testOf = prepared((pattern) => {
        const test = likeTest(lower(pattern));
        return (value) => test(lower(textOf(value)));
      });
      return (row) => {
        const value = left.of(row) ?? null;
        return value === null || (right.of(row) ?? null) === null ? null : testOf(row)(value);
      };
    }
    case 'match': {
      const testOf = prepared(wordsTest);
      return (row) => testOf(row)(left.of(row));
    }
    case 'includes':
      return (row) => includes(left.of(row), right.of(row) ?? null);
    default: {
      const constant = right.isConstant ? memberTest(right.of(NO_ROW)) : undefined;
      return (row) => {
        const value = left.of(row) ?? null;
        if (value === null) return null;
        const isIn = constant ?? memberTest(right.of(row));
        return isIn(value) || (Array.isArray(value) && value.some(isIn));
      };
    }
  }
}
