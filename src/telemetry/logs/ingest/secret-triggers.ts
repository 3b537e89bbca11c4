// Finds the words without which no rule of redact.ts can match. Hot path: every stored text goes through here, and most
// texts contain none.
// The search is that of Wu and Manber ("A fast algorithm for multi-pattern searching", 1994): it looks at pairs of
// characters, and mostly skips every second one.
// Invariant: a text that a rule changes contains one of the rule's words.

/** The rules of redact.ts, as bits. */
export const RULE = {
  knownKeys: 1,
  jwt: 2,
  scheme: 4,
  pairs: 8,
  authorization: 16,
  token: 32,
  userinfo: 64,
  pem: 128,
} as const;

/** Words in lower case, which are found in any case, and the rules that they are for. */
const WORDS: readonly (readonly [word: string, rules: number])[] = [
  ['passw', RULE.pairs],
  ['passphrase', RULE.pairs],
  ['pwd', RULE.pairs],
  ['secret', RULE.pairs],
  ['credential', RULE.pairs],
  ['apikey', RULE.pairs | RULE.scheme],
  ['api-key', RULE.pairs | RULE.scheme],
  ['api_key', RULE.pairs],
  ['accesskey', RULE.pairs],
  ['access-key', RULE.pairs],
  ['access_key', RULE.pairs],
  ['private', RULE.pairs | RULE.pem],
  ['token', RULE.pairs | RULE.token],
  ['authorization', RULE.authorization],
  ['bearer', RULE.scheme],
  ['basic', RULE.scheme],
  ['sk-', RULE.knownKeys],
  ['hf_', RULE.knownKeys],
  ['ghp_', RULE.knownKeys],
  ['gho_', RULE.knownKeys],
  ['ghu_', RULE.knownKeys],
  ['ghs_', RULE.knownKeys],
  ['ghr_', RULE.knownKeys],
  ['github_pat', RULE.knownKeys],
  ['xox', RULE.knownKeys],
  ['glpat', RULE.knownKeys],
  ['aiza', RULE.knownKeys],
  ['akia', RULE.knownKeys],
  ['asia', RULE.knownKeys],
  ['eyj', RULE.jwt],
  ['://', RULE.userinfo],
];
/** Every word is at least this long. */
const SHORTEST = 3;
/** What may follow `token`: the rules need a separator, a quote or a backslash. So `max_tokens` does not count. */
const AFTER_TOKEN = new Set(Array.from('\\"\' \t=:', (character) => character.charCodeAt(0)));

const lower = (code: number): number => (code >= 65 && code <= 90 ? code + 32 : code);

/** Characters that the search may skip after a pair: 2, 1 if the pair begins a word, 0 if it ends the first three. */
const SKIP = new Uint8Array(128 * 128).fill(SHORTEST - 1);
/** Words by the pair of their second and third characters. */
const BY_PAIR = new Map<number, (readonly [codes: number[], rules: number])[]>();

for (const [word, rules] of WORDS) {
  const codes = Array.from(word, (character) => character.charCodeAt(0));
  const [first, second, third] = codes as [number, number, number];
  BY_PAIR.set((second << 7) | third, [...(BY_PAIR.get((second << 7) | third) ?? []), [codes, rules]]);
  for (const a of casesOf(first))
    for (const b of casesOf(second)) SKIP[(a << 7) | b] = Math.min(SKIP[(a << 7) | b]!, 1);
  for (const a of casesOf(second)) for (const b of casesOf(third)) SKIP[(a << 7) | b] = 0;
}

function casesOf(code: number): number[] {
  const upper = String.fromCharCode(code).toUpperCase().charCodeAt(0);
  return upper === code ? [code] : [code, upper];
}

/** The rules (bits of RULE) of the words that begin at `at`. The bytes end at `end`. */
function rulesAt(bytes: Uint8Array, at: number, end: number): number {
  const pair = (lower(bytes[at + 1]!) << 7) | lower(bytes[at + 2]!);
  let found = 0;
  for (const [codes, rules] of BY_PAIR.get(pair) ?? []) {
    let i = 0;
    while (i < codes.length && at + i < end && lower(bytes[at + i]!) === codes[i]) i++;
    const isWord = i === codes.length;
    const isFollowed = (rules & RULE.token) === 0 || (at + i < end && AFTER_TOKEN.has(bytes[at + i]!));
    if (isWord && isFollowed) found |= rules;
  }
  return found;
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

/** The rules that may change the text, as bits of RULE. */
export function rulesFor(text: string): number {
  const end = text.length;
  if (end < SHORTEST) return 0;
  // Bytes are read faster than the characters of a string. Characters above 255 become others, which can only find more.
  const bytes: Uint8Array = memoryFor(end);
  (bytes as Buffer).write(text, 0, 'latin1');
  let found = 0;
  let at = SHORTEST - 1;
  while (at < end) {
    const a = bytes[at - 1]!;
    const b = bytes[at]!;
    const skip = (a | b) < 128 ? SKIP[(a << 7) | b]! : SHORTEST - 1;
    if (skip === 0) {
      found |= rulesAt(bytes, at - 2, end);
      at++;
    } else at += skip;
  }
  return found;
}
