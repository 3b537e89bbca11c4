// A column with the value of one member of the attributes, such as `metadata.user_id`, for each row of a block or page.
// Numbers are typed; other values are JSON texts, each stored once, and the number of its text for each row.
// Invariant: the values are those of the attributes, as JSON.parse gives them.
import type { KeyValue } from '../query/group-query.ts';
import { attributeKey } from '../query/record-value.ts';
import type { ValueTest } from '../query/field-test.ts';
import { ByteWriter } from './byte-writer.ts';
import { decodeIndexes, decodeNumbers, smallestOf, writeNumbers } from './number-column.ts';
import { encodeTexts, TextColumn } from './text-column.ts';

/** How the values are stored: the first byte of a column. */
const KIND = {
  /** Texts, then for each row the number of its text; the number of texts: the row has no value. */
  texts: 0,
  /** Whole numbers that are the values times a power of ten, the smallest of which means that the row has no value. */
  decimals: 1,
  /** Floating-point numbers; NaN: the row has no value. */
  doubles: 2,
  /** Times as in `decimals`, in milliseconds; the values are their ISO texts. */
  times: 3,
} as const;

/** Kind, decimal digits, and whether a row has no value (each u8). */
const HEADER_BYTES = 3;
/** The first byte of the text of a list. */
const LIST = 0x5b;
const MAX_DIGITS = 9;

/** A value of a column: of `JSON.parse`, but no object with members. */
export type MemberValue = unknown;

/** The numbers times ten to the power of the digits, if all of them are whole numbers then. */
function asDecimals(values: readonly number[]): { numbers: number[]; digits: number } | undefined {
  let digits = 0;
  let factor = 1;
  for (const value of values) {
    while (Math.round(value * factor) / factor !== value) {
      if (++digits > MAX_DIGITS) return undefined;
      factor *= 10;
    }
    if (Object.is(value, -0)) return undefined;
  }
  const numbers = values.map((value) => Math.round(value * factor));
  const isExact = numbers.every((number, i) => Math.abs(number) < 2 ** 51 && number / factor === values[i]);
  return isExact ? { numbers, digits } : undefined;
}

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Date.parse reads some days after it as days of the next month, and 24:00 as that of the next day. */
const LAST_SURE_DAY = '28';

/** Milliseconds of texts that Date.toISOString has written. */
function asTimes(values: readonly MemberValue[]): number[] | undefined {
  const times: number[] = [];
  for (const value of values) {
    const ms = typeof value === 'string' && ISO.test(value) ? Date.parse(value) : NaN;
    if (Number.isNaN(ms)) return undefined;
    const mayBeOther =
      (value as string).slice(8, 10) > LAST_SURE_DAY || (value as string).startsWith('24', 11);
    if (mayBeOther && new Date(ms).toISOString() !== value) return undefined;
    times.push(ms);
  }
  return times;
}

/** Values of some rows. */
export interface MemberRows {
  /** Ascending. */
  readonly rows: readonly number[];
  /** The value of each of these rows. */
  readonly values: readonly MemberValue[];
}

/** A column, and what is known about its values. */
export interface EncodedMember {
  readonly bytes: Uint8Array;
  /** Bounds if all values are numbers, or all different values; `undefined`: nothing is known of times. */
  readonly known:
    { readonly min: number; readonly max: number } | { readonly values: readonly MemberValue[] } | undefined;
}

/** Encodes the values of `count` rows, at least one of which has a value. `undefined`: the texts are too long together. */
export function encodeMember(
  { rows, values }: MemberRows,
  count: number,
  maxCharacters: number,
): EncodedMember | undefined {
  const isNumeric = values.every((value) => typeof value === 'number');
  const decimals = isNumeric ? asDecimals(values) : undefined;
  if (isNumeric) {
    const bounds = boundsOf(values);
    const bytes = decimals
      ? encodeDecimals(KIND.decimals, decimals, rows, count)
      : encodeDoubles(values, rows, count);
    return { bytes, known: bounds };
  }
  const times = asTimes(values);
  if (times) {
    const bytes = encodeDecimals(KIND.times, { numbers: times, digits: 0 }, rows, count);
    return { bytes, known: undefined };
  }
  return encodeDictionary(values, rows, count, maxCharacters);
}

