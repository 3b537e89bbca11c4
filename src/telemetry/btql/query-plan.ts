// What a query asks for, checked and compiled: columns, order, filter, sample and limits.
// Invariant: every mistake in a query is found here, before anything is read.
import { hash } from 'node:crypto';
import type { PagePosition } from '../logs/logs.ts';
import type { ShownColumns, RowSort } from './received-rows.ts';
import { asTime, NO_ROW, type Scope } from './compiled.ts';
import { compile } from './evaluate.ts';
import { Grouping, isGrouped, resolved } from './grouping.ts';
import { columnName } from './print-query.ts';
import { readQueryCursor, type PageEnd } from './query-cursor.ts';
import type { ShownRow } from './request-row.ts';
import { rowScope, testOf, type QueryClock, type RowTest } from './row-test.ts';
import { TraceFilter } from './trace-filter.ts';
import type { RowOrder } from './stored-spans.ts';
import { UnpivotedRows } from './unpivoted-rows.ts';
import { QueryError, type Expr, type Item, type Query, type RowShape, type SortItem } from './tree.ts';

/** Limits of results. */
export interface ResultLimits {
  readonly rows: number;
  /** Rows, or traces, of a query without a limit. */
  readonly usualRows: number;
  readonly usualTraces: number;
  /** Characters of the rows, as JSON. */
  readonly characters: number;
}

export const RESULT_LIMITS: ResultLimits = {
  rows: 10_000,
  usualRows: 1000,
  usualTraces: 100,
  characters: 8 * 1024 ** 2,
};
/** Limits of results that are kept and read in pages. */
export const KEPT_LIMITS: ResultLimits = {
  rows: 100_000,
  usualRows: 100_000,
  usualTraces: 10_000,
  characters: 32 * 1024 ** 2,
};
/** Groups of a query. */
export const MAX_GROUPS = 50_000;
const USUAL_PREVIEW = 124;

const BY_TIME: RowOrder = { by: 'time', direction: 'down' };

/** The order of the store that sorts like this; `undefined`: rows must be sorted. */
function orderOf(sort: readonly SortItem[]): RowOrder | undefined {
  const [first, ...rest] = sort;
  if (first === undefined) return BY_TIME;
  const { expr, dir } = first;
  if (rest.length > 0 || expr.op !== 'ident' || expr.name.length !== 1) return undefined;
  const direction = dir === 'desc' ? 'down' : 'up';
  const [name] = expr.name;
  if (name === 'created') return { by: 'time', direction };
  return name === '_pagination_key' || name === '_xact_id' ? { by: 'seq', direction } : undefined;
}

/** True for a part of all ids that is the same each time. */
function sampleTest(rate: number): (row: ShownRow) => boolean {
  return (row) => sampleNumber(row) < rate;
}

/** A number from 0 to 1 that follows from the id of a row. */
const sampleNumber = ({ id }: ShownRow): number =>
  Number.parseInt(hash('sha256', String(id)).slice(0, 12), 16) / 2 ** 48;

export class QueryPlan {
  readonly query: Query;
  readonly clock: QueryClock;
  readonly shape: RowShape;
  readonly filter: Expr | undefined;
  /** The filter of single rows. */
  readonly test: RowTest;
  /** The filter of traces. */
  readonly traceFilter: TraceFilter | undefined;
  readonly matchesSample: RowTest;
  /** `undefined`: the result has rows, not groups. */
  readonly grouping: Grouping | undefined;
  readonly columns: ShownColumns;
  /** `undefined`: rows are sorted by `sorts`. */
  readonly order: RowOrder | undefined;
  readonly sorts: readonly RowSort[];
  readonly limit: number;
  readonly after: PagePosition | undefined;
  /** The record whose first `parts` rows were on the page before. */
  readonly shown: PageEnd | undefined;
  /** Scope of the rows of the result, or of those that are grouped. */
  readonly scope: Scope<ShownRow>;
  readonly limits: ResultLimits;
  /** `undefined`: each row stays as it is. */
  readonly unpivoted: UnpivotedRows | undefined;
  /** The conditions on columns that unpivot makes. */
  readonly #partTest: RowTest;

