// Reads the extensions of a chunk, byte by byte. Source: RFC 9112 7.1.1:
//   chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
// BWS: blanks (space, tab). A name is a token; a value is a token or a quoted string (RFC 9110 5.6.2 and 5.6.4).

const TAB = 9;
const SP = 32;
const QUOTE = 34;
const SEMICOLON = 59;
const EQUALS = 61;
const BACKSLASH = 92;

/** Behind the size: blanks, then ";". */
const BEFORE = 0;
/** Behind ";": blanks, then a name. */
const NAME_START = 1;
const NAME = 2;
/** Blanks behind a name, then "=" or ";". */
const AFTER_NAME = 3;
/** Behind "=": blanks, then a value. */
const VALUE_START = 4;
const VALUE = 5;
const QUOTED = 6;
/** Behind a backslash in a quoted string. */
const ESCAPED = 7;
/** Behind a value: ";". */
const AFTER_VALUE = 8;
/** Blanks behind a value, then ";". */
const VALUE_BLANKS = 9;
/** Anything without control characters. */
const ANY = 10;

const TOKEN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 128 && /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

const isBlank = (byte: number): boolean => byte === SP || byte === TAB;
/** Bytes that a one-line text may have: blanks, visible characters, 0x80 and above. */
const isText = (byte: number): boolean => byte === TAB || (byte >= SP && byte !== 127);

export class ExtensionReader {
  #state = BEFORE;

  /** Starts before the first byte behind a chunk size. `isLenient`: any text is accepted. */
  begin(isLenient: boolean): void {
    this.#state = isLenient ? ANY : BEFORE;
  }

  /** True if the line may end here. */
  get mayEnd(): boolean {
    const state = this.#state;
    return state === NAME || state === VALUE || state === AFTER_VALUE || state === ANY;
  }

  /** Reads one more byte; false if the byte is not allowed there. */
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
        return isText(byte) ? QUOTED : -1;
      case ESCAPED:
        return isText(byte) ? QUOTED : -1;
      case ANY:
        return isText(byte) ? ANY : -1;
      default:
        // VALUE, AFTER_VALUE, VALUE_BLANKS
        if (byte === SEMICOLON) return NAME_START;
        if (isBlank(byte)) return VALUE_BLANKS;
        return this.#state === VALUE && TOKEN[byte] === 1 ? VALUE : -1;
    }
  }
}