function boundsOf(numbers: readonly number[]): { min: number; max: number } {
  let [min, max] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number < min) min = number;
    if (number > max) max = number;
  }
  return { min, max };
}

function encodeDecimals(
  kind: number,
  { numbers, digits }: { numbers: readonly number[]; digits: number },
  rows: readonly number[],
  count: number,
): Uint8Array {
  const hasMissing = rows.length < count;
  const missing = boundsOf(numbers).min - 1;
  const all = new Float64Array(count).fill(missing);
  for (let i = 0; i < rows.length; i++) all[rows[i]!] = numbers[i]!;
  const out = new ByteWriter(HEADER_BYTES + 8 * count + 16);
  out.put(Uint8Array.of(kind, digits, hasMissing ? 1 : 0));
  writeNumbers(out, all, 0, count);
  return out.part(0);
}

function encodeDoubles(numbers: readonly number[], rows: readonly number[], count: number): Uint8Array {
  const out = Buffer.alloc(HEADER_BYTES + 8 * count);
  out[0] = KIND.doubles;
  for (let row = 0; row < count; row++) out.writeDoubleLE(NaN, HEADER_BYTES + 8 * row);
  for (let i = 0; i < rows.length; i++) out.writeDoubleLE(numbers[i]!, HEADER_BYTES + 8 * rows[i]!);
  return out;
}

function encodeDictionary(
  values: readonly MemberValue[],
  rows: readonly number[],
  count: number,
  maxCharacters: number,
): EncodedMember | undefined {
  const plain = new Map<MemberValue, number>();
  const lists = new Map<string, number>();
  const texts: string[] = [];
  const known: MemberValue[] = [];
  const all = new Float64Array(count);
  let characters = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const isList = typeof value === 'object' && value !== null;
    const text = isList ? JSON.stringify(value) : '';
    let number = isList ? lists.get(text) : plain.get(value);
    if (number === undefined) {
      number = known.push(value) - 1;
      if (isList) lists.set(text, number);
      else plain.set(value, number);
      texts.push(isList ? text : JSON.stringify(value));
      characters += texts[number]!.length;
      if (characters > maxCharacters) return undefined;
    }
    all[rows[i]!] = number + 1;
  }
  // The first text is that of a row, so that the numbers begin with 0.
  for (let row = 0; row < count; row++) all[row] = all[row] === 0 ? texts.length : all[row]! - 1;
  const out = new ByteWriter(HEADER_BYTES + characters + 4 * count);
  out.put(Uint8Array.of(KIND.texts, 0, 0));
  out.put(encodeTexts(texts, false));
  writeNumbers(out, all, 0, count);
  return { bytes: out.part(0), known: { values: known } };
}

/** Bits of what a test says about a row: it matches, or it does not. With both the row is not decided. */
export const ROW_MATCH = 1;
export const ROW_MISMATCH = 2;

/** A decoded column. */
export class MemberColumn {
  /** The numbers of the rows, NaN of a row without a value; `undefined`: not all values are numbers. */
  readonly numbers: Float64Array | undefined;
  readonly #rows: number;
  readonly #times: Float64Array | undefined;
  /** For each row the number of its text; that of the last one plus 1: it has no value. */
  readonly #codes: Uint8Array | Uint16Array | undefined;
  readonly #texts: TextColumn | undefined;
  readonly #values: MemberValue[] = [];
  readonly #keys: KeyValue[] = [];

