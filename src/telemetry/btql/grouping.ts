// Groups: which expressions make them, what is computed of each, and the rows of the result.
// Invariant: a column of the result is made of keys, aggregates and constants only; anything else is refused.
import { timeOfValue } from './btql-time.ts';
import { type Compiled, type Scope, type ValueType } from './compiled.ts';
import { compile, isAggregate } from './evaluate.ts';
import { compileAggregate, type Accumulator, type MemoryBudget } from './aggregate.ts';
import type { Column, ClosedGroup, GroupTable } from './closed-group.ts';
import { Pivot } from './pivot.ts';
import { columnName, printExpression } from './print-query.ts';
import { operandsOf, QueryError, type FunctionCall, type Expr, type Item, type Query } from './tree.ts';
import { compareForSort, truth } from './values.ts';

interface SortKey {
  readonly value: Compiled<ClosedGroup>;
  readonly sign: 1 | -1;
}

/** How the rows of one kind are read for the groups. */
export interface GroupReading<Row> {
  readonly keys: readonly Compiled<Row>[];
  readonly aggregates: readonly ReturnType<typeof compileAggregate<Row>>[];
}

export const hasAggregate = (expr: Expr): boolean => isAggregate(expr) || operandsOf(expr).some(hasAggregate);
const itemsOf = ({ select = [], dimensions = [], measures = [] }: Query): readonly Item[] => [
  ...select,
  ...dimensions,
  ...measures,
];

/** True if a query makes groups. */
export const isGrouped = (query: Query): boolean =>
  query.dimensions !== undefined ||
  query.measures !== undefined ||
  query.pivot !== undefined ||
  query.group_by !== undefined ||
  query.having !== undefined ||
  itemsOf(query).some((item) => 'expr' in item && hasAggregate(item.expr));

/** The item that a number (`GROUP BY 1`) or an alias stands for; else the expression itself. */
export function resolved(expr: Expr, items: readonly Item[], where: string): Expr {
  if (expr.op === 'literal' && typeof expr.value === 'number') {
    const item = items[expr.value - 1];
    if (item === undefined || !('expr' in item))
      throw new QueryError(
        `${where} ${expr.value}: there is no such column; the query has ${items.length}`,
        expr.at,
      );
    return item.expr;
  }
  const named = expr.op === 'ident' && expr.name.length === 1 ? expr.name[0] : undefined;
  const item = items.find((one) => 'expr' in one && one.alias !== undefined && one.alias === named);
  return item && 'expr' in item ? item.expr : expr;
}

export class Grouping {
  readonly columns: readonly Column<ClosedGroup>[];
  readonly keys: readonly Expr[];
  readonly aggregates: readonly FunctionCall[];
  readonly #having: Compiled<ClosedGroup> | undefined;
  readonly #sort: readonly SortKey[];
  readonly #pivot: Pivot | undefined;
  readonly #limit: number;

  /** `scope`: of the rows that are grouped, for the types of keys and aggregates. Throws QueryError. */
  constructor(query: Query, scope: Scope<never>, maxRows: number) {
    const items = itemsOf(query);
    const star = items.find((item) => !('expr' in item));
    if (star && 'op' in star) throw new QueryError('* cannot be used with groups; name the columns', star.at);
    if (items.length === 0) throw new QueryError('the query has no columns; add measures: count(1)');
    if (query.select && (query.dimensions ?? query.measures))
      throw new QueryError('select cannot be used with dimensions and measures');
    this.keys = query.dimensions
      ? query.dimensions.map((item) => (item as { expr: Expr }).expr)
      : (query.group_by ?? []).map((expr) => resolved(expr, items, 'GROUP BY'));
    const aggregated = this.keys.find(hasAggregate);
    if (aggregated) throw new QueryError('a group cannot be made by an aggregate', aggregated.at);
    const keyTypes = this.keys.map((key) => compile(key, scope).type);
    const builder = new GroupColumns(this.keys, keyTypes, scope);
    this.columns = items.map((item) => ({
      name: columnName(item),
      value: builder.compile((item as { expr: Expr }).expr),
    }));
    this.#having = query.having && builder.compile(resolvedAll(query.having, items));
    const sort = (query.sort ?? []).map(({ expr, dir }) => ({
      expr: resolved(expr, items, 'ORDER BY'),
      dir,
    }));
    this.#pivot = query.pivot && new Pivot(query, this.columns, sort);
    this.#sort = this.#pivot
      ? []
      : sort.map(({ expr, dir }) => ({ value: builder.compile(expr), sign: dir === 'desc' ? -1 : 1 }));
    this.aggregates = builder.calls;
    this.#limit = Math.min(query.limit ?? maxRows, maxRows);
  }

  /** How rows with this scope are read. */
  reading<Row>(scope: Scope<Row>): GroupReading<Row> {
    return {
      keys: this.keys.map((key) => compile(key, scope)),
      aggregates: this.aggregates.map((call) => compileAggregate(call, scope)),
    };
  }

