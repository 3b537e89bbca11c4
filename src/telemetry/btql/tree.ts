// A BTQL query as a tree. Texts in both spellings are parsed into it, and clients may send it as JSON
// (docs/contracts/btql.md 2).
// Invariant: a tree is plain data that JSON can hold. `at`, the place in the text, is the only member that has no meaning.

/** A value of JSON. */
export type BtqlValue =
  null | boolean | number | string | readonly BtqlValue[] | { readonly [name: string]: BtqlValue };

export const BINARY = [
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
  'like',
  'ilike',
  'match',
  'includes',
  'in',
  'add',
  'sub',
  'mul',
  'div',
  'mod',
] as const;
export type BinaryOp = (typeof BINARY)[number];
export const UNARY = ['not', 'neg', 'isnull', 'isnotnull'] as const;
export type UnaryOp = (typeof UNARY)[number];

export const UNITS = ['millisecond', 'second', 'minute', 'hour', 'day', 'week', 'month', 'year'] as const;
export type IntervalUnit = (typeof UNITS)[number];

/** Index into the text of the query, in UTF-16 code units; `undefined`: it came as JSON. */
interface Placed {
  readonly at?: number;
}

export interface Ident extends Placed {
  readonly op: 'ident';
  /** Names of members, and indexes into lists; negative ones count from the end. */
  readonly name: readonly (string | number)[];
}

export interface Star extends Placed {
  readonly op: 'star';
}

export interface FunctionCall extends Placed {
  readonly op: 'function';
  readonly name: { readonly op: 'ident'; readonly name: readonly [string] };
  readonly args: readonly Expr[];
}

export type Expr =
  | Ident
  | Star
  | FunctionCall
  | (Placed &
      (
        | { readonly op: 'literal'; readonly value: BtqlValue }
        | { readonly op: 'interval'; readonly value: number; readonly unit: IntervalUnit }
        | { readonly op: 'and' | 'or'; readonly children: readonly Expr[] }
        | { readonly op: UnaryOp; readonly expr: Expr }
        | { readonly op: BinaryOp; readonly left: Expr; readonly right: Expr }
        | { readonly op: 'if'; readonly cond: Expr; readonly yes: Expr; readonly no: Expr }
      ));

export type Item = Star | { readonly expr: Expr; readonly alias?: string };

export const SHAPES = ['spans', 'traces', 'summary'] as const;
export type RowShape = (typeof SHAPES)[number];

export type Source =
  | (Placed & {
      readonly op: 'function';
      readonly name: FunctionCall['name'];
      /** Names or ids of projects. */
      readonly args: readonly { readonly op: 'literal'; readonly value: string }[];
      readonly shape?: RowShape;
    })
  | (Placed & { readonly op: 'query'; readonly query: Query });

export interface SortItem {
  readonly expr: Expr;
  readonly dir: 'asc' | 'desc';
}

/**
 * Makes a row of each member of an object or a list. `alias`: names of the columns with the name (or index) of the member
 * and with its value, or only of the one with its value.
 */
export interface Unpivot {
  readonly expr: Expr;
  readonly alias: string | readonly [string, string];
}

export interface Query {
  readonly select?: readonly Item[];
  readonly dimensions?: readonly Item[];
  readonly measures?: readonly Item[];
  /** The measures, by alias or as they are written. Each value of the last dimension makes columns of them. */
  readonly pivot?: readonly Expr[];
  readonly unpivot?: readonly Unpivot[];
  readonly from: Source;
  readonly filter?: Expr;
  readonly group_by?: readonly Expr[];
  readonly having?: Expr;
  readonly sort?: readonly SortItem[];
  /** Part of the rows, above 0 and at most 1; or a number of rows. */
  readonly sample?: { readonly rate: number } | { readonly rows: number };
  readonly limit?: number;
  readonly cursor?: string;
  readonly preview_length?: number;
}

/** Limits of a query, which hold for texts and trees. */
export const QUERY_LIMITS = { text: 64 * 1024, depth: 64, nodes: 10_000 } as const;

/** A query that is not understood, or cannot be run. `at`: index into its text. */
export class QueryError extends Error {
  readonly at: number | undefined;

  constructor(problem: string, at?: number) {
    super(problem);
    this.at = at;
  }
}

/** The operands of an expression. */
export function operandsOf(expr: Expr): readonly Expr[] {
  switch (expr.op) {
    case 'ident':
    case 'star':
    case 'literal':
    case 'interval':
      return [];
    case 'function':
      return expr.args;
    case 'and':
    case 'or':
      return expr.children;
    case 'not':
    case 'neg':
    case 'isnull':
    case 'isnotnull':
      return [expr.expr];
    case 'if':
      return [expr.cond, expr.yes, expr.no];
    default:
      return [expr.left, expr.right];
  }
}

/** Names of the columns that an unpivot adds. */
export const unpivotNames = ({ alias }: Unpivot): readonly string[] =>
  typeof alias === 'string' ? [alias] : alias;

/** The alias of two names. `_` does not name a column, as in `UNPIVOT (tag FOR _ IN (tags))`. */
export const unpivotAlias = (key: string, value: string): Unpivot['alias'] =>
  key === '_' ? value : [key, value];

/** Name of a function in lower case. */
export const functionName = ({ name }: FunctionCall): string => name.name[0].toLowerCase();

export const callOf = (name: string, args: readonly Expr[], at?: number): FunctionCall => ({
  op: 'function',
  name: { op: 'ident', name: [name] },
  args,
  ...(at === undefined ? {} : { at }),
});

/** Throws QueryError for an expression of more levels or nodes than are allowed. */
export function checkSize(exprs: readonly Expr[]): void {
  let nodes = 0;
  const visit = (expr: Expr, depth: number): void => {
    if (depth > QUERY_LIMITS.depth)
      throw new QueryError(`the expression has more than ${QUERY_LIMITS.depth} levels`, expr.at);
    if (++nodes > QUERY_LIMITS.nodes)
      throw new QueryError(
        `the query has more than ${QUERY_LIMITS.nodes} names, values and operators`,
        expr.at,
      );
    for (const operand of operandsOf(expr)) visit(operand, depth + 1);
  };
  for (const expr of exprs) visit(expr, 1);
}

/** All expressions of a query, without those of a query that it reads from. */
export function expressionsOf({
  select = [],
  dimensions = [],
  measures = [],
  ...query
}: Query): readonly Expr[] {
  return [
    ...[...select, ...dimensions, ...measures].flatMap((item) => ('expr' in item ? [item.expr] : [])),
    ...(query.pivot ?? []),
    ...(query.unpivot ?? []).map(({ expr }) => expr),
    ...(query.filter ? [query.filter] : []),
    ...(query.group_by ?? []),
    ...(query.having ? [query.having] : []),
    ...(query.sort ?? []).map(({ expr }) => expr),
  ];
}
