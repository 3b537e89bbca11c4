// Strings of JSON bytes that repeat, such as names of models, made once. Hot path.
// Invariant: a string is what a JSON parser makes of the bytes; bytes that are not valid give the empty string.

/** Longer texts are cut. */
const MAX_CHARACTERS = 256;
/** The longest escape of a character has six bytes. At the end a character may be split. */
const MAX_BYTES = 6 * MAX_CHARACTERS + 4;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

export class TextCache {
  readonly #bytes: Uint8Array[];
  readonly #texts: string[];

  /** Remembers the last text of each of `slots`. */
  constructor(slots: number) {
    this.#bytes = Array.from({ length: slots }, () => new Uint8Array());
    this.#texts = Array.from({ length: slots }, () => '');
  }

  /** The string of bytes[from, to), which stand between the quotes of a JSON string. */
  text(slot: number, bytes: Buffer, from: number, to: number): string {
    const known = this.#bytes[slot]!;
    const length = to - from;
    if (known.length === length) {
      let i = 0;
      while (i < length && known[i] === bytes[from + i]) i++;
      if (i === length) return this.#texts[slot]!;
    }
    const text = jsonText(bytes, from, to);
    if (length > 4 * MAX_CHARACTERS) return text;
    this.#bytes[slot] = Uint8Array.prototype.slice.call(bytes, from, to);
    return (this.#texts[slot] = text);
  }
}

/** The string of bytes[from, to), which stand between the quotes of a JSON string; cut to 256 characters. */
export function jsonText(bytes: Buffer, from: number, to: number): string {
  // These bytes have enough characters. An escape is not split.
  const enough = Math.min(to, from + MAX_BYTES);
  let isPlain = true;
  let i = from;
  while (i < enough) {
    const byte = bytes[i]!;
    if (byte >= 0x80 || byte === BACKSLASH) isPlain = false;
    i += byte !== BACKSLASH ? 1 : bytes[i + 1] === LETTER_U ? 6 : 2;
  }
  const end = Math.min(i, to);
  return cut(isPlain ? bytes.latin1Slice(from, end) : parsed(bytes.toString('utf8', from, end)));
}

const cut = (text: string): string =>
  text.length > MAX_CHARACTERS ? text.slice(0, MAX_CHARACTERS).toWellFormed() : text;

function parsed(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`)).toWellFormed();
  } catch (error) {
    if (error instanceof SyntaxError) return '';
    throw error;
  }
}
