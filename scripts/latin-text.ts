// Writes JavaScript with characters of Latin-1 only, and moves its source map along: V8 keeps a text with any other
// character in twice the memory.
// Invariant: the program means the same. Other characters stand in texts, templates and regular expressions, since the
// bundler removes comments; there an escape means the character.

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** Code units outside of Latin-1. A character of two units has two escapes. */
const OTHER = /[^\0-\xff]/g;
/** What an escape has more than its character: \uXXXX. */
const LONGER = 5;

export const inLatin = (code: string): string =>
  code.replace(OTHER, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A number of a source map (VLQ): its text, which begins at `at`, and its end. */
function readNumber(text: string, at: number): { readonly value: number; readonly end: number } {
  let bits = 0;
  let end = at;
  for (let shift = 0; ; shift += 5) {
    const digit = BASE64.indexOf(text[end++]!);
    bits |= (digit & 31) << shift;
    if ((digit & 32) === 0) break;
  }
  return { value: bits & 1 ? -(bits >> 1) : bits >> 1, end };
}

function writeNumber(value: number): string {
  let bits = value < 0 ? (-value << 1) | 1 : value << 1;
  let text = '';
  do {
    const digit = bits & 31;
    bits >>= 5;
    text += BASE64[digit | (bits > 0 ? 32 : 0)];
  } while (bits > 0);
  return text;
}

/** `mappings` of a source map of `code`, for `inLatin(code)`. */
export function movedMappings(mappings: string, code: string): string {
  const lines = code.split('\n');
  return mappings
    .split(';')
    .map((segments, i) => {
      const others = Array.from(lines[i]?.matchAll(OTHER) ?? [], ({ index }) => index);
      if (others.length === 0 || segments === '') return segments;
      let column = 0;
      let movedBefore = 0;
      let passed = 0;
      return segments
        .split(',')
        .map((segment) => {
          const { value, end } = readNumber(segment, 0);
          column += value;
          while (passed < others.length && others[passed]! < column) passed++;
          const moved = column + passed * LONGER;
          const text = writeNumber(moved - movedBefore) + segment.slice(end);
          movedBefore = moved;
          return text;
        })
        .join(',');
    })
    .join(';');
}
