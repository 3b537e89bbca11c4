// Finds a sequence of adjacent words in a text.
// Invariant: the result is that of comparing lists of words (words.ts), but the text is not split into words.
import { isWordCode, normalizeText, wordsOf } from './words.ts';

/** Index after a word that starts at `at` and equals `word`, or begins with it if `isPrefix`; -1 for another word. */
function wordEnd(text: string, at: number, word: string, isPrefix: boolean): number {
  if (!text.startsWith(word, at)) return -1;
  const end = at + word.length;
  return isPrefix || !isWordCode(text.charCodeAt(end)) ? end : -1;
}

/**
 * Returns a function that tells whether a normalized text (words.ts) contains the words, adjacent and in this order.
 * `isPrefix`: the last one may be the start of a word. Without words it always returns true.
 */
export function phraseMatcher(
  given: readonly string[],
  isPrefix: boolean,
): (normalizedText: string) => boolean {
  // Nodes can come from other code than the parser, so the words are normalized again.
  const [first, ...rest] = given.flatMap(wordsOf);
  if (first === undefined) return () => true;
  const isFirstPrefix = isPrefix && rest.length === 0;

  const matchesAt = (text: string, at: number): boolean => {
    let end = wordEnd(text, at, first, isFirstPrefix);
    for (let i = 0; end !== -1 && i < rest.length; i++) {
      let next = end;
      while (next < text.length && !isWordCode(text.charCodeAt(next))) next++;
      end = next === end ? -1 : wordEnd(text, next, rest[i]!, isPrefix && i === rest.length - 1);
    }
    return end !== -1;
  };

  return (text) => {
    for (let at = text.indexOf(first); at !== -1; at = text.indexOf(first, at + 1))
      if ((at === 0 || !isWordCode(text.charCodeAt(at - 1))) && matchesAt(text, at)) return true;
    return false;
  };
}

/** Returns a function that tells whether a text has all words of another one, in any order. Without words it has. */
export function wordMatcher(text: string): (other: string) => boolean {
  const tests = wordsOf(text).map((word) => phraseMatcher([word], false));
  return (other) => {
    const normalized = normalizeText(other);
    return tests.every((matches) => matches(normalized));
  };
}
