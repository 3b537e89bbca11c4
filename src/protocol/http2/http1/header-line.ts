// Header lines of HTTP/1.1, which become fields of HTTP/2. Hot path.
// Invariant: a value keeps all its bytes but the spaces, tabs and CR at its ends.
const TAB = 9;
const CR = 13;
const SP = 32;

const isSpace = (byte: number): boolean => byte === SP || byte === TAB || byte === CR;

/**
 * The value in text[from, to), without the spaces and tabs around it (RFC 9110 5.5) and the CR of its line end. All other
 * characters stay, since `trim` would cut a letter of UTF-8 that ends with the byte 0xa0.
 */
export function valueIn(text: string, from: number, to: number): string {
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}
