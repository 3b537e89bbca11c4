// Words in a text, in order and next to each other.
// Must stay true: the answer is that of comparing the lists words() makes; the text is only read, not cut up.
import { isWordCode, wordsOf } from './words.ts';

/** Where a word that starts at `at` ends if it goes on with `word`; -1 if it does not. */
function endOf(text: string, at: number, word: string, isPrefix: boolean): number {
  if (!text.startsWith(word, at)) return -1;
  const end = at + word.length;
  return isPrefix || !isWordCode(text.charCodeAt(end)) ? end : -1;
}

/** Whether the words stand in a spelled text (words.ts); the last may be the start of a word. */
export function phrase(given: readonly string[], isPrefix: boolean): (spelled: string) => boolean {
  // A node may come from elsewhere: what is compared is always what words() makes.
  const [first, ...rest] = given.flatMap(wordsOf);
  if (first === undefined) return () => true;
  const isPrefixAlone = isPrefix && rest.length === 0;

  const standsAt = (text: string, at: number): boolean => {
    let end = endOf(text, at, first, isPrefixAlone);
    for (let i = 0; end !== -1 && i < rest.length; i++) {
      let next = end;
      while (next < text.length && !isWordCode(text.charCodeAt(next))) next++;
      end = next === end ? -1 : endOf(text, next, rest[i]!, isPrefix && i === rest.length - 1);
    }
    return end !== -1;
  };

  return (text) => {
    for (let at = text.indexOf(first); at !== -1; at = text.indexOf(first, at + 1))
      if ((at === 0 || !isWordCode(text.charCodeAt(at - 1))) && standsAt(text, at)) return true;
    return false;
  };
}
