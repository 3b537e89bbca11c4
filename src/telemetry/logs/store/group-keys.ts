// Finds the groups of the rows of pages. A key is resolved once per different value, not for each row.
// Invariant: what is remembered is only a cache of the groups of the accumulator, so it is limited and can be forgotten.
import type { GroupKey, KeyValue } from '../query/group-query.ts';
import { firstTime, lastTime, type TimeParts } from './block-directory.ts';
import { MAX_GROUPS, NO_MATCH_GROUP, type GroupAccumulator, type RowGroups } from './group-accumulator.ts';
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
  /** For `#groupsByRow`: the index of each group, which is 0 between two calls. */
  readonly #indexOf = new Uint16Array(1 + MAX_GROUPS);

  constructor(by: readonly GroupKey[], accumulator: GroupAccumulator) {
    this.#accumulator = accumulator;
    this.#fields = by.flatMap((key) => ('field' in key ? [key.field] : []));
    this.#stepIndex = by.findIndex((key) => 'stepMs' in key);
    this.#stepMs = by.reduce((ms, key) => ('stepMs' in key ? key.stepMs : ms), 0);
  }

  /** The groups of the marked rows of a page. They have a meaning until the next call. `times`: of the page. */
  groupsOf(page: Page, times: TimeParts, marks: Uint8Array | undefined, records: PageRecords): RowGroups {
    if (this.#values.size + this.#longer.size + this.#groupCount > MAX_ENTRIES) this.#forget();
    const { ofShape, ofRow } = this.#listsOf(page, marks, records);
    const stepMs = this.#stepMs;
    const from = stepMs === 0 ? 0 : stepOf(firstTime(times), stepMs);
    const isOneStep = stepMs === 0 || lastTime(times) < from + stepMs;
    if (marks !== undefined || ofRow !== undefined || !isOneStep)
      return this.#groupsByRow(page, from, isOneStep, marks, ofRow ?? byRow(page.shape, ofShape));
    const known = this.#groupsOfStep(from);
    const groups = Array.from(ofShape, (list) => known[list] ?? this.#resolve(known, from, list));
    return { index: page.shape, groups };
  }

  #groupsByRow(
    { rows, timeMs }: Page,
    firstStep: number,
    isOneStep: boolean,
    marks: Uint8Array | undefined,
    lists: Int32Array,
  ): RowGroups {
    const stepMs = this.#stepMs;
    const index = new Uint16Array(rows);
    const groups = [NO_MATCH_GROUP];
    /** Index of a group in `groups`. */
    const indexOf = this.#indexOf;
    let from = firstStep;
    let end = isOneStep ? Infinity : from + stepMs;
    let known = this.#groupsOfStep(from);
    for (let row = 0; row < rows; row++) {
      if (marks !== undefined && marks[row] === 0) continue;
      const ms = timeMs[row]!;
      if (ms < from || ms >= end) {
        from = stepOf(ms, stepMs);
        end = from + stepMs;
        known = this.#groupsOfStep(from);
      }
      const list = lists[row]!;
      const group = known[list] ?? this.#resolve(known, from, list);
      index[row] = indexOf[group + 1] ||= groups.push(group) - 1;
    }
    for (let i = 1; i < groups.length; i++) indexOf[groups[i]! + 1] = 0;
    return { index, groups };
  }

  /** The numbers of the lists of values: by shape if they depend on nothing else, or of each marked row. */
  #listsOf(
    page: Page,
    marks: Uint8Array | undefined,
    records: PageRecords,
  ): { readonly ofShape: Int32Array; readonly ofRow: Int32Array | undefined } {
    const { rows, shape } = page;
    const ofShape = new Int32Array(page.encodedShapes.count).fill(NO_VALUES);
    let ofRow: Int32Array | undefined;
    for (const field of this.#fields) {
      const values = valuesOf(page, field, records);
      if (ofRow === undefined && values.every((value) => typeof value !== 'function')) {
        for (let i = 0; i < ofShape.length; i++)
          ofShape[i] = this.#longerList(ofShape[i]!, values[i] as KeyValue);
        continue;
      }
      ofRow ??= byRow(shape, ofShape);
      for (let row = 0; row < rows; row++) {
        if (marks !== undefined && marks[row] === 0) continue;
        const value = values[shape[row]!]!;
        ofRow[row] = this.#longerList(ofRow[row]!, typeof value === 'function' ? value(row) : value);
      }
    }
    return { ofShape, ofRow };
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

/** Begin of a time step in milliseconds. */
const stepOf = (ms: number, stepMs: number): number => ms - (ms % stepMs);
