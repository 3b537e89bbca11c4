// Writes queries and expressions as text.
// Invariant: parsing a printed query gives the same tree.
import {
  type BinaryOp,
  type BtqlValue,
  type Expr,
  type Item,
  type Query,
  type SortItem,
  type Source,
  type Unpivot,
} from './tree.ts';

const SIGNS: Readonly<Record<BinaryOp, string>> = {
  eq: '=',
  ne: '!=',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
  like: 'LIKE',
  ilike: 'ILIKE',
  match: 'MATCH',
  includes: 'INCLUDES',
  in: 'IN',
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
};
const PLAIN_NAME = /^[\p{L}_$][\p{L}\p{M}\p{N}_$]*$/u;
/** Words that mean something else at the begin of an expression or behind one. */
const WORDS = new Set(
  (
    'null true false not interval case current_date current_timestamp select from where group having order limit offset union join inner outer left right ' +
    'cross on as by asc desc with then else end when'
  ).split(' '),
);

const quoted = (text: string, quote: string): string =>
  quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) + quote;

function printValue(value: BtqlValue): string {
  if (typeof value === 'string') return quoted(value, "'");
  if (Array.isArray(value)) return `[${value.map(printValue).join(', ')}]`;
  return typeof value === 'object' && value !== null ? quoted(JSON.stringify(value), "'") : String(value);
}

function printName([first, ...rest]: readonly (string | number)[]): string {
  const head = String(first);
  let text = PLAIN_NAME.test(head) && !WORDS.has(head.toLowerCase()) ? head : quoted(head, '`');
  for (const part of rest)
    text +=
      typeof part === 'number' ? `[${part}]` : PLAIN_NAME.test(part) ? `.${part}` : `.${quoted(part, '"')}`;
  return text;
}

/** In parentheses, unless nothing around it can take it apart. */
function operand(expr: Expr): string {
  const text = printExpression(expr);
  const isWhole = ['literal', 'ident', 'star', 'interval', 'function'].includes(expr.op);
  return isWhole ? text : `(${text})`;
}

export function printExpression(expr: Expr): string {
  switch (expr.op) {
    case 'literal':
      return printValue(expr.value);
    case 'interval':
      return `interval ${expr.value < 0 ? `'${expr.value} ${expr.unit}'` : `${expr.value} ${expr.unit}`}`;
    case 'ident':
      return printName(expr.name);
    case 'star':
      return '*';
    case 'function':
      return `${expr.name.name[0]}(${expr.args.map(printExpression).join(', ')})`;
    case 'and':
    case 'or':
      return expr.children.map(operand).join(` ${expr.op.toUpperCase()} `);
    case 'not':
      return `NOT ${operand(expr.expr)}`;
    case 'neg':
      return `-(${printExpression(expr.expr)})`;
    case 'isnull':
      return `${operand(expr.expr)} IS NULL`;
    case 'isnotnull':
      return `${operand(expr.expr)} IS NOT NULL`;
    case 'if':
      return `${operand(expr.cond)} ? ${operand(expr.yes)} : ${operand(expr.no)}`;
    default:
      return `${operand(expr.left)} ${SIGNS[expr.op]} ${operand(expr.right)}`;
  }
}

/** Name of a column: its alias, else the expression. */
export const columnName = (item: Item): string =>
  'expr' in item ? (item.alias ?? printExpression(item.expr)) : '*';

const printAlias = (alias: string | undefined): string =>
  alias === undefined ? '' : ` AS ${quoted(alias, "'")}`;
const printItem = (item: Item): string => {
  if (!('expr' in item)) return '*';
  return printExpression(item.expr) + printAlias(item.alias);
};
const printItems = (items: readonly Item[]): string => items.map(printItem).join(', ');
const printSort = (items: readonly SortItem[]): string =>
  items.map(({ expr, dir }) => `${printExpression(expr)} ${dir.toUpperCase()}`).join(', ');

const printArgs = (source: Source & { op: 'function' }): string[] =>
  source.args.map(({ value }) => quoted(value, "'"));

const printUnpivot = ({ expr, alias }: Unpivot): string =>
  `${printExpression(expr)} AS (${[alias]
    .flat()
    .map((name) => quoted(name, "'"))
    .join(', ')})`;

