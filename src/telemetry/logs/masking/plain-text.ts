// Reads escapes in a text as the characters that they stand for, so that rules find values in JSON within JSON and in URLs.
// Invariant: each character of the plain text has its place in the text that was given, and it takes linear time.

/** `\u0040`, `\n` or `\/`, with any number of backslashes, and `%40`. */
const ESCAPE = /(?<!\\)\\+(?:u([0-9A-Fa-f]{4})|([nrtbf/]))|%([2-7][0-9A-Fa-f])/g;

export interface PlainText {
  readonly plain: string;
  /** Index in the given text of the character at an index of `plain`. */
  readonly placeOf: (index: number) => number;
}

/** The text without escapes; `undefined`: it has none. */
export function plainText(text: string): PlainText | undefined {
  if (!text.includes('\\') && !text.includes('%')) return undefined;
  let plain = '';
  let from = 0;
  /** Where a piece without escapes, or a character of an escape, begins in `plain` and in `text`. */
  const starts: number[] = [];
  const places: number[] = [];
  const begin = (place: number): void => {
    starts.push(plain.length);
    places.push(place);
  };
  for (const { 0: escape, 1: unicode, 2: letter, 3: percent, index } of text.matchAll(ESCAPE)) {
    begin(from);
    plain += text.slice(from, index);
    begin(index);
    const hex = unicode ?? percent;
    // Which space it is matters to no rule.
    plain += hex !== undefined ? String.fromCharCode(parseInt(hex, 16)) : letter === '/' ? '/' : '\n';
    from = index + escape.length;
  }
  if (from === 0) return undefined;
  begin(from);
  plain += text.slice(from);
  const placeOf = (index: number): number => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return places[low]! + index - starts[low]!;
  };
  return { plain, placeOf };
}
