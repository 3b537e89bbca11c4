// Columns of whole numbers as bytes: all lowest bytes first, then all second ones and so on, which compresses well.
// Invariant: any list of whole numbers from 0 to 2^53 - 1, or from -2^51 to 2^51, is read back exactly.

import type { ByteWriter } from './byte-writer.ts';

/** Width (u8), scale (u8) and smallest number (f64). */
const HEADER_BYTES = 10;
const SCALES = [1, 1000, 1_000_000];

/** The largest number by which all numbers can be divided, of 1, 1000 and 1,000,000, as an index of SCALES. */
function scaleOf(values: ArrayLike<number>, from: number, count: number): number {
  let scale = SCALES.length - 1;
  for (let i = from; i < from + count && scale > 0; i++) while (values[i]! % SCALES[scale]! !== 0) scale--;
  return scale;
}

/** Encodes the numbers from index `from` on: a header, then the bytes of their differences to the smallest one. */
export function writeNumbers(out: ByteWriter, values: ArrayLike<number>, from: number, count: number): void {
  let min = count === 0 ? 0 : Infinity;
  let max = 0;
  for (let i = from; i < from + count; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const scale = max - min < 256 ? 0 : scaleOf(values, from, count);
  const divisor = SCALES[scale]!;
  let width = 0;
  for (let limit = 1; limit <= (max - min) / divisor; limit *= 256) width++;
  const header = out.reserve(HEADER_BYTES + width * count);
  const { bytes, end } = out;
  bytes[header] = width;
  bytes[header + 1] = scale;
  out.setF64(header + 2, min);
  if (width === 0) return;
  const first = header + HEADER_BYTES;
  if (width <= 4)
    for (let i = 0; i < count; i++) {
      let rest = divisor === 1 ? values[from + i]! - min : (values[from + i]! - min) / divisor;
      for (let at = first + i; at < end; at += count) {
        bytes[at] = rest;
        rest >>>= 8;
      }
    }
  else
    for (let i = 0; i < count; i++) {
      let rest = (values[from + i]! - min) / divisor;
      for (let at = first + i; at < end; at += count) {
        bytes[at] = rest % 256;
        rest = Math.floor(rest / 256);
      }
    }
}

/** Bytes of an encoded column that begins at `at`. */
export const encodedLength = (bytes: Uint8Array, at: number, count: number): number =>
  HEADER_BYTES + bytes[at]! * count;

/** Memory for columns of one page after the other, since new memory takes longer than to decode a column. */
export class ColumnMemory {
  readonly #columns: Float64Array<ArrayBuffer>[] = [];
  #taken = 0;

  /** From now on the memory that was taken is used again. */
  reset(): void {
    this.#taken = 0;
  }

  /** Returns memory for `count` numbers. There may be others in it. */
  take(count: number): Float64Array<ArrayBuffer> {
    const i = this.#taken++;
    let column = this.#columns[i];
    if (column === undefined || column.length < count) this.#columns[i] = column = new Float64Array(count);
    return column.length === count ? column : column.subarray(0, count);
  }
}

/** Decodes the `count` numbers of a column that begins at `at`. `out`: memory for them. */
export function decodeNumbers(
  bytes: Uint8Array,
  at: number,
  count: number,
  out = new Float64Array(count),
): Float64Array<ArrayBuffer> {
  const width = bytes[at]!;
  const divisor = SCALES[bytes[at + 1]!]!;
  const min = smallestOf(bytes, at);
  if (width === 0) return out.fill(min);
  const first = at + HEADER_BYTES;
  const second = first + count;
  const third = second + count;
  // One pass for each of the usual widths, since most of the time is for going through the column.
  if (width === 1) for (let i = 0; i < count; i++) out[i] = bytes[first + i]! * divisor + min;
  else if (width === 2)
    for (let i = 0; i < count; i++) out[i] = (bytes[first + i]! | (bytes[second + i]! << 8)) * divisor + min;
  else {
    for (let i = 0; i < count; i++)
      out[i] = (bytes[first + i]! | (bytes[second + i]! << 8) | (bytes[third + i]! << 16)) * divisor + min;
    let factor = 2 ** 24 * divisor;
    for (let from = third + count; from < first + width * count; from += count, factor *= 256)
      for (let i = 0; i < count; i++) out[i]! += bytes[from + i]! * factor;
  }
  return out;
}

/** Like `decodeNumbers`, for numbers below 65,536 from 0 on without gaps. May return a part of `bytes`. */
export function decodeIndexes(bytes: Uint8Array, at: number, count: number): Uint8Array | Uint16Array {
  const width = bytes[at]!;
  const first = at + HEADER_BYTES;
  if (width === 0) return new Uint8Array(count);
  if (width === 1) return bytes.subarray(first, first + count);
  const out = new Uint16Array(count);
  for (let i = 0; i < count; i++) out[i] = bytes[first + i]! | (bytes[first + count + i]! << 8);
  return out;
}

/** The smallest number of a column that begins at `at`. */
export const smallestOf = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + at).getFloat64(2, true);

/** The number at an index of a column that begins at `at`, without decoding the others. */
export function numberAt(bytes: Uint8Array, at: number, count: number, index: number): number {
  const first = at + HEADER_BYTES + index;
  let value = 0;
  for (let plane = bytes[at]! - 1; plane >= 0; plane--) value = value * 256 + bytes[first + plane * count]!;
  return value * SCALES[bytes[at + 1]!]! + smallestOf(bytes, at);
}

/** A signed number as one that is not negative: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
export const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
export const unzigzag = (value: number): number => {
  const int = value | 0;
  // The usual small numbers are much faster as integers.
  if (int === value) return (int >>> 1) ^ -(int & 1);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
};

/** The differences of `count` numbers to the one before each; the first one is the difference to `base`. */
export function deltas(
  values: ArrayLike<number>,
  from: number,
  count: number,
  base: number,
  out = new Float64Array(count),
): Float64Array<ArrayBuffer> {
  let last = base;
  for (let i = 0; i < count; i++) {
    const value = values[from + i]!;
    out[i] = value < last ? 2 * (last - value) - 1 : 2 * (value - last);
    last = value;
  }
  return out;
}

/** Reverses `deltas`, in place. */
export function undeltas(values: Float64Array, base: number): Float64Array {
  let last = base;
  for (let i = 0; i < values.length; i++) {
    last += unzigzag(values[i]!);
    values[i] = last;
  }
  return values;
}