function printClauseSource(source: Source): string {
  if (source.op === 'query') throw new TypeError('only SQL has a query inside a query');
  const shape = source.shape === undefined ? '' : ` ${source.shape}`;
  return `${source.name.name[0]}(${printArgs(source).join(', ')})${shape}`;
}

/** The clauses of a query. Throws TypeError for a query that has no such form. */
export function printClauses(query: Query): string {
  if (query.group_by || query.having) throw new TypeError('only SQL has GROUP BY and HAVING');
  const { select, dimensions, measures, from, filter, sort, sample, limit, cursor, preview_length } = query;
  const { pivot, unpivot } = query;
  return [
    ...(select ? [`select: ${printItems(select)}`] : []),
    ...(dimensions ? [`dimensions: ${printItems(dimensions)}`] : []),
    ...(measures ? [`measures: ${printItems(measures)}`] : []),
    ...(pivot ? [`pivot: ${pivot.map(printExpression).join(', ')}`] : []),
    ...(unpivot ? [`unpivot: ${unpivot.map(printUnpivot).join(', ')}`] : []),
    `from: ${printClauseSource(from)}`,
    ...(filter ? [`filter: ${printExpression(filter)}`] : []),
    ...(sample ? [`sample: ${'rate' in sample ? `${sample.rate * 100}%` : sample.rows}`] : []),
    ...(sort ? [`sort: ${printSort(sort)}`] : []),
    ...(limit === undefined ? [] : [`limit: ${limit}`]),
    ...(cursor === undefined ? [] : [`cursor: ${quoted(cursor, "'")}`]),
    ...(preview_length === undefined ? [] : [`preview_length: ${preview_length}`]),
  ].join(' | ');
}

function printSqlSource(source: Source): string {
  if (source.op === 'query') return `(${printSql(source.query)}) AS q`;
  const shape = source.shape === undefined ? [] : [`shape => '${source.shape}'`];
  return `${source.name.name[0]}(${[...printArgs(source), ...shape].join(', ')})`;
}

const printSqlUnpivot = ({ expr, alias }: Unpivot): string => {
  const [key, value] =
    typeof alias === 'string' ? ['_', quoted(alias, "'")] : alias.map((name) => quoted(name, "'"));
  return `UNPIVOT (${value} FOR ${key} IN (${printExpression(expr)}))`;
};

/** What SQL says for dimensions, measures and pivot: the columns, the groups, and PIVOT. */
function sqlPivot({ dimensions = [], measures = [] }: Query): {
  select: readonly Item[];
  groups: readonly Expr[];
  pivot: string;
} {
  const groups = dimensions.flatMap((item) => ('expr' in item ? [item.expr] : []));
  const by = groups.at(-1);
  if (by === undefined) throw new TypeError('PIVOT has a column that makes the columns');
  const pivot = `PIVOT (${printItems(measures)} FOR (${printExpression(by)}) IN (ANY))`;
  return { select: [...dimensions, ...measures], groups, pivot };
}

/** The query in SQL. Throws TypeError for a query that has no such form. */
export function printSql(query: Query): string {
  const { select: columns, from, filter, having, sort, limit, cursor, unpivot = [] } = query;
  const isPivoted = query.pivot !== undefined;
  if (
    query.sample ||
    query.preview_length !== undefined ||
    (isPivoted ? columns : (query.dimensions ?? query.measures))
  )
    throw new TypeError('SQL has no dimensions, measures, sample and preview_length');
  const { select, groups, pivot } = isPivoted
    ? sqlPivot(query)
    : { select: columns, groups: query.group_by, pivot: undefined };
  if (!select) throw new TypeError('SQL has columns');
  return [
    `SELECT ${printItems(select)}`,
    `FROM ${printSqlSource(from)}`,
    ...unpivot.map(printSqlUnpivot),
    ...(filter ? [`WHERE ${printExpression(filter)}`] : []),
    ...(groups ? [`GROUP BY ${groups.map(printExpression).join(', ')}`] : []),
    ...(having ? [`HAVING ${printExpression(having)}`] : []),
    ...(pivot === undefined ? [] : [pivot]),
    ...(sort ? [`ORDER BY ${printSort(sort)}`] : []),
    ...(limit === undefined ? [] : [`LIMIT ${limit}`]),
    ...(cursor === undefined ? [] : [`OFFSET ${quoted(cursor, "'")}`]),
  ].join(' ');
}