  constructor(bytes: Uint8Array, rows: number) {
    this.#rows = rows;
    const [kind, digits, hasMissing] = bytes;
    if (kind === KIND.texts) {
      this.#texts = new TextColumn(bytes, HEADER_BYTES, 0);
      this.#codes = decodeIndexes(bytes, this.#texts.end, rows);
    } else if (kind === KIND.doubles) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      this.numbers = Float64Array.from({ length: rows }, (_, row) =>
        buffer.readDoubleLE(HEADER_BYTES + 8 * row),
      );
    } else {
      const decoded = decodeNumbers(bytes, HEADER_BYTES, rows);
      const missing = hasMissing === 1 ? smallestOf(bytes, HEADER_BYTES) : NaN;
      const factor = 10 ** digits!;
      for (let row = 0; row < rows; row++) {
        const number = decoded[row]!;
        decoded[row] = number === missing ? NaN : number / factor;
      }
      if (kind === KIND.times) this.#times = decoded;
      else this.numbers = decoded;
    }
  }

  /** The value of a row; `undefined`: it has none. */
  value(row: number): MemberValue {
    if (this.#codes !== undefined) return this.#valueOf(this.#codes[row]!);
    const number = (this.numbers ?? this.#times)![row]!;
    if (Number.isNaN(number)) return undefined;
    return this.#times === undefined ? number : new Date(number).toISOString();
  }

  /** The value of a row as in keys of group queries. */
  key(row: number): KeyValue {
    if (this.#codes === undefined) return (this.value(row) ?? null) as KeyValue;
    const code = this.#codes[row]!;
    return (this.#keys[code] ??= attributeKey(this.#valueOf(code)));
  }

  /**
   * What a test of the values says about each row. `only`: the texts that pass, and numbers and booleans with these texts,
   * and lists with one of them; `undefined`: any may pass.
   */
  outcomes(matches: ValueTest, only?: readonly string[]): Uint8Array {
    const out = new Uint8Array(this.#rows);
    const outcome = (value: MemberValue): number => (matches(value) ? ROW_MATCH : ROW_MISMATCH);
    if (this.#codes !== undefined) {
      const codes = this.#codes;
      const table = this.#outcomesOfTexts(outcome, only);
      for (let row = 0; row < out.length; row++) {
        const code = codes[row]!;
        out[row] = table[code] ||= outcome(this.#valueOf(code));
      }
      return out;
    }
    const ofMissing = outcome(undefined);
    const { ofTime } = matches;
    const test: (value: number) => boolean =
      this.#times === undefined ? matches : (ofTime ?? ((ms) => matches(new Date(ms).toISOString())));
    const numbers = (this.numbers ?? this.#times)!;
    for (let row = 0; row < out.length; row++) {
      const number = numbers[row]!;
      out[row] = Number.isNaN(number) ? ofMissing : test(number) ? ROW_MATCH : ROW_MISMATCH;
    }
    return out;
  }

  /** By number of the text; 0: not known yet. */
  #outcomesOfTexts(outcome: (value: MemberValue) => number, only: readonly string[] | undefined): Uint8Array {
    const texts = this.#texts!;
    const table = new Uint8Array(texts.count + 1);
    if (only === undefined || outcome(undefined) === ROW_MATCH) return table;
    const wanted = texts.find(only.flatMap((text) => [JSON.stringify(text), text]));
    for (let code = 0; code < texts.count; code++)
      if (!wanted.has(code) && texts.firstByte(code) !== LIST) table[code] = ROW_MISMATCH;
    return table;
  }

  #valueOf(code: number): MemberValue {
    if (code === this.#texts!.count) return undefined;
    if (!(code in this.#values)) this.#values[code] = JSON.parse(this.#texts!.text(code));
    return this.#values[code];
  }
}

/** The members of the attributes of a page. */
export interface PageMembers {
  /** The column of a name as in `Knowledge.member` (query/possible.ts); `missing`: no row has it; `undefined`: columns do not tell. */
  find(name: string): MemberColumn | 'missing' | undefined;
}