  constructor(query: Query, given: QueryClock, limits: ResultLimits = RESULT_LIMITS) {
    this.query = query;
    this.limits = limits;
    this.shape = query.from.op === 'function' ? (query.from.shape ?? 'spans') : 'spans';
    // A summary has the sum of stored costs. Its tokens may be of several models, so they have no price.
    const clock = this.shape === 'summary' ? { ...given, costOf: undefined } : given;
    this.clock = clock;
    checkUnpivot(query);
    this.unpivoted = query.unpivot && new UnpivotedRows(query.unpivot, clock);
    const conditions =
      query.filter?.op === 'and' ? query.filter.children : query.filter ? [query.filter] : [];
    const isOfPart = (condition: Expr): boolean => this.unpivoted?.isNamedIn(condition) ?? false;
    const filter = allOf(conditions.filter((condition) => !isOfPart(condition)));
    const ofParts = allOf(conditions.filter(isOfPart));
    this.filter = filter;
    const scope = this.unpivoted?.scope ?? rowScope(clock);
    this.scope = scope;
    this.#partTest = ofParts ? testOf(ofParts, scope) : () => true;
    const isOfTraces = this.shape !== 'spans';
    this.traceFilter = isOfTraces ? new TraceFilter(filter, clock) : undefined;
    this.test = filter && !isOfTraces ? testOf(filter, rowScope(clock)) : () => true;
    const isInner = query.from.op === 'query';
    this.grouping = isGrouped(query) ? new Grouping(query, scope, limits.rows) : undefined;
    const items = query.select ?? [];
    if (this.grouping === undefined && items.length === 0)
      throw new QueryError('the query has no columns; add select: *');
    this.columns = {
      isWhole: items.some((item) => !('expr' in item)),
      columns: this.grouping
        ? []
        : items.flatMap((item) => ('expr' in item ? [this.#column(item, scope)] : [])),
      previewLength: query.preview_length ?? (this.shape === 'summary' ? USUAL_PREVIEW : -1),
    };
    const { sample } = query;
    this.matchesSample = sample && 'rate' in sample ? sampleTest(sample.rate) : () => true;
    const isChosen = sample !== undefined && 'rows' in sample && this.grouping === undefined;
    if (sample && 'rows' in sample && (this.grouping ?? this.unpivoted))
      throw new QueryError('groups and unpivot take a part of the rows as sample, as in 25%');
    this.order = isChosen || isInner ? undefined : orderOf(query.sort ?? []);
    this.sorts = isChosen
      ? [{ of: sampleNumber, sign: 1 }]
      : this.order || this.grouping
        ? []
        : (query.sort ?? []).map((item) => this.#sort(item, items, scope));
    const usual = this.shape === 'spans' ? limits.usualRows : limits.usualTraces;
    const most = isChosen ? sample.rows : (query.limit ?? usual);
    this.limit = Math.min(most, query.limit ?? most, limits.rows);
    if (query.cursor !== undefined && (this.order === undefined || this.grouping))
      throw new QueryError(
        'a cursor needs rows without sort, or sorted by _pagination_key, _xact_id or created',
      );
    const end = readQueryCursor(query);
    this.shown = end?.parts ? end : undefined;
    this.after = this.shown ? positionBefore(this.shown, this.order!) : end;
  }

  /** The rows that a row stands for: itself, or those that unpivot makes of it. */
  *rowsOf(row: ShownRow): Generator<ShownRow> {
    if (this.unpivoted === undefined) yield row;
    else for (const part of this.unpivoted.rows(row)) if (this.#partTest(part)) yield part;
  }

  /** One of the rows that a row stands for, by its number. */
  partOf(row: ShownRow, part: number): ShownRow | undefined {
    let n = 0;
    for (const one of this.rowsOf(row)) if (n++ === part) return one;
    return undefined;
  }

  #column(item: Extract<Item, { expr: Expr }>, scope: Scope<ShownRow>): ShownColumns['columns'][number] {
    const value = compile(item.expr, scope);
    if (value.type === 'interval')
      throw new QueryError('an interval is not a value of a column', item.expr.at);
    return { name: columnName(item), value };
  }

  #sort({ expr, dir }: SortItem, items: readonly Item[], scope: Scope<ShownRow>): RowSort {
    const by = resolved(expr, items, 'ORDER BY');
    const value = compile(by, scope);
    const sign = dir === 'desc' ? -1 : 1;
    return { of: value.type === 'time' ? asTime(value, by, NO_ROW) : value.of, sign };
  }
}

/** The plan of a query inside a query, which has more rows. */
export const innerPlan = (query: Query, clock: QueryClock): QueryPlan =>
  new QueryPlan({ limit: RESULT_LIMITS.rows, ...query }, clock);

const allOf = (conditions: readonly Expr[]): Expr | undefined =>
  conditions.length > 1 ? { op: 'and', children: conditions } : conditions[0];

/** Throws QueryError for a measure, since unpivot makes rows before they are grouped. */
function checkUnpivot({ unpivot = [], measures = [] }: Query): void {
  for (const { expr } of unpivot)
    if (expr.op === 'ident' && measures.some((item) => 'expr' in item && item.alias === expr.name[0]))
      throw new QueryError(
        `unpivot takes a field of rows, as in unpivot: scores as (name, value), not the measure ${columnName({ expr })}`,
        expr.at,
      );
}

/** The position after which a record is the next. */
const positionBefore = ({ timeNs, seq }: PagePosition, { direction }: RowOrder): PagePosition => ({
  timeNs,
  seq: direction === 'down' ? seq + 1 : seq - 1,
});
