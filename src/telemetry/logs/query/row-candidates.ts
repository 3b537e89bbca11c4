// Finds the rows of a page whose texts can contain the words of a query, without splitting the texts into rows.
// Invariant: a row whose text passes the test is always among the candidates.
import type { WordTest } from './required-words.ts';
import { isAscii, isWordCode } from './words.ts';

/** Words that are searched one after the other. With more, matching every row is as fast. */
const MAX_SEARCHES = 8;

type Needle = Extract<WordTest, { readonly word: string } | { readonly prefix: string }>;

export const needleText = (needle: Needle): string => ('word' in needle ? needle.word : needle.prefix);
const shortest = (needles: readonly Needle[]): number =>
  Math.min(...needles.map((needle) => needleText(needle).length));

/** Words of which every passing text contains at least one, and which are as long as possible; `undefined`: none. */
export function needlesOf(test: WordTest): readonly Needle[] | undefined {
  if ('word' in test || 'prefix' in test) return [test];
  if ('any' in test) {
    const parts = test.any.map(needlesOf);
    return parts.includes(undefined) ? undefined : parts.flatMap((needles) => needles!);
  }
  let best: readonly Needle[] | undefined;
  // Long words are in fewer texts than short ones.
  for (const needles of test.all.map(needlesOf))
    if (needles && (best === undefined || shortest(needles) > shortest(best))) best = needles;
  return best;
}

/** Sets the mask to 1 for each row that contains the word. `text` is in lower case. */
function mark(needle: Needle, text: string, rowEnds: ArrayLike<number>, mask: Uint8Array): void {
  const word = needleText(needle);
  const isPrefix = 'prefix' in needle;
  let row = 0;
  for (let at = text.indexOf(word); at !== -1;) {
    while (rowEnds[row]! <= at) row++;
    const start = row === 0 ? 0 : rowEnds[row - 1]!;
    const rowEnd = rowEnds[row]!;
    const end = at + word.length;
    const isWord =
      end <= rowEnd &&
      (at === start || !isWordCode(text.charCodeAt(at - 1))) &&
      (isPrefix || end === rowEnd || !isWordCode(text.charCodeAt(end)));
    if (isWord) mask[row] = 1;
    at = text.indexOf(word, isWord ? rowEnd : at + 1);
  }
}

/**
 * Returns 1 for each row that may pass the test and 0 for the others; `undefined` means all rows. `text`: the texts of
 * all rows, joined without separators; `rowEnds`: where each one ends in it, in UTF-16 code units, the last at the end.
 * A text must contain all that the words are looked for in, so of records `searchableText(record)`. Pages with
 * characters that are not ASCII give `undefined`.
 */
export function rowCandidates(
  test: WordTest,
  text: string,
  rowEnds: ArrayLike<number>,
): Uint8Array | undefined {
  const needles = needlesOf(test);
  if (needles === undefined || needles.length > MAX_SEARCHES || !isAscii(text)) return undefined;
  const lower = text.toLowerCase();
  const mask = new Uint8Array(rowEnds.length);
  for (const needle of needles) mark(needle, lower, rowEnds, mask);
  return mask;
}
