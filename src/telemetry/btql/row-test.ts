// Filters of single rows, and the scope of expressions over rows.
import { compile } from './evaluate.ts';
import type { Scope } from './compiled.ts';
import type { ShownRow } from './request-row.ts';
import type { SpanCost } from './span-prices.ts';
import { compileField, readRow } from './row-fields.ts';
import { QueryError, type Expr } from './tree.ts';
import { truth } from './values.ts';

/** What a query knows besides its rows: the clock, and prices. */
export interface QueryClock {
  readonly nowMs: number;
  /** How far the zone of the user is behind UTC. */
  readonly westMs: number;
  readonly costOf?: SpanCost | undefined;
}

export type RowTest = (row: ShownRow) => boolean;

/** Scope of rows as results show them. */
export const rowScope = (clock: QueryClock): Scope<ShownRow> => ({
  ...clock,
  field: (ident) => compileField(ident, readRow),
});

/** The test of a filter. Throws QueryError. */
export function testOf(filter: Expr, scope: Scope<ShownRow>): RowTest {
  const { of, type } = compile(filter, scope);
  if (type === 'interval') throw new QueryError('an interval is not a condition', filter.at);
  return (row) => truth(of(row)) === true;
}
