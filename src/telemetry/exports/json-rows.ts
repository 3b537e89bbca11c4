// Writes rows as JSON objects: one on each line, or as an array. Short texts and common numbers are written as bytes at
// once, which takes half the time of making a string of the row (bench/exports.ts).
// Invariant: an object is the one that JSON.stringify writes for its cells, with JSON texts as they are.
import { JsonText, type Cell } from './cell.ts';
import type { RowBuffer } from './row-buffer.ts';
import type { RowFormat } from './row-format.ts';

/** Texts up to this length are written byte by byte. */
const MAX_SHORT = 128;
/** The longest text of a number. */
const MAX_NUMBER = 32;
const NULL = Buffer.from('null');
const [QUOTE, BACKSLASH, SPACE, TILDE, ZERO, POINT, MINUS] = Buffer.from('"\\ ~0.-') as unknown as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

export class JsonRows implements RowFormat {
  readonly #out: RowBuffer;
  readonly #isArray: boolean;
  /** What stands before each value. */
  readonly #names: readonly Uint8Array[];
  #isFirst: boolean;

  /** `rows`: number of rows that are in the file already. */
  constructor(keys: readonly string[], isArray: boolean, out: RowBuffer, isNew: boolean, rows: number) {
    this.#out = out;
    this.#isArray = isArray;
    this.#isFirst = rows === 0;
    this.#names = keys.map((key, i) => Buffer.from(`${i === 0 ? '{' : ','}${JSON.stringify(key)}:`));
    if (isNew && isArray) out.text('[\n');
  }

  add(cells: readonly Cell[]): void {
    const out = this.#out;
    if (this.#isArray && !this.#isFirst) out.text(',\n');
    this.#isFirst = false;
    const names = this.#names;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      out.ensure(name.length + MAX_SHORT + 2);
      copy(name, out);
      const cell = cells[i]!;
      if (cell === null) copy(NULL, out);
      else if (typeof cell === 'number') writeNumber(cell, out);
      else if (cell instanceof JsonText) out.text(cell.text);
      else if (!writeShort(cell, out)) out.text(JSON.stringify(cell));
    }
    out.text(this.#isArray ? '}' : '}\n');
  }

  flush(): void {
    this.#out.flush();
  }

  end(): void {
    if (this.#isArray) this.#out.text('\n]\n');
    this.#out.flush();
  }
}

function copy(from: Uint8Array, out: RowBuffer): void {
  const { bytes, end } = out;
  for (let i = 0; i < from.length; i++) bytes[end + i] = from[i]!;
  out.end = end + from.length;
}

/** Writes a short text of ASCII characters that JSON does not escape. Returns false for another one. */
function writeShort(text: string, out: RowBuffer): boolean {
  const { length } = text;
  if (length > MAX_SHORT) return false;
  const { bytes } = out;
  let at = out.end;
  bytes[at++] = QUOTE;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < SPACE || code > TILDE || code === QUOTE || code === BACKSLASH) return false;
    bytes[at++] = code;
  }
  bytes[at++] = QUOTE;
  out.end = at;
  return true;
}

/** Numbers with up to six decimals and 15 digits are written digit by digit. */
const DECIMALS = 6;
const MILLION = 1e6;
const MAX_MILLIONTHS = 1e15;

/** Writes the text of a finite number, as String does. */
function writeNumber(value: number, out: RowBuffer): void {
  const positive = value < 0 ? -value : value;
  const millionths = Math.round(positive * MILLION);
  // The number is the nearest one to this decimal of at most 15 digits, so String writes the same decimal.
  if (millionths < MAX_MILLIONTHS && millionths / MILLION === positive) {
    if (value < 0) out.bytes[out.end++] = MINUS;
    const whole = Math.floor(positive);
    writeDigits(whole, digitsOf(whole), out);
    const rest = millionths - whole * MILLION;
    if (rest === 0) return;
    out.bytes[out.end++] = POINT;
    writeDigits(rest, DECIMALS, out);
    while (out.bytes[out.end - 1] === ZERO) out.end--;
  } else {
    out.ensure(MAX_NUMBER);
    out.end += out.bytes.write(String(value), out.end, 'latin1');
  }
}

function digitsOf(whole: number): number {
  let digits = 1;
  for (let limit = 10; whole >= limit; limit *= 10) digits++;
  return digits;
}

/** Writes a whole number with leading zeros. */
function writeDigits(whole: number, digits: number, out: RowBuffer): void {
  const { bytes, end } = out;
  let rest = whole;
  for (let at = end + digits - 1; at >= end; at--) {
    const tens = Math.floor(rest / 10);
    bytes[at] = ZERO + rest - 10 * tens;
    rest = tens;
  }
  out.end = end + digits;
}
