// Finds words of a fixed list in bytes. Hot path: every stored text goes through here, and most texts contain none.
// It looks at every second pair of bytes. Three characters of each word have been chosen, so one of their two pairs is
// looked at, wherever the word begins. Skipping a number of bytes that depends on them (Wu and Manber) is slower, since the
// processor cannot predict it.
// Invariant: every occurrence of a word is found, in any letter case.

/** Every word is at least this long. */
const SHORTEST = 3;

/** A word in lower case, ASCII, at least three characters, and the bits that stand for it. */
export interface ScannedWord {
  readonly word: string;
  readonly bits: number;
  /** Whether the word counts, by the bytes that follow it, from `at` to before `end`. */
  readonly counts?: (bytes: Uint8Array, at: number, end: number) => boolean;
}

/** Pairs of letters that are frequent in English, the most frequent ones first. */
const FREQUENT =
  'th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le sa si ar ve ra ld ur';

const lower = (code: number): number => (code >= 65 && code <= 90 ? code + 32 : code);

function casesOf(code: number): number[] {
  const upper = String.fromCharCode(code).toUpperCase().charCodeAt(0);
  return upper === code ? [code] : [code, upper];
}

/** Large for pairs that are rare in logs. */
function rarityOf(pair: string): number {
  if (pair.includes(' ')) return -1;
  const at = FREQUENT.indexOf(pair);
  return at === -1 ? FREQUENT.length : at;
}

/** Index of the three characters of a word whose two pairs are the rarest. */
function rarestPart(word: string): number {
  const rarityAt = (at: number): number =>
    Math.min(rarityOf(word.slice(at, at + 2)), rarityOf(word.slice(at + 1, at + 3)));
  let best = 0;
  for (let at = 1; at + SHORTEST <= word.length; at++) if (rarityAt(at) > rarityAt(best)) best = at;
  return best;
}

let memory = Buffer.allocUnsafeSlow(4096);
/** A larger text gets memory of its own. */
const MAX_MEMORY = 1024 * 1024;

function memoryFor(bytes: number): Buffer {
  if (bytes <= memory.length) return memory;
  const larger = Buffer.allocUnsafeSlow(2 * bytes);
  if (larger.length <= MAX_MEMORY) memory = larger;
  return larger;
}

/** A word that has a pair of characters at `offset`. */
interface Candidate {
  readonly word: ScannedWord;
  readonly codes: Uint8Array;
  readonly offset: number;
}

export class WordScan {
  /** By pair of bytes, the second one times 256: index in `candidates`. */
  readonly #pairs = new Uint8Array(256 * 256);
  readonly #candidates: Candidate[][] = [[]];
  /** By index in `candidates`: which bytes may be before or after the pair, as bits of their lowest five bits. */
  readonly #before = new Uint32Array(256);
  readonly #after = new Uint32Array(256);

  constructor(words: readonly ScannedWord[]) {
    for (const word of words) {
      const codes = Uint8Array.from(Buffer.from(word.word));
      const part = rarestPart(word.word);
      for (const offset of [part, part + 1])
        for (const a of casesOf(codes[offset]!))
          for (const b of casesOf(codes[offset + 1]!)) {
            const candidates = this.#add(a | (b << 8), { word, codes, offset });
            if (offset === part) this.#after[candidates]! |= 1 << (codes[part + 2]! & 31);
            else this.#before[candidates]! |= 1 << (codes[part]! & 31);
          }
    }
  }

  /** The bits of the words in the bytes from `from` to before `to`, UTF-8 or Latin-1. */
  bitsIn(bytes: Uint8Array, from: number, to: number): number {
    const pairs = this.#pairs;
    let found = 0;
    for (let at = from; at + 1 < to; at += 2) {
      const candidates = pairs[bytes[at]! | (bytes[at + 1]! << 8)]!;
      if (candidates === 0) continue;
      const before = at > from ? this.#before[candidates]! >>> (bytes[at - 1]! & 31) : 0;
      const after = at + 2 < to ? this.#after[candidates]! >>> (bytes[at + 2]! & 31) : 0;
      if (((before | after) & 1) !== 0) found |= bitsAt(this.#candidates[candidates]!, bytes, at, from, to);
    }
    return found;
  }

  /** The bits of the words in a text. */
  bitsOf(text: string): number {
    if (text.length < SHORTEST) return 0;
    // Bytes are read faster than the characters of a string. Characters above 255 become others, which can only find more.
    const bytes = memoryFor(text.length);
    bytes.write(text, 0, 'latin1');
    return this.bitsIn(bytes, 0, text.length);
  }

  #add(pair: number, candidate: Candidate): number {
    const known = this.#pairs[pair]!;
    if (known === 0) return (this.#pairs[pair] = this.#candidates.push([candidate]) - 1);
    this.#candidates[known]!.push(candidate);
    return known;
  }
}

/** The bits of the words that have the pair at `at`. */
function bitsAt(
  candidates: readonly Candidate[],
  bytes: Uint8Array,
  at: number,
  from: number,
  to: number,
): number {
  let found = 0;
  for (const { word, codes, offset } of candidates) {
    const start = at - offset;
    const end = start + codes.length;
    if (start < from || end > to) continue;
    let i = 0;
    while (i < codes.length && lower(bytes[start + i]!) === codes[i]) i++;
    if (i === codes.length && (word.counts === undefined || word.counts(bytes, end, to))) found |= word.bits;
  }
  return found;
}
