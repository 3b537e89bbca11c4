// Parses PIVOT and UNPIVOT of SQL into what dimensions, measures, pivot and unpivot say in clauses.
// Invariant: a query has the same tree in both spellings, so it is checked and run in one way.
import { resolved } from './grouping.ts';
import type { ExpressionParser } from './parse-expression.ts';
import { columnName, printExpression } from './print-query.ts';
import { QueryError, unpivotAlias, type Expr, type Item, type Query, type Unpivot } from './tree.ts';

type NamedExpr = Extract<Item, { readonly expr: Expr }>;

interface SqlPivot {
  readonly measures: readonly NamedExpr[];
  /** The expression whose values make columns. */
  readonly by: Expr;
}

/** Reads `UNPIVOT (value FOR name IN (scores))`, as often as it is there. */
export function readUnpivots(parser: ExpressionParser): Unpivot[] {
  const unpivots: Unpivot[] = [];
  while (parser.takeWord('unpivot')) {
    parser.expectSign('(', 'after UNPIVOT');
    const value = parser.name('a name for the value, as in UNPIVOT (value FOR name IN (scores))');
    parser.expectWord('for', 'after the name for the value');
    const key = parser.name('a name, or _ for the members of a list');
    parser.expectWord('in', 'before the object or list');
    parser.expectSign('(', 'after IN');
    const expr = parser.expression();
    parser.expectSign(')', 'after the object or list');
    parser.expectSign(')', 'at the end of UNPIVOT');
    unpivots.push({ expr, alias: unpivotAlias(key, value) });
  }
  return unpivots;
}

/** Reads `PIVOT (count(1) AS calls FOR metadata.model IN (ANY))`, if it is there. */
export function readPivot(parser: ExpressionParser): SqlPivot | undefined {
  if (!parser.takeWord('pivot')) return undefined;
  parser.expectSign('(', 'after PIVOT');
  const measures = parser.list(() => {
    const expr = parser.expression();
    return parser.takeWord('as') ? { expr, alias: parser.name('a name after AS') } : { expr };
  });
  parser.expectWord('for', 'after the measures of PIVOT');
  const by = parser.operand();
  parser.expectWord('in', 'before (ANY)');
  parser.expectSign('(', 'after IN');
  parser.expectWord('any', 'in PIVOT, which takes all values of the column');
  parser.expectSign(')', 'after ANY');
  parser.expectSign(')', 'at the end of PIVOT');
  return { measures, by };
}

const isSame = (a: Expr, b: Expr): boolean => printExpression(a) === printExpression(b);

/** The query with dimensions, measures and pivot instead of columns and groups. Throws QueryError. */
export function pivoted(query: Query, { measures: given, by }: SqlPivot): Query {
  const { select = [], group_by: groups = [], ...rest } = query;
  const columns = select.filter((item): item is NamedExpr => 'expr' in item);
  const named = (expr: Expr): NamedExpr => {
    const alias = columns.find((item) => item.alias !== undefined && isSame(item.expr, expr))?.alias;
    return alias === undefined ? { expr } : { expr, alias };
  };
  const keys = groups.map((group) => resolved(group, select, 'GROUP BY')).filter((key) => !isSame(key, by));
  const dimensions = [...keys, by].map(named);
  const measures = given.map((item) => (item.alias === undefined ? named(item.expr) : item));
  const known = [...dimensions, ...measures];
  const other = columns.find(
    ({ expr }) =>
      !known.some(
        (one) => isSame(one.expr, expr) || (expr.op === 'ident' && columnName(one) === expr.name[0]),
      ),
  );
  if (other !== undefined)
    throw new QueryError(
      `with PIVOT, columns are those of GROUP BY, the one after FOR and the measures; ${printExpression(other.expr).slice(0, 80)} is none of them`,
      other.expr.at,
    );
  const pivot = measures.map((item): Expr =>
    item.alias === undefined ? item.expr : { op: 'ident', name: [item.alias] },
  );
  return { ...rest, dimensions, measures, pivot };
}
