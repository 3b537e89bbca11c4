// Hashes the words of texts for Bloom filters. Hot path: every stored text goes through here.
// Invariant: both functions give exactly the hashes of wordsOf(text). Hashes are stored, so they never change.
import { isWordCode, normalizeText } from './words.ts';

/** Constants of 32-bit FNV-1a, here over UTF-16 code units. */
const START = 0x811c9dc5;
const PRIME = 0x01000193;

/** Lower-case code of each byte that is an ASCII letter or digit; 0 for separators, 1 for bytes of other characters. */
const NOT_ASCII = 1;
const FOLDED = Uint8Array.from({ length: 256 }, (_, code) => {
  if (code >= 128) return NOT_ASCII;
  const lower = String.fromCharCode(code).toLowerCase().charCodeAt(0);
  return isWordCode(lower) ? lower : 0;
});

/** Spreads the bits, since those of FNV-1a depend mostly on the end of a short word (finalizer of MurmurHash3). */
function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Hash of a word in the form of `wordsOf`: an integer from 0 to 2^32 - 1. */
export function hashOfWord(word: string): number {
  let hash = START;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), PRIME);
  return mix(hash);
}

function addOtherWords(normalizedText: string, add: (hash: number) => void): void {
  let hash = START;
  let isInWord = false;
  for (let i = 0; i < normalizedText.length; i++) {
    const code = normalizedText.charCodeAt(i);
    if (isWordCode(code)) {
      hash = Math.imul(hash ^ code, PRIME);
      isInWord = true;
    } else if (isInWord) {
      add(mix(hash));
      hash = START;
      isInWord = false;
    }
  }
  if (isInWord) add(mix(hash));
}

/** True if a byte is an ASCII character between words. Words on both sides of it are converted apart from each other. */
export const isSeparator = (byte: number): boolean => FOLDED[byte] === 0;

/**
 * Calls `add` with the hash of each word of the UTF-8 text from `from` to before `to`, in order; a word that occurs twice
 * is added twice. Makes no strings up to the first word that is not ASCII.
 */
export function byteWordHashes(bytes: Buffer, from: number, to: number, add: (hash: number) => void): void {
  let hash = START;
  let wordStart = -1;
  for (let i = from; i < to; i++) {
    const folded = FOLDED[bytes[i]!]!;
    if (folded > 1) {
      if (wordStart === -1) wordStart = i;
      hash = Math.imul(hash ^ folded, PRIME);
    } else if (folded === NOT_ASCII) {
      // Words are converted apart from each other, so those before this one are complete.
      addOtherWords(normalizeText(bytes.toString('utf8', wordStart === -1 ? i : wordStart, to)), add);
      return;
    } else if (wordStart !== -1) {
      add(mix(hash));
      hash = START;
      wordStart = -1;
    }
  }
  if (wordStart !== -1) add(mix(hash));
}

/** Calls `add` with the hash of each word of a text, in order. */
export function wordHashes(text: string, add: (hash: number) => void): void {
  const bytes = Buffer.from(text);
  byteWordHashes(bytes, 0, bytes.length, add);
}
