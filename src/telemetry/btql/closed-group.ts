// A group whose rows were all added, and the columns of results that are made of groups.
// Invariant: keys are plain values; lists and objects are their JSON text.
import type { Compiled, ValueType } from './compiled.ts';

/** A group when all rows were added. */
export interface ClosedGroup {
  readonly keys: readonly unknown[];
  readonly values: readonly unknown[];
}

export interface Column<Row> {
  readonly name: string;
  readonly value: Compiled<Row>;
}

/** Rows of a result. */
export interface GroupTable {
  readonly rows: readonly Record<string, unknown>[];
  readonly columns: readonly { readonly name: string; readonly type: ValueType }[];
  /** Rows that are left out. */
  readonly cut: number;
  /** Values of the dimension of `pivot` that have no columns. */
  readonly cutColumns: number;
}
