// Splits texts into words for searches, and prepares texts for the full-text index of files of version 1.
// Invariant: FTS5 splits indexText(text) into exactly wordsOf(text), so the index, filters and the matching of
// records agree.

/**
 * The FTS5 tokenizer for `indexText`. `ascii` splits at ASCII characters other than letters and digits, and lowers
 * ASCII letters. It keeps other characters, so this file decides about them, independently of the version of SQLite.
 */
export const TOKENIZER = 'ascii';

const NON_ASCII = /[^\0-\x7f]/;
const NORMALIZED_WORD = /[a-z0-9\x80-\uffff]+/g;
const NON_ASCII_RUN = /[^\0-\x7f][A-Za-z0-9\x80-\uffff]*/g;
/** Accents, Arabic and Hebrew vowel points, variation selectors; not the voicing marks of kana, which make letters. */
const DIACRITIC = /[[\p{M}&&[\p{Script=Inherited}\p{Script=Arabic}\p{Script=Hebrew}]]--[\u3099\u309a]]/gv;
/** Characters that are words by themselves, since their scripts put no spaces between words; emoji too. */
const SINGLE =
  '[[\\p{L}\\p{N}\\p{M}]&&[\\p{Script=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{Script=Hangul}]]|\\p{Extended_Pictographic}|\\p{RI}';
const WORD = new RegExp(`${SINGLE}|(?:(?!${SINGLE})[\\p{L}\\p{N}\\p{M}])+`, 'gv');
/** Replacements besides lower case and NFKD. The last one is the Arabic tatweel, which only stretches a word. */
const REPLACEMENTS: Readonly<Record<string, string>> = { ß: 'ss', ς: 'σ', ı: 'i', ـ: '' };
const REPLACED = /[ßςıـ]/g;

export const isAscii = (text: string): boolean => !NON_ASCII.test(text);

function foldLetters(text: string): string {
  const bare = text.normalize('NFKD').replace(DIACRITIC, '').toLowerCase();
  return bare.replace(REPLACED, (letter) => REPLACEMENTS[letter]!).normalize('NFC');
}

const isAsciiWordCode = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90);

/**
 * Converts a text for the index, where FTS5 splits it into `wordsOf(text)`. Most texts are ASCII; these are returned
 * unchanged. In other texts only runs of letters and digits that contain a non-ASCII character are rewritten, since
 * conversion never crosses an ASCII separator.
 */
export function indexText(text: string): string {
  if (isAscii(text)) return text;
  let result = '';
  let convertedEnd = 0;
  for (const { 0: run, index } of text.matchAll(NON_ASCII_RUN)) {
    let from = index;
    while (from > convertedEnd && isAsciiWordCode(text.charCodeAt(from - 1))) from--;
    const end = index + run.length;
    const words = foldLetters(text.slice(from, end)).match(WORD) ?? [];
    result += `${text.slice(convertedEnd, from)} ${words.join(' ')} `;
    convertedEnd = end;
  }
  return result + text.slice(convertedEnd);
}

/** A text whose words are in the form of `wordsOf`, with any separators between them. */
export const normalizeText = (text: string): string => indexText(text).toLowerCase();

/** True if a UTF-16 code unit of a normalized text is part of a word. The tokenizer splits at all others. */
export const isWordCode = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code >= 128;

/**
 * The words of a text, in order: runs of letters and digits, in lower case, without diacritics, in compatibility form
 * (NFKC, so full-width letters become plain ones), with `ß` as `ss` and the dotless `ı` as `i`. `_` and `-` are
 * separators. Each ideograph, kana, Hangul syllable and emoji is one word.
 */
export const wordsOf = (text: string): string[] => normalizeText(text).match(NORMALIZED_WORD) ?? [];
