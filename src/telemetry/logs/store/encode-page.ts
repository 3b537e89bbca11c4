// Encodes rows as a page: parts that can be read one by one. A page needs nothing outside of it.
// Invariant: decoding (page.ts) gives back the records exactly.
import { encodeAttributes, type AttributeNames } from './attribute-columns.ts';
import { OWN_ID_BYTES, type BlockRows } from './block-rows.ts';
import { ByteWriter } from './byte-writer.ts';
import type { BlockMembers } from './member-tree.ts';
import { deltas, writeNumbers, zigzag } from './number-column.ts';
import { encodeHeader } from './page-header.ts';
import { encodeShape, HAS, PageTexts, type Shape } from './shape.ts';
import { encodeTexts, writeRowTexts } from './text-column.ts';

/** Indexes of the parts of a page. New parts go to the end. Readers ignore parts that they do not know. */
export const PART = {
  /** Header (page-header.ts) after its length (u32); times, shapes, durations and first bytes. */
  main: 0,
  /** The other numbers of native records; nanoseconds. */
  numbers: 1,
  ownIds: 2,
  names: 3,
  messages: 4,
  attributes: 5,
  /** Bloom filter over words and ids (page-words.ts). */
  filter: 6,
  /** Of requests to language models (llm-columns.ts). */
  llm: 7,
} as const;
export const PARTS = 8;

export interface EncodedPage {
  /** By index in PART; empty if the page has none of it. */
  readonly parts: Uint8Array[];
  readonly shapes: readonly Shape[];
  readonly attributes: AttributeNames | undefined;
}

const NOTHING = new Uint8Array();

/** Columns of the part `numbers`, after the heads. */
const NATIVE_NUMBERS = ['requestBytes', 'responseBytes', 'leased', 'connected', 'waited', 'queued'] as const;

/** Rows of the range with one of these columns. */
class RowPicker {
  readonly #rows: BlockRows;
  readonly #from: number;
  readonly #to: number;
  readonly #used: readonly Shape[];

  constructor(rows: BlockRows, from: number, to: number, used: readonly Shape[]) {
    this.#rows = rows;
    this.#from = from;
    this.#to = to;
    this.#used = used;
  }

