// Encodes rows as a page: parts that can be read one by one. A page needs nothing outside of it.
// Invariant: decoding (page.ts) gives back the records exactly.
import { encodeAttributes, type AttributeNames } from './attribute-columns.ts';
import { OWN_ID_BYTES, type BlockRows } from './block-rows.ts';
import { deltas, encodeNumbers, zigzag } from './number-column.ts';
import { encodeShape, HAS, PageTexts, type Shape } from './shape.ts';
import { encodeTexts } from './text-column.ts';

/** Indexes of the parts of a page. New parts go to the end. Readers ignore parts that they do not know. */
export const PART = {
  /** Header (JSON) with the shapes; times, shapes, durations and first bytes. */
  main: 0,
  /** The other numbers of native records; nanoseconds. */
  numbers: 1,
  ownIds: 2,
  names: 3,
  messages: 4,
  attributes: 5,
  /** Bloom filter over the words and ids of records that are not native. */
  filter: 6,
} as const;
export const PARTS = 7;

/** Text at the beginning of the main part: JSON, after its length (u32). Readers ignore members that they do not know. */
export interface PageHeader {
  readonly rows: number;
  /** First number of the column of times, milliseconds since the epoch. */
  readonly baseMs: number;
  readonly texts: readonly string[];
  readonly shapes: readonly (readonly number[])[];
  readonly attributes: AttributeNames | undefined;
}

export interface EncodedPage {
  /** By index in PART; empty if the page has none of it. */
  readonly parts: Uint8Array[];
  readonly shapes: readonly Shape[];
  readonly attributes: AttributeNames | undefined;
}

const NOTHING = new Uint8Array();

/** Rows of the range with one of these columns. */
class RowPicker {
  readonly #rows: BlockRows;
  readonly #from: number;
  readonly #to: number;

  constructor(rows: BlockRows, from: number, to: number) {
    this.#rows = rows;
    this.#from = from;
    this.#to = to;
  }

  with(column: number): number[] {
    const { shape, shapes } = this.#rows;
    const has = shapes.map((one) => (one.has & column) !== 0);
    const picked: number[] = [];
    for (let row = this.#from; row < this.#to; row++) if (has[shape[row]!]) picked.push(row);
    return picked;
  }
}

const pick = (column: ArrayLike<number>, picked: readonly number[]): Float64Array<ArrayBuffer> => {
  const out = new Float64Array(picked.length);
  for (let i = 0; i < out.length; i++) out[i] = column[picked[i]!]!;
  return out;
};

/** A time that may be missing, as its difference to one that is close to it: small numbers. Reversed by `near`. */
export const nearness = (value: number, other: number): number =>
  value === 0 ? 0 : zigzag(other - value) + 1;

/** Encodes the rows from `from` to before `to`. */
export function encodePage(rows: BlockRows, from: number, to: number): EncodedPage {
  const count = to - from;
  const picker = new RowPicker(rows, from, to);
  const parts: Uint8Array[] = Array.from({ length: PARTS }, () => NOTHING);
  const native = picker.with(HAS.native);
  const withAttributes = picker.with(HAS.attributes);
  const attributes =
    withAttributes.length === 0
      ? undefined
      : encodeAttributes(withAttributes.map((row) => rows.attributes[row]!));
  if (attributes) parts[PART.attributes] = attributes.bytes;

  const used: Shape[] = [];
  const numberOf = new Map<number, number>();
  const shapes = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const shape = rows.shape[from + i]!;
    let number = numberOf.get(shape);
    if (number === undefined) {
      numberOf.set(shape, (number = used.length));
      used.push(rows.shapes[shape]!);
    }
    shapes[i] = number;
  }
  const texts = new PageTexts();
  const encodedShapes = used.map((shape) => encodeShape(shape, texts));
  const baseMs = rows.timeMs[from]!;
  const header: PageHeader = {
    rows: count,
    baseMs,
    texts: texts.list,
    shapes: encodedShapes,
    attributes: attributes?.names,
  };
  const json = Buffer.from(JSON.stringify(header));
  const jsonLength = Buffer.alloc(4);
  jsonLength.writeUInt32LE(json.length);
  const firstBytes = new Float64Array(native.length);
  const heads = new Float64Array(native.length);
  for (let i = 0; i < native.length; i++) {
    const row = native[i]!;
    const firstByte = rows.firstByte[row]!;
    firstBytes[i] = nearness(firstByte, Math.round(rows.durationNs[row]! / 1000));
    heads[i] = nearness(rows.head[row]!, firstByte);
  }
  parts[PART.main] = Buffer.concat([
    jsonLength,
    json,
    encodeNumbers(deltas(rows.timeMs, from, count, baseMs), count),
    encodeNumbers(shapes, count),
    encodeNumbers(rows.durationNs.subarray(from, to), count),
    encodeNumbers(firstBytes, native.length),
  ]);

  const withNanoseconds = picker.with(HAS.nanoseconds);
  if (native.length > 0 || withNanoseconds.length > 0) {
    const columns = [
      rows.requestBytes,
      rows.responseBytes,
      rows.leased,
      rows.connected,
      rows.waited,
      rows.queued,
    ].map((column) => encodeNumbers(pick(column, native), native.length));
    parts[PART.numbers] = Buffer.concat([
      encodeNumbers(pick(rows.restNs, withNanoseconds), withNanoseconds.length),
      encodeNumbers(heads, native.length),
      ...columns,
    ]);
  }
  parts[PART.ownIds] = ownIdsOf(rows, picker.with(HAS.ownId));
  const names = [
    [HAS.requestId, rows.requestIds],
    [HAS.trace, rows.traces],
    [HAS.span, rows.spans],
    [HAS.parent, rows.parents],
  ] as const;
  const columns = names.map(([column, values]) => picker.with(column).map((row) => values[row]!));
  if (columns.some(({ length }) => length > 0))
    parts[PART.names] = Buffer.concat(columns.map((column) => encodeTexts(column, true)));
  const withMessage = picker.with(HAS.message);
  if (withMessage.length > 0)
    parts[PART.messages] = encodeTexts(
      withMessage.map((row) => rows.messages[row]!),
      false,
    );
  return { parts, shapes: used, attributes: attributes?.names };
}

/** The 12 bytes of each own id, then their last digits, two in a byte. */
function ownIdsOf(rows: BlockRows, picked: readonly number[]): Uint8Array {
  if (picked.length === 0) return NOTHING;
  const out = new Uint8Array(picked.length * OWN_ID_BYTES + ((picked.length + 1) >> 1));
  const digits = picked.length * OWN_ID_BYTES;
  for (let i = 0; i < picked.length; i++) {
    const row = picked[i]!;
    const from = row * OWN_ID_BYTES;
    for (let byte = 0; byte < OWN_ID_BYTES; byte++) out[i * OWN_ID_BYTES + byte] = rows.ownId[from + byte]!;
    out[digits + (i >> 1)]! |= rows.ownIdDigit[row]! << (4 * (i & 1));
  }
  return out;
}
