// Pivot: each value of the last dimension makes columns of the measures, named `<value>_<measure>`.
// Invariant: a column stands for one value and one measure, and the number of columns is limited.
import type { Column, ClosedGroup, GroupTable } from './closed-group.ts';
import { columnName, printExpression } from './print-query.ts';
import { QueryError, type Expr, type Item, type Query, type SortItem } from './tree.ts';
import { compareForSort, textOf } from './values.ts';

/** Most columns that are made of values. */
export const MAX_PIVOT_COLUMNS = 1000;

/** The printed expressions of items. */
const printed = (items: readonly Item[]): string[] =>
  items.map((item) => ('expr' in item ? printExpression(item.expr) : '*'));

/** Throws QueryError unless `pivot` names the measures of the query, all of them. */
function checkMeasures(pivot: readonly Expr[], measures: readonly Item[]): void {
  const texts = printed(measures);
  const named = new Set<number>();
  for (const expr of pivot) {
    const text = printExpression(expr);
    const byAlias = measures.findIndex((item) => 'expr' in item && item.alias === ownName(expr));
    const index = byAlias === -1 ? texts.indexOf(text) : byAlias;
    if (index === -1)
      throw new QueryError(
        `pivot takes measures of the query (${measures.map(columnName).join(', ').slice(0, 200)}), not ${text.slice(0, 80)}`,
        expr.at,
      );
    named.add(index);
  }
  const missing = measures.find((_, i) => !named.has(i));
  if (missing !== undefined)
    throw new QueryError(
      `pivot must name all measures; add ${columnName(missing).slice(0, 80)}, or leave it out of measures`,
      pivot[0]!.at,
    );
}

const ownName = (expr: Expr): string | undefined =>
  expr.op === 'ident' && expr.name.length === 1 ? String(expr.name[0]) : undefined;

/** A sort of rows: by which dimension, and in which direction. */
interface RowOrderKey {
  readonly key: number;
  readonly sign: 1 | -1;
}

export class Pivot {
  /** Columns of the dimensions that stay, and of the measures. */
  readonly #kept: readonly Column<ClosedGroup>[];
  readonly #measures: readonly Column<ClosedGroup>[];
  readonly #sort: readonly RowOrderKey[];

  /** `columns`: of the dimensions, then of the measures. `sort`: with its aliases replaced. Throws QueryError. */
  constructor(query: Query, columns: readonly Column<ClosedGroup>[], sort: readonly SortItem[]) {
    const { pivot = [], dimensions = [], measures = [] } = query;
    if (dimensions.length === 0 || measures.length === 0)
      throw new QueryError(
        'pivot needs dimensions and measures; the last dimension makes the columns',
        pivot[0]?.at,
      );
    checkMeasures(pivot, measures);
    this.#kept = columns.slice(0, dimensions.length - 1);
    this.#measures = columns.slice(dimensions.length);
    const kept = printed(dimensions).slice(0, -1);
    this.#sort = sort.map(({ expr, dir }) => {
      const key = kept.indexOf(printExpression(expr));
      if (key === -1)
        throw new QueryError(
          'with pivot, rows can be sorted by dimensions other than the last one, which makes the columns',
          expr.at,
        );
      return { key, sign: dir === 'desc' ? -1 : 1 };
    });
  }

  /** The rows of the result, at most `limit`. */
  table(groups: readonly ClosedGroup[], limit: number): GroupTable {
    const last = this.#kept.length;
    const rows = new Map<string, ClosedGroup[]>();
    const values = new Set<unknown>();
    for (const group of groups) {
      const key = JSON.stringify(group.keys.slice(0, last));
      const row = rows.get(key);
      if (row === undefined) rows.set(key, [group]);
      else row.push(group);
      values.add(group.keys[last]);
    }
    const columnsOf = this.#columnsOf(Array.from(values).sort(compareForSort));
    const shown = Array.from(rows.values())
      .sort((a, b) => this.#compare(a[0]!, b[0]!))
      .slice(0, limit);
    const empty = Array.from(columnsOf.values()).flatMap((names) =>
      names.map((name): [string, unknown] => [name, null]),
    );
    return {
      rows: shown.map((ofRow) => {
        const kept = this.#kept.map(({ name, value }) => [name, value.of(ofRow[0]!) ?? null] as const);
        const cells = ofRow.flatMap((group) =>
          (columnsOf.get(group.keys[last]) ?? []).map(
            (name, i) => [name, this.#measures[i]!.value.of(group) ?? null] as const,
          ),
        );
        return Object.fromEntries([...kept, ...empty, ...cells]);
      }),
      columns: [
        ...this.#kept.map(({ name, value }) => ({ name, type: value.type })),
        ...Array.from(columnsOf.values()).flatMap((names) =>
          names.map((name, i) => ({ name, type: this.#measures[i]!.value.type })),
        ),
      ],
      cut: rows.size - shown.length,
      cutColumns: values.size - columnsOf.size,
    };
  }

  #compare(a: ClosedGroup, b: ClosedGroup): number {
    for (const { key, sign } of this.#sort) {
      const order = compareForSort(a.keys[key], b.keys[key]);
      if (order !== 0) return sign * order;
    }
    return 0;
  }

  /** The names of the columns of each value that has some, in the order of the measures. */
  #columnsOf(values: readonly unknown[]): Map<unknown, readonly string[]> {
    const taken = new Set(this.#kept.map(({ name }) => name));
    const unused = (name: string): string => {
      let free = name;
      for (let n = 2; taken.has(free); n++) free = `${name}_${n}`;
      taken.add(free);
      return free;
    };
    const most = Math.max(1, Math.floor(MAX_PIVOT_COLUMNS / this.#measures.length));
    return new Map(
      values
        .slice(0, most)
        .map((value) => [
          value,
          this.#measures.map(({ name }) => unused(`${value === null ? 'null' : textOf(value)}_${name}`)),
        ]),
    );
  }
}
