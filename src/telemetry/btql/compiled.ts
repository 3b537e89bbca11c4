// A compiled expression, and how the parts of one are made.
// Invariant: a constant is computed once, at its first use.
import { formatMs, timeOfValue, type Interval } from './btql-time.ts';
import type { SpanCost } from './span-prices.ts';
import { QueryError, type Expr, type Ident } from './tree.ts';

export type ValueType = 'any' | 'boolean' | 'number' | 'integer' | 'text' | 'time' | 'interval';

/** A compiled expression. */
export interface Compiled<Row> {
  readonly type: ValueType;
  /** The value as a result shows it; null for a missing one. */
  readonly of: (row: Row) => unknown;
  /** Only of type `time`: the same in milliseconds. */
  readonly ms?: (row: Row) => number | null;
  /** Only of type `interval`. */
  readonly interval?: Interval;
  /** It has the same value for each row. */
  readonly isConstant: boolean;
}

/** What an expression may refer to. */
export interface Scope<Row> {
  readonly nowMs: number;
  /** How far the zone of the user is behind UTC. */
  readonly westMs: number;
  /** What tokens cost; `undefined`: rows have the costs that are stored. */
  readonly costOf?: SpanCost | undefined;
  /** The value of a name. Throws QueryError if there is none. */
  readonly field: (ident: Ident) => Compiled<Row>;
  /** Compiles an expression in a way of its own, for example an aggregate; `undefined`: in the usual way. */
  readonly override?: (expr: Expr) => Compiled<Row> | undefined;
}

export const constant = <Row>(value: unknown, type: ValueType = 'any'): Compiled<Row> => ({
  type,
  of: () => value,
  isConstant: true,
});

export const timeValue = <Row>(ms: (row: Row) => number | null, isConstant: boolean): Compiled<Row> => ({
  type: 'time',
  ms,
  of(row) {
    const at = ms(row);
    return at === null ? null : formatMs(at);
  },
  isConstant,
});

/** The value as a time. A constant that is none is an error. */
export function asTime<Row>(value: Compiled<Row>, expr: Expr, row: Row): (row: Row) => number | null {
  if (value.ms) return value.ms;
  if (value.type === 'interval')
    throw new QueryError('an interval is not a time; add it to one, as in now() - interval 1 day', expr.at);
  if (!value.isConstant) return (one) => timeOfValue(value.of(one));
  const given = value.of(row);
  const ms = timeOfValue(given);
  if (ms === null && given !== null)
    throw new QueryError(
      `${JSON.stringify(given)?.slice(0, 80)} is not a time; write '2026-11-20' or '2026-11-20T16:52:26Z'`,
      expr.at,
    );
  return () => ms;
}

/** A row for constants, which do not read it. */
export const NO_ROW = undefined as never;

export const made = <Row>(
  type: ValueType,
  from: readonly Compiled<Row>[],
  of: (row: Row) => unknown,
): Compiled<Row> => {
  const isConstant = from.every((one) => one.isConstant);
  if (!isConstant) return { type, of, isConstant };
  let known: { readonly value: unknown } | undefined;
  return { type, of: (row) => (known ??= { value: of(row) }).value, isConstant };
};

/** A finite number. Booleans count as 0 and 1. `null` for other values. */
export function asNumber(value: unknown): number | null {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
