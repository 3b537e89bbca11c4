// Checks the extensions of a chunk, byte by byte.
// Source: RFC 9112 7.1.1: chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
// BWS: spaces and tabs. A name is a token; a value is a token or a quoted string (RFC 9110 5.6.2 and 5.6.4).
import { textTable, tokenTable } from './character-tables.ts';

const TAB = 9;
const SP = 32;
const QUOTE = 34;
const SEMICOLON = 59;
const EQUALS = 61;
const BACKSLASH = 92;

/** After the size: blanks, then ";". */
const BEFORE = 0;
/** After ";": blanks, then a name. */
const NAME_START = 1;
const NAME = 2;
/** Blanks after a name, then "=" or ";". */
const AFTER_NAME = 3;
/** After "=": blanks, then a value. */
const VALUE_START = 4;
const VALUE = 5;
const QUOTED = 6;
/** After a backslash in a quoted string. */
const ESCAPED = 7;
/** After a quoted value: blanks, then ";". */
const AFTER_VALUE = 8;
/** Blanks after a value, then ";". */
const VALUE_BLANKS = 9;
/** Lenient: anything without control characters. */
const ANY = 10;

const TOKEN = tokenTable();
/** Bytes of a text of one line, as in field values. */
const TEXT = textTable();

const isBlank = (byte: number): boolean => byte === SP || byte === TAB;

export class ChunkExtensionReader {
  #state = BEFORE;

  /** Begins after a chunk size. `isLenient`: accepts any text without control characters. */
  begin(isLenient: boolean): void {
    this.#state = isLenient ? ANY : BEFORE;
  }

  /** True if the line can end here. */
  get canEnd(): boolean {
    const state = this.#state;
    return state === NAME || state === VALUE || state === AFTER_VALUE || state === ANY;
  }

  /** Reads the next byte. Returns false if it is not allowed. */
  read(byte: number): boolean {
    const next = this.#next(byte);
    if (next === -1) return false;
    this.#state = next;
    return true;
  }

  #next(byte: number): number {
    switch (this.#state) {
      case BEFORE:
        if (byte === SEMICOLON) return NAME_START;
        return isBlank(byte) ? BEFORE : -1;
      case NAME_START:
        if (isBlank(byte)) return NAME_START;
        return TOKEN[byte] === 1 ? NAME : -1;
      case NAME:
      case AFTER_NAME:
        if (byte === EQUALS) return VALUE_START;
        if (byte === SEMICOLON) return NAME_START;
        if (isBlank(byte)) return AFTER_NAME;
        return this.#state === NAME && TOKEN[byte] === 1 ? NAME : -1;
      case VALUE_START:
        if (isBlank(byte)) return VALUE_START;
        if (byte === QUOTE) return QUOTED;
        return TOKEN[byte] === 1 ? VALUE : -1;
      case QUOTED:
        if (byte === QUOTE) return AFTER_VALUE;
        if (byte === BACKSLASH) return ESCAPED;
        return TEXT[byte] === 1 ? QUOTED : -1;
      case ESCAPED:
        return TEXT[byte] === 1 ? QUOTED : -1;
      case ANY:
        return TEXT[byte] === 1 ? ANY : -1;
      default:
        // VALUE, AFTER_VALUE, VALUE_BLANKS
        if (byte === SEMICOLON) return NAME_START;
        if (isBlank(byte)) return VALUE_BLANKS;
        return this.#state === VALUE && TOKEN[byte] === 1 ? VALUE : -1;
    }
  }
}
