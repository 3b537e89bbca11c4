// Collects the counts and values of a group query, from any source: records, columns, sums per minute.
// Invariant: memory is limited. Records of further groups count as `others`, and long sets of values become histograms.
// Hot path of a group query: `count` and `add` run for each row, so they create no objects.
import { checkGroupQuery, type GroupQuery, type GroupResult, type KeyValue } from '../query/group-query.ts';
import type { LogHistogram } from './log-histogram.ts';
import { ValueSet, type ValueBudget } from './value-set.ts';

/** Above 2000 time steps of 7 levels. */
export const MAX_GROUPS = 20_000;
/** Of all keys together, as JSON. */
const MAX_KEY_CHARACTERS = 4 * 1024 ** 2;
/** Group of the records that are in no group. */
const OTHERS = -1;
/** Among the groups of rows: that of rows that the query does not match. */
export const NO_MATCH_GROUP = -2;

/** Rows of a page, each with the index of its group in `groups`. */
export interface RowGroups {
  readonly index: Uint8Array | Uint16Array;
  readonly groups: readonly number[];
}

/** Sums of several values of a field. */
export interface ValueSums {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/** Values of a field of all groups. An array is empty if no measure needs it. */
interface Input {
  readonly field: string;
  readonly hasSums: boolean;
  readonly ps: readonly number[];
  counts: Float64Array;
  sums: Float64Array;
  mins: Float64Array;
  maxs: Float64Array;
  readonly sets: ValueSet[];
}

export class GroupAccumulator {
  readonly #query: GroupQuery;
  readonly #budget: ValueBudget;
  readonly #inputs: readonly Input[];
  readonly #maxGroups: number;
  readonly #groups = new Map<string, number>();
  readonly #keys: (readonly KeyValue[])[] = [];
  #keyCharacters = 0;
  #counts = new Float64Array(16);
  #others = 0;
  /** Bytes of values that were taken from the budget. */
  #bytes = 0;
  #isLimited = false;

  /** `budget`: memory for values, which other accumulators may share. Throws `RangeError` for an invalid query. */
  constructor(query: GroupQuery, budget: ValueBudget, maxGroups = MAX_GROUPS) {
    checkGroupQuery(query);
    this.#query = query;
    this.#budget = budget;
    this.#inputs = inputsOf(query, this.#counts.length);
    // A set of values can need some kilobytes, also when memory is short.
    const sets = this.#inputs.filter(({ ps }) => ps.length > 0).length;
    this.#maxGroups = Math.floor(maxGroups / (1 + sets));
  }

  /** Fields whose values are needed, as named in the query. `add` takes the index of one of them. */
  get fields(): readonly string[] {
    return this.#inputs.map(({ field }) => field);
  }

