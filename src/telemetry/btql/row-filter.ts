// A filter of single rows for other modules: checked when it is saved, compiled where rows are read.
// Invariant: what a filter says of a row does not depend on the time, so that a row gets the same answer later.
import type { QueryNode } from '../logs/logs.ts';
import { ExpressionParser } from './parse-expression.ts';
import { orProblem, type BtqlProblem } from './parse-btql.ts';
import type { ShownRow } from './request-row.ts';
import { rowScope, testOf } from './row-test.ts';
import { nodeOf } from './store-filter.ts';
import { tokenize } from './tokens.ts';
import { checkSize, functionName, operandsOf, QUERY_LIMITS, QueryError, type Expr } from './tree.ts';

export interface RowFilter {
  /** Finds the records of rows that may meet the filter; `undefined`: all may. */
  readonly node: QueryNode | undefined;
  readonly test: (row: ShownRow) => boolean;
}

/** Fields of a row that say when it was logged or stored. */
const TIMES: ReadonlySet<unknown> = new Set(['created', '_xact_id', '_pagination_key']);
const CLOCKS: ReadonlySet<string> = new Set(['now', 'current_date', 'current_timestamp']);

/** Throws QueryError for an expression that depends on the time. */
function checkTimeless(expr: Expr): void {
  const isTime =
    expr.op === 'interval' ||
    (expr.op === 'ident' && TIMES.has(expr.name[0])) ||
    (expr.op === 'function' && CLOCKS.has(functionName(expr)));
  if (isTime)
    throw new QueryError(
      'conditions on time are not allowed here: spans are tested when they have ended, whenever that is',
      expr.at,
    );
  operandsOf(expr).forEach(checkTimeless);
}

function parseFilter(text: string): Expr {
  if (text.length > QUERY_LIMITS.text)
    throw new QueryError(
      `the filter has ${text.length} characters; at most ${QUERY_LIMITS.text} are allowed`,
    );
  const parser = new ExpressionParser(tokenize(text), false);
  const expr = parser.expression();
  if (!parser.isAtEnd) throw parser.unexpected('expected the end of the filter');
  checkSize([expr]);
  checkTimeless(expr);
  return expr;
}

/** The filter of a text: one expression of BTQL, without a clause. */
export const openRowFilter = (text: string): RowFilter | BtqlProblem =>
  orProblem(text, () => {
    const expr = parseFilter(text);
    return { node: nodeOf(expr), test: testOf(expr, rowScope({ nowMs: 0, westMs: 0 })) };
  });
