// The words of a text, as search knows them, and the text that the full-text index is given.
// Must stay true: the tokens that FTS5 makes of indexed(text) with TOKENIZER are exactly words(text), on every version
// of SQLite; so what the index leaves out, matching leaves out too.

/**
 * FTS5's tokenizer that goes with `indexed`. `ascii` cuts at ASCII characters that are no letter or digit, lowers ASCII
 * letters and takes everything else as it is: all that is beyond ASCII is decided here, by the Unicode of one program.
 */
export const TOKENIZER = 'ascii';

const BEYOND_ASCII = /[^\0-\x7f]/;
const SPELLED_WORD = /[a-z0-9\x80-\uffff]+/g;
const RUN_BEYOND_ASCII = /[^\0-\x7f][A-Za-z0-9\x80-\uffff]*/g;
/** Accents, Arabic and Hebrew vowel points, variation selectors; not the two marks that make other letters of kana. */
const DIACRITIC = /[[\p{M}&&[\p{Script=Inherited}\p{Script=Arabic}\p{Script=Hebrew}]]--[\u3099\u309a]]/gv;
/** Ideographs, kana, Hangul and pictures stand for themselves: those who write them put no spaces between words. */
const ALONE =
  '[[\\p{L}\\p{N}\\p{M}]&&[\\p{Script=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{Script=Hangul}]]|\\p{Extended_Pictographic}|\\p{RI}';
const WORD = new RegExp(`${ALONE}|(?:(?!${ALONE})[\\p{L}\\p{N}\\p{M}])+`, 'gv');
/** Letters that lower case and decomposition leave apart from what people type for them; a line that only stretches. */
const FOLDED: Readonly<Record<string, string>> = { ß: 'ss', ς: 'σ', ı: 'i', ـ: '' };
const TO_FOLD = /[ßςıـ]/g;

export const isAscii = (text: string): boolean => !BEYOND_ASCII.test(text);

function folded(text: string): string {
  const bare = text.normalize('NFKD').replace(DIACRITIC, '').toLowerCase();
  return bare.replace(TO_FOLD, (letter) => FOLDED[letter]!).normalize('NFC');
}

const isAsciiWordCode = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90);

/**
 * The text to index: FTS5 makes `words(text)` of it. ASCII, which is nearly everything, comes back as it is; of other
 * texts only the runs of letters around a sign beyond ASCII are written anew: nothing reaches across ASCII's separators.
 */
export function indexed(text: string): string {
  if (isAscii(text)) return text;
  let result = '';
  let done = 0;
  for (const { 0: run, index } of text.matchAll(RUN_BEYOND_ASCII)) {
    let from = index;
    while (from > done && isAsciiWordCode(text.charCodeAt(from - 1))) from--;
    const end = index + run.length;
    const found = folded(text.slice(from, end)).match(WORD) ?? [];
    result += `${text.slice(done, from)} ${found.join(' ')} `;
    done = end;
  }
  return result + text.slice(done);
}

/** The text with its words written as `words` writes them, anything between them that is no part of a word. */
export const spelled = (text: string): string => indexed(text).toLowerCase();

/** Whether a UTF-16 code unit of a spelled text is part of a word: `ascii`, the tokenizer, cuts at the others. */
export const isWordCode = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code >= 128;

/**
 * The words of a text, in order: runs of letters and digits in lower case without diacritics, in compatible forms
 * (NFKC: full-width letters are letters), `ß` as `ss`, the dotless `ı` as `i`. `_` and `-` cut. Each ideograph, kana,
 * Hangul syllable and picture is a word of its own.
 */
export const wordsOf = (text: string): string[] => spelled(text).match(SPELLED_WORD) ?? [];
