// The attributes of native records that are numbers, as columns of a page.
// Invariant: a value is the number that the attribute of the record has.
import { LLM_NUMBERS, llmValue } from './llm-numbers.ts';
import type { Page } from './page.ts';
import { HAS } from './shape.ts';

/** Columns of native records, in the order of their rows. */
export interface NativeNumbers {
  readonly firstByte: Float64Array;
  readonly head: Float64Array;
  readonly requestBytes: Float64Array;
  readonly responseBytes: Float64Array;
  readonly leased: Float64Array;
  readonly connected: Float64Array;
  readonly waited: Float64Array;
  readonly queued: Float64Array;
}

/** `column`: of native records, or the index of one of LLM_NUMBERS. */
type NativeNumber =
  | {
      readonly column: keyof NativeNumbers;
      readonly kind: 'bytes' | 'milliseconds' | 'optional' | 'elapsed';
    }
  | { readonly column: number; readonly kind: 'llm'; readonly scale: number };

/** By name of the attribute. */
export const NATIVE_NUMBERS: ReadonlyMap<string, NativeNumber> = new Map<string, NativeNumber>([
  ['queue_ms', { column: 'waited', kind: 'milliseconds' }],
  ['async_wait_ms', { column: 'queued', kind: 'optional' }],
  ['leased_ms', { column: 'leased', kind: 'elapsed' }],
  ['connected_ms', { column: 'connected', kind: 'elapsed' }],
  ['head_ms', { column: 'head', kind: 'elapsed' }],
  ['first_byte_ms', { column: 'firstByte', kind: 'elapsed' }],
  ['request_bytes', { column: 'requestBytes', kind: 'bytes' }],
  ['response_bytes', { column: 'responseBytes', kind: 'bytes' }],
  ...LLM_NUMBERS.map(({ name, scale }, column) => [name, { column, kind: 'llm', scale }] as const),
]);

/** The column of HAS that the rows have which have the attribute. */
export const rowsWith = ({ kind }: NativeNumber): typeof HAS.llm | typeof HAS.native =>
  kind === 'llm' ? HAS.llm : HAS.native;

/** The column of an attribute in a page, by rank of the rows that have it. */
export function columnOf(page: Page, { column }: NativeNumber): Float64Array {
  if (typeof column === 'number') return page.llm.numbers[column]!;
  // First bytes are in the part of the page that is read in any case.
  return column === 'firstByte' ? page.firstByte : page.numbers[column];
}

/** The value of an attribute; `undefined` if the record does not have it. `stored`: the value in the column. */
export function attributeValue(number: NativeNumber, stored: number): number | undefined {
  const { kind } = number;
  if (kind === 'llm') return llmValue(stored, number.scale);
  if (kind === 'bytes') return stored;
  if (kind === 'milliseconds') return stored / 1000;
  return stored === 0 ? undefined : (stored - (kind === 'elapsed' ? 1 : 0)) / 1000;
}

/** Bounds of the values of an attribute in a page. `min` is above `max` if no record has it. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
  readonly mayBeMissing: boolean;
}

export function rangeOfNumber(page: Page, number: NativeNumber): NumberRange {
  const column = columnOf(page, number);
  const isOptional = number.kind !== 'bytes' && number.kind !== 'milliseconds';
  let [min, max, missing] = [Infinity, -Infinity, 0];
  for (let i = 0; i < column.length; i++) {
    const value = column[i]!;
    if (isOptional && value === 0) missing++;
    else {
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (min > max) return { min: 1, max: 0, mayBeMissing: true };
  return {
    min: attributeValue(number, min)!,
    max: attributeValue(number, max)!,
    mayBeMissing: missing > 0,
  };
}
