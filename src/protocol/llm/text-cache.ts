// Strings of JSON bytes that repeat, such as names of models, made once. Hot path.
// Invariant: a string is what a JSON parser makes of the bytes; bytes that are not valid give the empty string.

/** Longer texts are cut. */
const MAX_CHARACTERS = 256;
const BACKSLASH = 0x5c;

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
  let isPlain = true;
  for (let i = from; i < to; i++) if (bytes[i]! >= 0x80 || bytes[i] === BACKSLASH) isPlain = false;
  return cut(isPlain ? bytes.latin1Slice(from, to) : parsed(bytes.toString('utf8', from, to)));
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
