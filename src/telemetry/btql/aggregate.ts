// The aggregates of BTQL: count, count_distinct, sum, avg, min, max, percentile, any_value.
// Invariant: values that are kept until the end take from a budget, so that a query has a bound on its memory.
import { asNumber, NO_ROW, type Compiled, type Scope, type ValueType } from './compiled.ts';
import { percentilesOf } from '../logs/logs.ts';
import { compile } from './evaluate.ts';
import { functionName, QueryError, type FunctionCall } from './tree.ts';
import { compareForSort } from './values.ts';

/** Bytes that the values of a query may take. */
export class MemoryBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  take(bytes: number): void {
    this.#left -= bytes;
  }
}

export interface Accumulator {
  add(value: unknown): void;
  result(): unknown;
}

/** Estimated size of an entry of a set or a map, besides its text. */
const ENTRY_BYTES = 64;

class Count implements Accumulator {
  #count = 0;

  add(value: unknown): void {
    if (value !== null && value !== undefined) this.#count++;
  }

  result(): number {
    return this.#count;
  }
}

class CountDistinct implements Accumulator {
  readonly #values = new Set<unknown>();
  readonly #budget: MemoryBudget;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  add(value: unknown): void {
    if (value === null || value === undefined) return;
    const key = typeof value === 'object' ? JSON.stringify(value) : value;
    const { size } = this.#values;
    this.#values.add(key);
    if (this.#values.size > size)
      this.#budget.take(ENTRY_BYTES + (typeof key === 'string' ? 2 * key.length : 0));
  }

  result(): number {
    return this.#values.size;
  }
}

class Sum implements Accumulator {
  #sum = 0;
  #count = 0;
  readonly #isMean: boolean;

  constructor(isMean: boolean) {
    this.#isMean = isMean;
  }

  add(value: unknown): void {
    const number = asNumber(value);
    if (number === null) return;
    this.#sum += number;
    this.#count++;
  }

  result(): number | null {
    if (this.#count === 0) return null;
    return asNumber(this.#isMean ? this.#sum / this.#count : this.#sum);
  }
}

class Extreme implements Accumulator {
  #best: unknown = null;
  readonly #sign: 1 | -1;

  constructor(sign: 1 | -1) {
    this.#sign = sign;
  }

  add(value: unknown): void {
    if (value === null || value === undefined) return;
    if (this.#best === null || this.#sign * compareForSort(value, this.#best) > 0) this.#best = value;
  }

  result(): unknown {
    return this.#best;
  }
}

class AnyValue implements Accumulator {
  #value: unknown = null;

  add(value: unknown): void {
    this.#value ??= value;
  }

  result(): unknown {
    return this.#value ?? null;
  }
}

/** Exact: keeps all values. */
class Percentile implements Accumulator {
  #values = new Float64Array(8);
  #count = 0;
  readonly #p: number;
  readonly #budget: MemoryBudget;

  constructor(p: number, budget: MemoryBudget) {
    this.#p = p;
    this.#budget = budget;
  }

  add(value: unknown): void {
    const number = asNumber(value);
    if (number === null) return;
    if (this.#count === this.#values.length) {
      this.#budget.take(8 * this.#count);
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = number;
  }

  result(): number | null {
    if (this.#count === 0) return null;
    return percentilesOf(this.#values, this.#count, [this.#p])[0]!;
  }
}

/** A compiled call of an aggregate. */
export interface Aggregate<Row> {
  readonly type: ValueType;
  /** The value that a row adds. */
  readonly value: (row: Row) => unknown;
  readonly start: (budget: MemoryBudget) => Accumulator;
}

const ONE = (): number => 1;

const STARTS: Readonly<Record<string, (budget: MemoryBudget) => Accumulator>> = {
  count: () => new Count(),
  count_distinct: (budget) => new CountDistinct(budget),
  sum: () => new Sum(false),
  avg: () => new Sum(true),
  min: () => new Extreme(-1),
  max: () => new Extreme(1),
  any_value: () => new AnyValue(),
};
const TYPES: Readonly<Record<string, ValueType>> = {
  count: 'integer',
  count_distinct: 'integer',
  sum: 'number',
  avg: 'number',
};

/** Compiles a call of an aggregate. Throws QueryError. */
export function compileAggregate<Row>(call: FunctionCall, scope: Scope<Row>): Aggregate<Row> {
  const name = functionName(call);
  const [first, second] = call.args;
  const wanted = name === 'percentile' ? 2 : 1;
  const isBareCount = name === 'count' && (call.args.length === 0 || first?.op === 'star');
  if (isBareCount) return { type: 'integer', value: ONE, start: STARTS['count']! };
  if (call.args.length !== wanted)
    throw new QueryError(
      `${name}() takes ${wanted} argument${wanted === 1 ? '' : 's'}, not ${call.args.length}`,
      call.at,
    );
  const argument = compile(first!, scope);
  if (argument.type === 'interval') throw new QueryError(`${name}() has no meaning for an interval`, call.at);
  if (name === 'percentile') {
    const p = percentileOf(compile(second!, scope));
    if (p === undefined)
      throw new QueryError('percentile() takes a number from 0 to 1, as in percentile(x, 0.95)', second!.at);
    return { type: 'number', value: argument.of, start: (budget) => new Percentile(p, budget) };
  }
  return { type: TYPES[name] ?? argument.type, value: argument.of, start: STARTS[name]! };
}

function percentileOf<Row>(p: Compiled<Row>): number | undefined {
  const value = p.isConstant ? p.of(NO_ROW) : undefined;
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
}
