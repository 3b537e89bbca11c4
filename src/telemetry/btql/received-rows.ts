// Receivers of the rows of a query: in the order in which they come, sorted, or in groups.
// Invariant: what a receiver keeps is limited: rows of a page, sort keys of a page, or groups.
import type { PagePosition } from '../logs/logs.ts';
import type { Column } from './closed-group.ts';
import { preview } from './preview.ts';
import type { ShownRow } from './request-row.ts';
import { compareForSort } from './values.ts';

/** A row, and how to get it again. */
export interface FoundRow {
  readonly row: ShownRow;
  /** Where it is in the store; `undefined` for a row that is made of others. */
  readonly position: PagePosition | undefined;
  /** Its number among the rows that unpivot makes of one row. */
  readonly part?: number;
}

/** The columns of a result. `isWhole`: all fields of the row. */
export interface ShownColumns {
  readonly isWhole: boolean;
  readonly columns: readonly Column<ShownRow>[];
  readonly previewLength: number;
}

/** The row as the result shows it. */
function shownRow({ isWhole, columns, previewLength }: ShownColumns, row: ShownRow): ShownRow {
  const shown: ShownRow = isWhole ? preview(row, previewLength) : {};
  if (columns.length === 0) return shown;
  const cut = previewLength < 0 ? row : preview(row, previewLength);
  const values = Object.fromEntries(columns.map(({ name, value }) => [name, value.of(cut) ?? null]));
  return { ...shown, ...values };
}

/** A page of rows in the order in which they come. */
export class ResultPage {
  /** JSON of the rows. */
  readonly rows: string[] = [];
  readonly keys = new Map<string, unknown>();
  readonly #columns: ShownColumns;
  readonly #limit: number;
  readonly #maxCharacters: number;
  #characters = 0;

  /** `maxCharacters`: of the rows as JSON, from which on it is full. */
  constructor(columns: ShownColumns, limit: number, maxCharacters: number) {
    this.#columns = columns;
    this.#limit = limit;
    this.#maxCharacters = maxCharacters;
  }

  get isFull(): boolean {
    return this.rows.length >= this.#limit || this.isTooLarge;
  }

  /** True if it is full because of its size. */
  get isTooLarge(): boolean {
    return this.#characters > this.#maxCharacters;
  }

  add(row: ShownRow): void {
    this.push(shownRow(this.#columns, row));
  }

  /** Adds a row of the result. */
  push(shown: ShownRow): void {
    for (const [name, value] of Object.entries(shown))
      if (value !== null && value !== undefined && !this.keys.has(name)) this.keys.set(name, value);
      else if (!this.keys.has(name)) this.keys.set(name, null);
    const text = JSON.stringify(shown);
    this.#characters += text.length;
    this.rows.push(text);
  }
}

/** A value that rows are sorted by. */
export interface RowSort {
  readonly of: (row: ShownRow) => unknown;
  readonly sign: 1 | -1;
}

interface SortedRow {
  readonly by: readonly unknown[];
  /** Number of the row, so that equal ones keep their order. */
  readonly n: number;
  /** `undefined` if the row can be read again. */
  readonly row: ShownRow | undefined;
  readonly seq: number;
  readonly part: number;
}

/** The first rows of an order. Rows of the store are read again at the end, so that only their sort keys are kept. */
export class SortedRows {
  readonly #sorts: readonly RowSort[];
  readonly #limit: number;
  #rows: SortedRow[] = [];
  #count = 0;

  constructor(sorts: readonly RowSort[], limit: number) {
    this.#sorts = sorts;
    this.#limit = limit;
  }

  add({ row, position, part = 0 }: FoundRow): void {
    const by = this.#sorts.map(({ of }) => keyOf(of(row)));
    this.#rows.push({ by, n: this.#count++, row: position ? undefined : row, seq: position?.seq ?? 0, part });
    if (this.#rows.length >= 2 * this.#limit + 1000) this.#cut();
  }

  /** Number of rows besides those of the page. */
  get others(): number {
    return Math.max(0, this.#count - this.#limit);
  }

  #cut(): void {
    this.#rows.sort((a, b) => {
      for (const [i, { sign }] of this.#sorts.entries()) {
        const order = compareForSort(a.by[i], b.by[i]);
        if (order !== 0) return sign * order;
      }
      return a.n - b.n;
    });
    this.#rows.length = Math.min(this.#rows.length, this.#limit);
  }

  /** The rows in their order. `read`: reads a row, or a part of it, again; it may have been deleted. */
  *sorted(read: (seq: number, part: number) => ShownRow | undefined): Generator<ShownRow> {
    this.#cut();
    for (const { row, seq, part } of this.#rows) {
      const found = row ?? read(seq, part);
      if (found) yield found;
    }
  }
}

/** A value to sort by, which is short. */
const MAX_KEY = 256;
const keyOf = (value: unknown): unknown => {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value.slice(0, MAX_KEY);
  return typeof value === 'object' ? JSON.stringify(value).slice(0, MAX_KEY) : value;
};
