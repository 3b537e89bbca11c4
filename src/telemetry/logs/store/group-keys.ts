// Finds the groups of the rows of pages. A key is resolved once per different value, not for each row.
// Invariant: what is remembered is only a cache of the groups of the accumulator, so it is limited and can be forgotten.
import type { GroupKey, KeyValue } from '../query/group-query.ts';
import { NO_MATCH_GROUP, type GroupAccumulator } from './group-accumulator.ts';
import { valuesOf, type PageRecords } from './page-values.ts';
import type { Page } from './page.ts';

/** Values and groups that are remembered, about. */
const MAX_ENTRIES = 100_000;
/** Above the number of entries that one page adds, which are counted after it. */
const FACTOR = 2 ** 26;
/** The number of the empty list of values. */
const NO_VALUES = 0;

export class GroupKeys {
  readonly #accumulator: GroupAccumulator;
  readonly #fields: readonly string[];
  /** Milliseconds; 0: without a time step. */
  readonly #stepMs: number;
  /** Index of the time step in the key. */
  readonly #stepIndex: number;
  /** Numbers of values of any key. */
  readonly #values = new Map<KeyValue, number>();
  /** Lists of values by number, in the order of the keys without the time step. */
  readonly #lists: (readonly KeyValue[])[] = [[]];
  /** Number of a list, by that of the list without the last value and that of the last value. */
  readonly #longer = new Map<number, number>();
  /** Groups by number of the list, by begin of the time step. */
  readonly #groups = new Map<number, number[]>();
  #groupCount = 0;

  constructor(by: readonly GroupKey[], accumulator: GroupAccumulator) {
    this.#accumulator = accumulator;
    this.#fields = by.flatMap((key) => ('field' in key ? [key.field] : []));
    this.#stepIndex = by.findIndex((key) => 'stepMs' in key);
    this.#stepMs = by.reduce((ms, key) => ('stepMs' in key ? key.stepMs : ms), 0);
  }

  /** The group of each marked row of a page; NO_MATCH_GROUP of the others. */
  groupsOf(page: Page, marks: Uint8Array, records: PageRecords): Int32Array {
    if (this.#values.size + this.#longer.size + this.#groupCount > MAX_ENTRIES) this.#forget();
    const { rows, timeMs } = page;
    // Lists are replaced by groups.
    const groups = this.#listsOf(page, marks, records);
    const stepMs = this.#stepMs;
    let [from, end] = [0, stepMs === 0 ? Infinity : 0];
    let known = this.#groupsOfStep(0);
    for (let row = 0; row < rows; row++) {
      if (marks[row] === 0) {
        groups[row] = NO_MATCH_GROUP;
        continue;
      }
      const ms = timeMs[row]!;
      if (ms < from || ms >= end) {
        from = ms - (ms % stepMs);
        end = from + stepMs;
        known = this.#groupsOfStep(from);
      }
      const list = groups[row]!;
      groups[row] = known[list] ?? this.#resolve(known, from, list);
    }
    return groups;
  }

  /** The number of the list of values of each marked row. */
  #listsOf(page: Page, marks: Uint8Array, records: PageRecords): Int32Array {
    const { rows, shape, shapes } = page;
    const ofShape = new Int32Array(shapes.length).fill(NO_VALUES);
    let ofRow: Int32Array | undefined;
    for (const field of this.#fields) {
      const values = valuesOf(page, field, records);
      if (ofRow === undefined && values.every(({ read }) => read === undefined)) {
        for (const [index, { constant }] of values.entries())
          ofShape[index] = this.#longerList(ofShape[index]!, constant!);
        continue;
      }
      ofRow ??= byRow(shape, ofShape);
      for (let row = 0; row < rows; row++) {
        if (marks[row] === 0) continue;
        const { constant, read } = values[shape[row]!]!;
        ofRow[row] = this.#longerList(ofRow[row]!, read === undefined ? constant : read(row));
      }
    }
    return ofRow ?? byRow(shape, ofShape);
  }

  #numberOf(value: KeyValue): number {
    let number = this.#values.get(value);
    if (number === undefined) this.#values.set(value, (number = this.#values.size));
    return number;
  }

  /** The number of a list with one more value. */
  #longerList(list: number, value: KeyValue): number {
    const key = list * FACTOR + this.#numberOf(value);
    let longer = this.#longer.get(key);
    if (longer === undefined) {
      longer = this.#lists.length;
      this.#lists.push([...this.#lists[list]!, value]);
      this.#longer.set(key, longer);
    }
    return longer;
  }

  #groupsOfStep(from: number): number[] {
    let known = this.#groups.get(from);
    if (known === undefined) {
      this.#groups.set(from, (known = []));
      this.#groupCount++;
    }
    return known;
  }

  #resolve(known: number[], from: number, list: number): number {
    const values = this.#lists[list]!;
    const key = this.#stepMs === 0 ? values : values.toSpliced(this.#stepIndex, 0, from);
    const group = this.#accumulator.group(key);
    known[list] = group;
    this.#groupCount++;
    return group;
  }

  #forget(): void {
    this.#values.clear();
    this.#longer.clear();
    this.#groups.clear();
    this.#lists.length = 1;
    this.#groupCount = 0;
  }
}

/** Numbers by row, of numbers by shape. */
function byRow(shape: ArrayLike<number>, ofShape: Int32Array): Int32Array {
  const numbers = new Int32Array(shape.length);
  for (let row = 0; row < numbers.length; row++) numbers[row] = ofShape[shape[row]!]!;
  return numbers;
}