  with(column: number): readonly number[] {
    if (!this.#used.some(({ has }) => (has & column) !== 0)) return [];
    const { shape, shapes } = this.#rows;
    const has = shapes.map((one) => (one.has & column) !== 0);
    const picked: number[] = [];
    for (let row = this.#from; row < this.#to; row++) if (has[shape[row]!]) picked.push(row);
    return picked;
  }
}

/** Writes the column of the picked rows. */
function writePicked(out: ByteWriter, column: ArrayLike<number>, picked: readonly number[]): void {
  const values = out.scratch(picked.length);
  for (let i = 0; i < picked.length; i++) values[i] = column[picked[i]!]!;
  writeNumbers(out, values, 0, picked.length);
}

/** A time that may be missing, as its difference to one that is close to it: small numbers. Reversed by `near`. */
const nearness = (value: number, other: number): number => (value === 0 ? 0 : zigzag(other - value) + 1);

/** The shapes of a range of rows, each once, and which of them each row has. */
function shapesOf(rows: BlockRows, from: number, to: number): { used: Shape[]; numbers: Uint32Array } {
  const used: Shape[] = [];
  const numberOf = new Map<number, number>();
  const numbers = new Uint32Array(to - from);
  let last = -1;
  let number = 0;
  for (let row = from; row < to; row++) {
    const shape = rows.shape[row]!;
    if (shape !== last) {
      last = shape;
      const known = numberOf.get(shape);
      number = known ?? used.length;
      if (known === undefined) {
        numberOf.set(shape, number);
        used.push(rows.shapes[shape]!);
      }
    }
    numbers[row - from] = number;
  }
  return { used, numbers };
}

/** Writes header, times, shapes and durations of a range of rows. */
function writeMain(
  out: ByteWriter,
  rows: BlockRows,
  from: number,
  to: number,
  used: readonly Shape[],
  numbers: Uint32Array,
  attributes: AttributeNames | undefined,
): void {
  const count = to - from;
  const texts = new PageTexts();
  const shapes = used.map((shape) => encodeShape(shape, texts));
  const baseMs = rows.timeMs[from]!;
  const json = encodeHeader({ rows: count, baseMs, texts: texts.list, shapes, attributes });
  out.putU32(json.length);
  out.put(json);
  writeNumbers(out, deltas(rows.timeMs, from, count, baseMs, out.scratch(count)), 0, count);
  writeNumbers(out, numbers, 0, count);
  writeNumbers(out, rows.durationNs, from, count);
}

/** Header, times, shapes and durations of all rows, as in the main part of a page. It shares the memory of `out`. */
export function encodeMain(rows: BlockRows, out = new ByteWriter()): Uint8Array {
  out.reset();
  const { used, numbers } = shapesOf(rows, 0, rows.count);
  writeMain(out, rows, 0, rows.count, used, numbers, undefined);
  return out.part(0);
}

/**
 * Encodes the rows from `from` to before `to`. The parts share the memory of `out`, so they have a meaning until it is
 * used again. `isTail`: the page is stored for a short time only. `members`: gets the attributes of the rows.
 */
export function encodePage(
  rows: BlockRows,
  from: number,
  to: number,
  out = new ByteWriter(),
  isTail = false,
  members?: BlockMembers,
): EncodedPage {
  out.reset();
  const { used, numbers } = shapesOf(rows, from, to);
  const picker = new RowPicker(rows, from, to, used);
  const native = picker.with(HAS.native);
  const withAttributes = picker.with(HAS.attributes);
  const attributes =
    withAttributes.length === 0
      ? undefined
      : encodeAttributes(
          withAttributes.map((row) => rows.attributes[row]!),
          !isTail,
          members &&
            ((index, parsed) => {
              const row = withAttributes[index]!;
              const isNative = (rows.shapes[rows.shape[row]!]!.has & HAS.native) !== 0;
              members.add(row, rows.attributes[row]!, isNative ? undefined : parsed);
            }),
        );
  // Offsets, since the memory may move while it is filled.
  const ends: [part: number, end: number][] = [];
  writeMain(out, rows, from, to, used, numbers, attributes?.names);
  const firstBytes = out.scratch(native.length);
  for (let i = 0; i < native.length; i++) {
    const row = native[i]!;
    firstBytes[i] = nearness(rows.firstByte[row]!, Math.round(rows.durationNs[row]! / 1000));
  }
  writeNumbers(out, firstBytes, 0, native.length);
  ends.push([PART.main, out.end]);

  const withNanoseconds = picker.with(HAS.nanoseconds);
  if (native.length > 0 || withNanoseconds.length > 0) {
    writePicked(out, rows.restNs, withNanoseconds);
    const heads = out.scratch(native.length);
    for (let i = 0; i < native.length; i++) {
      const row = native[i]!;
      heads[i] = nearness(rows.head[row]!, rows.firstByte[row]!);
    }
    writeNumbers(out, heads, 0, native.length);
    for (const column of NATIVE_NUMBERS) writePicked(out, rows[column], native);
    ends.push([PART.numbers, out.end]);
  }
  writeOwnIds(out, rows, picker.with(HAS.ownId));
  ends.push([PART.ownIds, out.end]);
  const names = [
    [HAS.requestId, rows.requestIds],
    [HAS.trace, rows.traces],
    [HAS.span, rows.spans],
    [HAS.parent, rows.parents],
  ] as const;
  const columns = names.map(([column, values]) => picker.with(column).map((row) => values[row]!));
  if (columns.some(({ length }) => length > 0))
    for (const column of columns) out.put(encodeTexts(column, true));
  ends.push([PART.names, out.end]);
  writeRowTexts(out, rows.messages, picker.with(HAS.message), from, to);
  ends.push([PART.messages, out.end]);
  if (attributes) out.put(attributes.bytes);
  ends.push([PART.attributes, out.end]);
  const withLlm = picker.with(HAS.llm);
  if (withLlm.length > 0) {
    out.put(
      encodeTexts(
        withLlm.map((row) => rows.responseIds[row]!),
        false,
      ),
    );
    for (const column of rows.llm!) writePicked(out, column, withLlm);
    ends.push([PART.llm, out.end]);
  }
  const parts: Uint8Array[] = Array.from({ length: PARTS }, () => NOTHING);
  let start = 0;
  for (const [part, end] of ends) {
    if (end > start) parts[part] = out.bytes.subarray(start, end);
    start = end;
  }
  return { parts, shapes: used, attributes: attributes?.names };
}

/** The 12 bytes of each own id, then their last digits, two in a byte. */
function writeOwnIds(out: ByteWriter, rows: BlockRows, picked: readonly number[]): void {
  const at = out.reserve(picked.length * OWN_ID_BYTES + ((picked.length + 1) >> 1));
  const digits = at + picked.length * OWN_ID_BYTES;
  const { bytes } = out;
  const { ownId, ownIdDigit } = rows;
  for (let i = 0; i < picked.length; i++) {
    const row = picked[i]!;
    const from = row * OWN_ID_BYTES;
    const to = at + i * OWN_ID_BYTES;
    for (let byte = 0; byte < OWN_ID_BYTES; byte++) bytes[to + byte] = ownId[from + byte]!;
    bytes[digits + (i >> 1)]! |= ownIdDigit[row]! << (4 * (i & 1));
  }
}
