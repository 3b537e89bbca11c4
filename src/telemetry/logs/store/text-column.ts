// Columns of texts: the bytes of all texts one after the other, with their lengths. Texts that repeat are stored once.
// Invariant: well-formed texts are read back exactly; others have U+FFFD for each half of a broken pair.
import { ByteWriter } from './byte-writer.ts';
import { decodeNumbers, encodedLength, writeNumbers } from './number-column.ts';
import type { RowTexts } from './row-texts.ts';

/** Number of texts (u32), their bytes (u32), and whether rows refer to them by number (u8). */
const HEADER_BYTES = 9;

/** Memory for one column after the other, since new memory takes longer than to encode a column of few texts. */
let memory = new ByteWriter();
let textMemory = Buffer.allocUnsafe(64 * 1024);
/** Larger memory is not kept. */
const MAX_KEPT_BYTES = 1024 ** 2;

/** Encodes one text for each row. `repeats`: texts are likely to repeat. */
export function encodeTexts(texts: readonly string[], repeats: boolean): Uint8Array<ArrayBuffer> {
  const numbers = new Map<string, number>();
  const rows = repeats ? new Uint32Array(texts.length) : undefined;
  if (rows)
    for (let i = 0; i < rows.length; i++) {
      const text = texts[i]!;
      let number = numbers.get(text);
      if (number === undefined) numbers.set(text, (number = numbers.size));
      rows[i] = number;
    }
  const stored = rows ? Array.from(numbers.keys()) : texts;
  const lengths = new Uint32Array(stored.length);
  let end = 0;
  for (let i = 0; i < lengths.length; i++) {
    const text = stored[i]!;
    if (end + text.length * 3 > textMemory.length) {
      const larger = Buffer.allocUnsafe(2 * (end + text.length * 3));
      textMemory.copy(larger, 0, 0, end);
      textMemory = larger;
    }
    const length = textMemory.write(text, end);
    lengths[i] = length;
    end += length;
  }
  memory.reset();
  memory.putU32(stored.length);
  memory.putU32(end);
  memory.put(Uint8Array.of(rows ? 1 : 0));
  writeNumbers(memory, lengths, 0, stored.length);
  if (rows) writeNumbers(memory, rows, 0, rows.length);
  memory.put(textMemory.subarray(0, end));
  const column = memory.part(0).slice();
  if (textMemory.length > MAX_KEPT_BYTES) textMemory = Buffer.allocUnsafe(64 * 1024);
  if (memory.bytes.length > MAX_KEPT_BYTES) memory = new ByteWriter();
  return column;
}

/** Writes the column of the texts of the rows `picked`. No other row from `from` to before `to` has a text. */
export function writeRowTexts(
  out: ByteWriter,
  { bytes, starts }: RowTexts,
  picked: readonly number[],
  from: number,
  to: number,
): void {
  if (picked.length === 0) return;
  const texts = bytes.subarray(starts[from], starts[to]);
  out.putU32(picked.length);
  out.putU32(texts.length);
  out.reserve(1);
  const lengths = out.scratch(picked.length);
  for (let i = 0; i < picked.length; i++) lengths[i] = starts[picked[i]! + 1]! - starts[picked[i]!]!;
  writeNumbers(out, lengths, 0, picked.length);
  out.put(texts);
}

/** Texts that `find` compares one by one. For more, it makes all texts of the column. */
const MAX_COMPARED = 8;

/** A decoded column. Texts become strings when they are read. */
export class TextColumn {
  /** Offset after the column. */
  readonly end: number;
  /** Number of the text of each row; `undefined`: row i has text i. */
  readonly numbers: Float64Array | undefined;
  readonly #bytes: Buffer;
  /** Offset of the first text. */
  readonly #from: number;
  /** Where each text ends, from the first one; one more at the front: 0. */
  readonly #ends: Uint32Array;
  readonly #texts: (string | undefined)[];

  /** Decodes the column of `rows` rows that begins at `at`. */
  constructor(bytes: Uint8Array, at: number, rows: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const count = this.#bytes.readUInt32LE(at);
    const textBytes = this.#bytes.readUInt32LE(at + 4);
    const repeats = bytes[at + 8] === 1;
    let next = at + HEADER_BYTES;
    const lengths = decodeNumbers(bytes, next, count);
    next += encodedLength(bytes, next, count);
    if (repeats) {
      this.numbers = decodeNumbers(bytes, next, rows);
      next += encodedLength(bytes, next, rows);
    } else this.numbers = undefined;
    this.#from = next;
    this.#ends = new Uint32Array(count + 1);
    for (let i = 0; i < count; i++) this.#ends[i + 1] = this.#ends[i]! + lengths[i]!;
    this.#texts = [];
    this.end = next + textBytes;
  }

  /** Number of different texts, or of all if they are not numbered. */
  get count(): number {
    return this.#ends.length - 1;
  }

  /** The text with a number. */
  text(number: number): string {
    return (this.#texts[number] ??= this.#bytes.toString(
      'utf8',
      this.#from + this.#ends[number]!,
      this.#from + this.#ends[number + 1]!,
    ));
  }

  /** The first byte of the text with a number; that of another text if it is empty. */
  firstByte(number: number): number {
    return this.#bytes[this.#from + this.#ends[number]!]!;
  }

  /** The number of the text of a row. */
  numberAt(row: number): number {
    return this.numbers ? this.numbers[row]! : row;
  }

  /** The text of a row. */
  at(row: number): string {
    return this.text(this.numberAt(row));
  }

  /** The numbers of the texts that are equal to one of `wanted`. */
  find(wanted: readonly string[]): Set<number> {
    const found = new Set<number>();
    if (wanted.length > MAX_COMPARED) {
      const all = new Set(wanted);
      for (let number = 0; number < this.count; number++) if (all.has(this.text(number))) found.add(number);
      return found;
    }
    for (const text of wanted) this.#findOne(Buffer.from(text), found);
    return found;
  }

  /** Looks for the bytes in all texts at once, which is much faster than to compare each text. */
  #findOne(text: Buffer, found: Set<number>): void {
    const ends = this.#ends;
    if (text.length === 0) {
      for (let number = 0; number < this.count; number++)
        if (ends[number] === ends[number + 1]) found.add(number);
      return;
    }
    const all = this.#bytes.subarray(this.#from, this.end);
    for (let at = all.indexOf(text); at !== -1; at = all.indexOf(text, at + 1)) {
      // The first text that ends behind this place.
      let low = 0;
      let high = this.count - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (ends[middle + 1]! <= at) low = middle + 1;
        else high = middle;
      }
      if (ends[low] !== at || ends[low + 1] !== at + text.length) continue;
      found.add(low);
      // Other texts are different.
      if (this.numbers !== undefined) return;
    }
  }

  /** All texts as one string of single bytes, to be searched for ASCII words, and where each text ends in it. */
  get joined(): { readonly text: string; readonly ends: Uint32Array } {
    return { text: this.#bytes.latin1Slice(this.#from, this.end), ends: this.#ends.subarray(1) };
  }
}