  /** The rows of the result. */
  table(groups: Iterable<ClosedGroup>): GroupTable {
    const kept: ClosedGroup[] = [];
    for (const group of groups)
      if (this.#having === undefined || truth(this.#having.of(group)) === true) kept.push(group);
    if (this.#pivot) return this.#pivot.table(kept, this.#limit);
    if (this.#sort.length > 0) {
      const keyed = kept.map((group) => ({
        group,
        by: this.#sort.map(({ value }) => value.of(group) ?? null),
      }));
      keyed.sort((a, b) => {
        for (const [i, { sign }] of this.#sort.entries()) {
          const order = compareForSort(a.by[i], b.by[i]);
          if (order !== 0) return sign * order;
        }
        return 0;
      });
      kept.splice(0, kept.length, ...keyed.map(({ group }) => group));
    }
    const rows = kept
      .slice(0, this.#limit)
      .map((group) =>
        Object.fromEntries(this.columns.map(({ name, value }) => [name, value.of(group) ?? null])),
      );
    const columns = this.columns.map(({ name, value }) => ({ name, type: value.type }));
    return { rows, columns, cut: kept.length - rows.length, cutColumns: 0 };
  }
}

/** HAVING with the aliases replaced by their expressions. */
function resolvedAll(expr: Expr, items: readonly Item[]): Expr {
  const of = (one: Expr): Expr => resolvedAll(one, items);
  switch (expr.op) {
    case 'ident':
      return resolved(expr, items, 'HAVING');
    case 'and':
    case 'or':
      return { ...expr, children: expr.children.map(of) };
    case 'not':
    case 'neg':
    case 'isnull':
    case 'isnotnull':
      return { ...expr, expr: of(expr.expr) };
    case 'if':
      return { ...expr, cond: of(expr.cond), yes: of(expr.yes), no: of(expr.no) };
    case 'literal':
    case 'interval':
    case 'star':
    case 'function':
      return expr;
    default:
      return { ...expr, left: of(expr.left), right: of(expr.right) };
  }
}

/** Compiles columns of the result, and gathers the aggregates that they need. */
class GroupColumns {
  readonly calls: FunctionCall[] = [];
  readonly #printed: string[] = [];
  readonly #keys: readonly string[];
  readonly #types: readonly ValueType[];
  readonly #scope: Scope<never>;

  constructor(keys: readonly Expr[], types: readonly ValueType[], scope: Scope<never>) {
    this.#keys = keys.map(printExpression);
    this.#types = types;
    this.#scope = scope;
  }

  compile(expr: Expr): Compiled<ClosedGroup> {
    const { nowMs, westMs } = this.#scope;
    return compile<ClosedGroup>(expr, {
      nowMs,
      westMs,
      field(ident) {
        throw new QueryError(
          `${printExpression(ident)} is neither in the groups nor in an aggregate; add it to GROUP BY or dimensions, or use any_value(${printExpression(ident)})`,
          ident.at,
        );
      },
      override: (one) => this.#slot(one),
    });
  }

  #slot(expr: Expr): Compiled<ClosedGroup> | undefined {
    if (expr.op === 'literal') return undefined;
    const text = printExpression(expr);
    const key = this.#keys.indexOf(text);
    if (key !== -1) return slot((group) => group.keys[key], this.#types[key]!);
    if (!isAggregate(expr)) return undefined;
    const { type } = compileAggregate(expr, this.#scope);
    let index = this.#printed.indexOf(text);
    if (index === -1) {
      index = this.calls.push(expr) - 1;
      this.#printed.push(text);
    }
    return slot((group) => group.values[index], type);
  }
}

function slot(of: (group: ClosedGroup) => unknown, type: ValueType): Compiled<ClosedGroup> {
  const value = { type, of, isConstant: false };
  return type === 'time' ? { ...value, ms: (group) => timeOfValue(of(group)) } : value;
}

interface OpenGroup {
  readonly keys: readonly unknown[];
  readonly accumulators: readonly Accumulator[];
}

/** Estimated size of a group and of each of its aggregates. */
const GROUP_BYTES = 256;

/** Adds rows to their groups. */
export class Groups {
  readonly #open = new Map<unknown, OpenGroup>();
  readonly #grouping: Grouping;
  readonly #starts: readonly ((budget: MemoryBudget) => Accumulator)[];
  readonly #budget: MemoryBudget;
  readonly #max: number;
  /** Rows that are in no group, since there are too many groups. */
  others = 0;

  constructor(grouping: Grouping, reading: GroupReading<never>, budget: MemoryBudget, max: number) {
    this.#grouping = grouping;
    this.#starts = reading.aggregates.map(({ start }) => start);
    this.#budget = budget;
    this.#max = max;
    if (grouping.keys.length === 0) this.#begin('', []);
  }

  add<Row>({ keys, aggregates }: GroupReading<Row>, row: Row): void {
    let values: unknown[] | undefined;
    let key: unknown = '';
    if (keys.length === 1) key = plainKey(keys[0]!.of(row));
    else if (keys.length > 1) {
      values = keys.map((one) => plainKey(one.of(row)));
      key = JSON.stringify(values);
    }
    const group = this.#open.get(key) ?? this.#begin(key, values ?? [key]);
    if (group === undefined) {
      this.others++;
      return;
    }
    for (let i = 0; i < aggregates.length; i++) group.accumulators[i]!.add(aggregates[i]!.value(row));
  }

  #begin(key: unknown, keys: readonly unknown[]): OpenGroup | undefined {
    if (this.#open.size >= this.#max) return undefined;
    const group = { keys, accumulators: this.#starts.map((start) => start(this.#budget)) };
    this.#open.set(key, group);
    this.#budget.take(
      GROUP_BYTES * (1 + this.#starts.length) + (typeof key === 'string' ? 2 * key.length : 0),
    );
    return group;
  }

  result(): GroupTable {
    return this.#grouping.table(
      Array.from(this.#open.values(), ({ keys, accumulators }) => ({
        keys,
        values: accumulators.map((one) => one.result()),
      })),
    );
  }
}

/** The value of a key: lists and objects as their JSON text. */
const plainKey = (value: unknown): unknown =>
  value === undefined ? null : typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
