// The words without which no rule of redact.ts can match.
// Invariant: a text that a rule changes contains one of the rule's words.
import { WordScan, type ScannedWord } from './word-scan.ts';

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
/** All bits of RULE. */
export const RULES_MASK = 0xff;

/** Between `token` and its separator: backslashes, a quote, and spaces. */
const AFTER_TOKEN = new Set(Array.from('\\"\' \t', (character) => character.charCodeAt(0)));
const MOST_AFTER_TOKEN = 13;

/** The rules need a separator after `token`. So `max_tokens` does not count, nor does the word in a sentence. */
function isTokenName(bytes: Uint8Array, at: number, end: number): boolean {
  const last = Math.min(end, at + MOST_AFTER_TOKEN + 1);
  let i = at;
  while (i < last && AFTER_TOKEN.has(bytes[i]!)) i++;
  return i < last && (bytes[i] === 0x3d || bytes[i] === 0x3a);
}

export const SECRET_WORDS: readonly ScannedWord[] = [
  { word: 'passw', bits: RULE.pairs },
  { word: 'passphrase', bits: RULE.pairs },
  { word: 'pwd', bits: RULE.pairs },
  { word: 'secret', bits: RULE.pairs },
  { word: 'credential', bits: RULE.pairs },
  { word: 'apikey', bits: RULE.pairs | RULE.scheme },
  { word: 'api-key', bits: RULE.pairs | RULE.scheme },
  { word: 'api_key', bits: RULE.pairs },
  { word: 'accesskey', bits: RULE.pairs },
  { word: 'access-key', bits: RULE.pairs },
  { word: 'access_key', bits: RULE.pairs },
  { word: 'private', bits: RULE.pairs | RULE.pem },
  { word: 'token', bits: RULE.pairs | RULE.token, counts: isTokenName },
  { word: 'authorization', bits: RULE.authorization },
  { word: 'bearer', bits: RULE.scheme },
  { word: 'basic', bits: RULE.scheme },
  { word: 'sk-', bits: RULE.knownKeys },
  { word: 'hf_', bits: RULE.knownKeys },
  { word: 'ghp_', bits: RULE.knownKeys },
  { word: 'gho_', bits: RULE.knownKeys },
  { word: 'ghu_', bits: RULE.knownKeys },
  { word: 'ghs_', bits: RULE.knownKeys },
  { word: 'ghr_', bits: RULE.knownKeys },
  { word: 'github_pat', bits: RULE.knownKeys },
  { word: 'xox', bits: RULE.knownKeys },
  { word: 'glpat', bits: RULE.knownKeys },
  { word: 'aiza', bits: RULE.knownKeys },
  { word: 'akia', bits: RULE.knownKeys },
  { word: 'asia', bits: RULE.knownKeys },
  { word: 'eyj', bits: RULE.jwt },
  { word: '://', bits: RULE.userinfo },
];

const scan = new WordScan(SECRET_WORDS);

/** The rules that may change the text, as bits of RULE. */
export const rulesFor = (text: string): number => scan.bitsOf(text);