  /** Returns the number of a group, for `count` and `add`. To be called once per different key, not for each row. */
  group(key: readonly KeyValue[]): number {
    const text = JSON.stringify(key);
    const known = this.#groups.get(text);
    if (known !== undefined) return known;
    const group = this.#keys.length;
    if (group >= this.#maxGroups || this.#keyCharacters + text.length > MAX_KEY_CHARACTERS) return OTHERS;
    this.#keyCharacters += text.length;
    this.#groups.set(text, group);
    this.#keys.push(key);
    if (group === this.#counts.length) this.#growColumns(group * 2);
    for (const { ps, sets } of this.#inputs) if (ps.length > 0) sets.push(this.#newSet());
    return group;
  }

  /** Counts `n` records of a group. */
  count(group: number, n: number): void {
    if (group === OTHERS) this.#others += n;
    else this.#counts[group]! += n;
  }

  /** Adds the value that one record of a group has in a field. `value`: a finite number. */
  add(group: number, field: number, value: number): void {
    if (group === OTHERS) return;
    const input = this.#inputs[field]!;
    if (input.hasSums) {
      input.counts[group]! += 1;
      input.sums[group]! += value;
      if (value < input.mins[group]!) input.mins[group] = value;
      if (value > input.maxs[group]!) input.maxs[group] = value;
    }
    if (input.ps.length > 0) input.sets[group]!.add(value);
  }

  /** Adds rows. `columns`: for each field the values of the rows; NaN of a row without a value. */
  addRows({ index, groups }: RowGroups, columns: readonly Float64Array[]): void {
    const counts = new Uint32Array(groups.length);
    for (let row = 0; row < index.length; row++) counts[index[row]!]!++;
    for (const [i, group] of groups.entries()) if (group !== NO_MATCH_GROUP) this.count(group, counts[i]!);
    for (const [field, values] of columns.entries()) {
      const { hasSums, ps, sets } = this.#inputs[field]!;
      if (hasSums) this.#addSums(index, groups, field, values);
      if (ps.length === 0) continue;
      const ofIndex = Array.from(groups, (group) => sets[group]);
      for (let row = 0; row < index.length; row++) {
        const value = values[row]!;
        // NaN is not equal to itself.
        if (value === value) ofIndex[index[row]!]?.add(value);
      }
    }
  }

  #addSums(
    index: RowGroups['index'],
    groups: RowGroups['groups'],
    field: number,
    values: Float64Array,
  ): void {
    const { counts, sums, mins, maxs } = this.#inputs[field]!;
    for (let row = 0; row < index.length; row++) {
      const group = groups[index[row]!]!;
      const value = values[row]!;
      if (group < 0 || value !== value) continue;
      counts[group]! += 1;
      sums[group]! += value;
      if (value < mins[group]!) mins[group] = value;
      if (value > maxs[group]!) maxs[group] = value;
    }
  }

  /** Adds the sums of several values, for all measures but percentiles. */
  addSums(group: number, field: number, { count, sum, min, max }: ValueSums): void {
    const input = this.#inputs[field]!;
    if (group === OTHERS || !input.hasSums) return;
    input.counts[group]! += count;
    input.sums[group]! += sum;
    input.mins[group] = Math.min(input.mins[group]!, min);
    input.maxs[group] = Math.max(input.maxs[group]!, max);
  }

  /** Adds a histogram of several values, for percentiles only. These are approximate from now on. */
  addHistogram(group: number, field: number, histogram: LogHistogram): void {
    const input = this.#inputs[field]!;
    if (group !== OTHERS && input.ps.length > 0) input.sets[group]!.addHistogram(histogram);
  }

  /** Adds all groups of another accumulator of the same query. */
  merge(other: GroupAccumulator): void {
    this.#others += other.#others;
    for (const [from, key] of other.#keys.entries()) {
      const group = this.group(key);
      this.count(group, other.#counts[from]!);
      if (group === OTHERS) continue;
      for (const [i, input] of other.#inputs.entries()) {
        const { counts, sums, mins, maxs, sets } = input;
        if (input.hasSums)
          this.addSums(group, i, {
            count: counts[from]!,
            sum: sums[from]!,
            min: mins[from]!,
            max: maxs[from]!,
          });
        if (input.ps.length > 0) this.#inputs[i]!.sets[group]!.merge(sets[from]!);
      }
    }
  }

  /** Computes the measures. `isPartial`: not all records were added. */
  result(isPartial: boolean): GroupResult {
    const groups = this.#keys.map((key, group) => ({ key, values: this.#valuesOf(key, group) }));
    const counted = this.#counts.reduce((sum, n) => sum + n, 0);
    const isApproximate = this.#inputs.some(({ sets }) => sets.some((set) => !set.isExact));
    return { groups, matched: counted + this.#others, others: this.#others, isApproximate, isPartial };
  }

  /** Gives the memory of the values back. The accumulator cannot be used any more. */
  release(): void {
    this.#budget.take(-this.#bytes);
    this.#bytes = 0;
  }

  #valuesOf(key: readonly KeyValue[], group: number): (number | null)[] {
    const percentiles = this.#inputs.map(({ ps, sets }) =>
      ps.length > 0 ? sets[group]!.percentiles(ps) : [],
    );
    return this.#query.measures.map((measure) => {
      if (measure.op === 'count') return this.#counts[group]!;
      if (measure.op === 'rate') return this.#counts[group]! / secondsOf(this.#query, key);
      const i = this.#inputs.findIndex(({ field }) => field === measure.field);
      const { ps, counts, sums, mins, maxs } = this.#inputs[i]!;
      if (measure.op === 'percentile') return percentiles[i]![ps.indexOf(measure.p)]!;
      if (counts[group] === 0) return null;
      switch (measure.op) {
        case 'sum':
          return sums[group]!;
        case 'mean':
          return sums[group]! / counts[group]!;
        case 'min':
          return mins[group]!;
        case 'max':
          return maxs[group]!;
      }
    });
  }

  #newSet(): ValueSet {
    const set = new ValueSet((bytes) => {
      this.#bytes += bytes;
      this.#budget.take(bytes);
      if (bytes > 0 && this.#budget.isExceeded) this.#limitSets();
    });
    if (this.#isLimited) set.limit();
    return set;
  }

  #limitSets(): void {
    if (this.#isLimited) return;
    this.#isLimited = true;
    for (const { sets } of this.#inputs) for (const set of sets) set.limit();
  }

  #growColumns(length: number): void {
    this.#counts = grown(this.#counts, length, 0);
    for (const input of this.#inputs) {
      if (!input.hasSums) continue;
      input.counts = grown(input.counts, length, 0);
      input.sums = grown(input.sums, length, 0);
      input.mins = grown(input.mins, length, Infinity);
      input.maxs = grown(input.maxs, length, -Infinity);
    }
  }
}

function inputsOf({ measures }: GroupQuery, length: number): Input[] {
  const ofField = Map.groupBy(
    measures.filter((measure) => 'field' in measure),
    ({ field }) => field,
  );
  return Array.from(ofField, ([field, own]) => {
    const ps = new Set(own.flatMap((measure) => (measure.op === 'percentile' ? [measure.p] : [])));
    const hasSums = own.some(({ op }) => op !== 'percentile');
    const column = (initial: number) => new Float64Array(hasSums ? length : 0).fill(initial);
    return {
      field,
      hasSums,
      ps: Array.from(ps),
      counts: column(0),
      sums: column(0),
      mins: column(Infinity),
      maxs: column(-Infinity),
      sets: [],
    };
  });
}

function grown(values: Float64Array, length: number, initial: number): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(length).fill(initial);
  copy.set(values);
  return copy;
}

const NS_PER_MS = 1_000_000n;

/** Seconds of a group that lie in the time range of the query. */
function secondsOf({ by, fromNs, toNs }: GroupQuery, key: readonly KeyValue[]): number {
  let [from, end] = [fromNs, toNs + 1n];
  for (const [i, part] of by.entries()) {
    if (!('stepMs' in part)) continue;
    const begin = BigInt(key[i] as number) * NS_PER_MS;
    const stepEnd = begin + BigInt(part.stepMs) * NS_PER_MS;
    if (begin > from) from = begin;
    if (stepEnd < end) end = stepEnd;
  }
  return Number(end - from) / 1e9;
}
