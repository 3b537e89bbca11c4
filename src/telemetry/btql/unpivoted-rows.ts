// Unpivot: makes a row of each member of an object or a list, with columns for its name and value.
// Invariant: rows are made one by one, and not more than a limit of one row.
import type { Scope } from './compiled.ts';
import { compile } from './evaluate.ts';
import type { ShownRow } from './request-row.ts';
import { compileField, readRow } from './row-fields.ts';
import { rowScope, type QueryClock } from './row-test.ts';
import { operandsOf, QueryError, unpivotNames, type Expr, type Unpivot } from './tree.ts';

/** Most rows that are made of one row, and most members that are read for them. */
export const MAX_PARTS = 10_000;
const MAX_READ = 100_000;

interface Step {
  readonly key: string | undefined;
  readonly value: string;
  readonly of: (row: ShownRow) => unknown;
}

export class UnpivotedRows {
  /** Scope of the rows that are made. */
  readonly scope: Scope<ShownRow>;
  readonly #names = new Set<string>();
  readonly #steps: readonly Step[];
  #read = 0;
  /** Some row had more members than are allowed, so rows are missing. */
  isCut = false;

  /** Throws QueryError. */
  constructor(unpivots: readonly Unpivot[], clock: QueryClock) {
    const plain = rowScope(clock);
    this.scope = {
      ...plain,
      field: (ident) => {
        const [head, ...rest] = ident.name;
        if (!this.#names.has(String(head))) return plain.field(ident);
        // A name that unpivot gives is not a derived field, and has no type of its own.
        return compileField(
          { op: 'ident', name: ['value', ...rest] },
          (name) => (row: ShownRow) => readRow(name)({ value: row[head!] }),
        );
      },
    };
    this.#steps = unpivots.map((one) => {
      const value = compile(one.expr, this.scope);
      if (value.type === 'interval') throw new QueryError('unpivot takes an object or a list', one.expr.at);
      for (const name of unpivotNames(one)) {
        if (this.#names.has(name))
          throw new QueryError(
            `unpivot: there are two columns with the name ${JSON.stringify(name)}`,
            one.expr.at,
          );
        this.#names.add(name);
      }
      return typeof one.alias === 'string'
        ? { key: undefined, value: one.alias, of: value.of }
        : { key: one.alias[0], value: one.alias[1], of: value.of };
    });
  }

  /** True if an expression refers to a column that unpivot makes. */
  isNamedIn(expr: Expr): boolean {
    return expr.op === 'ident'
      ? this.#names.has(String(expr.name[0]))
      : operandsOf(expr).some((operand) => this.isNamedIn(operand));
  }

  /** The rows that are made of a row, at most MAX_PARTS. None if a value is neither an object nor a list, or is empty. */
  *rows(row: ShownRow): Generator<ShownRow> {
    let count = 0;
    this.#read = 0;
    for (const made of this.#made(row, 0)) {
      if (count++ < MAX_PARTS) yield made;
      else {
        this.isCut = true;
        return;
      }
    }
  }

  *#made(row: ShownRow, index: number): Generator<ShownRow> {
    const step = this.#steps[index];
    if (step === undefined) {
      yield row;
      return;
    }
    const whole = step.of(row);
    if (typeof whole !== 'object' || whole === null) return;
    for (const key of Array.isArray(whole) ? whole.keys() : Object.keys(whole)) {
      if (++this.#read > MAX_READ) {
        this.isCut = true;
        return;
      }
      const value = (whole as Readonly<Record<string | number, unknown>>)[key];
      // As in SQL, a value that is missing makes no row.
      if (value === null || value === undefined) continue;
      const made = { ...row, ...(step.key === undefined ? {} : { [step.key]: key }), [step.value]: value };
      yield* this.#made(made, index + 1);
    }
  }
}
