// The header of a page (JSON): at the beginning of its main part, after its length (u32).
// Invariant: decoding gives what was encoded. Readers ignore members that they do not know.
import type { AttributeNames } from './attribute-columns.ts';
import { EncodedShapes } from './shape.ts';

interface Header {
  readonly rows: number;
  /** First number of the column of times, milliseconds since the epoch. */
  readonly baseMs: number;
  readonly texts: readonly string[];
  readonly attributes: AttributeNames | undefined;
}

interface EncodedHeader extends Header {
  readonly shapes: readonly (readonly number[])[];
}

export interface PageHeader extends Omit<Header, 'texts'> {
  readonly shapes: EncodedShapes;
}

/** `shapes`, `texts`: see encodeShape. */
export function encodeHeader({ rows, baseMs, texts, shapes, attributes }: EncodedHeader): Buffer {
  // In this order, since `decodeHeader` expects that another member is before the shapes.
  return Buffer.from(JSON.stringify({ rows, baseMs, texts, shapes, attributes }));
}

/** This cannot be a part of a text, in which a backslash is before each quotation mark. */
const SHAPES = ',"shapes":[[';
const DIGIT_0 = 48;
const COMMA = 44;
const BRACKET = 93;
const MAX_NUMBER = 2 ** 32 - 1;

/** `text`: the bytes of the header alone. */
export function decodeHeader(text: Buffer): PageHeader {
  const at = text.indexOf(SHAPES, 0, 'latin1');
  const scanned = at === -1 ? undefined : scanNumbers(text, at + SHAPES.length);
  if (scanned === undefined) {
    const { shapes, ...header } = JSON.parse(text.toString()) as EncodedHeader;
    const starts = [0];
    for (const { length } of shapes) starts.push(starts.at(-1)! + length);
    return { ...header, shapes: new EncodedShapes(shapes.flat(), starts, header.texts) };
  }
  const { numbers, starts, end } = scanned;
  const header = JSON.parse(text.toString('utf8', 0, at) + text.toString('utf8', end)) as Header;
  return { ...header, shapes: new EncodedShapes(numbers, starts, header.texts) };
}

/** Memory for the numbers of a header. */
let memory = new Uint32Array(4096);

/**
 * Reads lists of numbers from inside the first one on: `0,9,200],[1,9]]`. This is most of a header, and JSON.parse takes
 * more than twice as long for it. `undefined`: there is something else than whole numbers from 0 to 2 ** 32 - 1.
 */
function scanNumbers(
  text: Uint8Array,
  from: number,
): { readonly numbers: Uint32Array; readonly starts: number[]; readonly end: number } | undefined {
  // Each number is followed by a comma or bracket.
  if (memory.length < text.length / 2) memory = new Uint32Array(text.length);
  const numbers = memory;
  const starts = [0];
  let count = 0;
  let value = 0;
  for (let at = from; at < text.length; at++) {
    const byte = text[at]!;
    if (byte >= DIGIT_0 && byte < DIGIT_0 + 10) {
      value = 10 * value + byte - DIGIT_0;
      continue;
    }
    if ((byte !== COMMA && byte !== BRACKET) || value > MAX_NUMBER) return undefined;
    numbers[count++] = value;
    value = 0;
    if (byte === COMMA) continue;
    starts.push(count);
    if (text[at + 1] === BRACKET) return { numbers: numbers.slice(0, count), starts, end: at + 2 };
    // The comma and the bracket before the next list.
    at += 2;
  }
  return undefined;
}
