// The attributes of native records that are numbers, as columns of a page.
// Invariant: a value is the number that the attribute of the record has.
import type { NativeNumbers, Page } from './page.ts';

interface NativeNumber {
  readonly column: keyof NativeNumbers;
  readonly kind: 'bytes' | 'milliseconds' | 'optional' | 'elapsed';
}

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
]);

/** The value of an attribute; `undefined` if the record does not have it. `stored`: the value in the column. */
export function attributeValue({ kind }: NativeNumber, stored: number): number | undefined {
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
  const column = page.numbers[number.column];
  const isOptional = number.kind === 'optional' || number.kind === 'elapsed';
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
