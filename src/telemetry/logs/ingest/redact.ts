// Redacts text: secrets by built-in rules, personal data by the rules that settings name (masking/), and matches of
// expressions of the user.
// A built-in rule begins with a fixed word, followed by bounded repeats or by one character class that cannot contain
// another start of the rule.
// Invariant: every rule takes time linear in the text.
import { JsonMasker, looksLikeJson, type PathRule } from '../masking/json-text.ts';
import type { Masker } from '../masking/masker.ts';
import type { Regex } from '../regex.ts';
import { RULE, rulesFor } from './secret-triggers.ts';

export const REDACTED = '[redacted]';

/** Ends of the names of secrets: `db_password`, `accessToken`, `x-api-key`, `aws_secret_access_key`. */
const NAME =
  'passw(?:or)?d|passphrase|pwd|secret(?:[-_]?(?:access[-_]?)?key)?|api[-_]?key|access[-_]?key|private[-_]?key|' +
  'credentials?';
const SECRET_NAME = new RegExp(`(?:${NAME}|token|authorization)$`, 'i');

/** `Authorization: Scheme value`, in quotes of any depth. */
const AUTHORIZATION =
  /(authorization["'\\]{0,6}[ \t]{0,8}[=:][ \t]{0,8}["'\\]{0,6}(?:[a-z][\w-]{0,32}[ \t]{1,8})?)[^\s"',;\\]+/gi;
/**
 * `name=value`, `name: value`, `"name": "value"`, also in JSON text within JSON text (`\"name\":\"value\"`).
 * `token` counts with a longer name (`access_token`) or in the form `token=…`.
 */
const PAIRS = new RegExp(
  `((${NAME}|(?<=[\\w-])token|token(?==))\\\\{0,4}["']?[ \\t]{0,8}[=:][ \\t]{0,8}(?:(?:bearer|basic|api-?key)[ \\t]{1,8})?)` +
    `(\\\\{1,4}["'](?:[^"'\\\\]|\\\\(?!\\\\{0,3}["'])){0,8192}|"(?:[^"\\\\]|\\\\.){0,8192}"?|` +
    `'(?:[^'\\\\]|\\\\.){0,8192}'?|\\[redacted\\](?![^\\s"',;&)\\]}])|(?!-----BEGIN)[^\\s"',;&)\\]}]+)`,
  'gi',
);
/** Other forms of `token`, with a random value. `token: expired` is a sentence, `"token": " Hel"` output of a model. */
const TOKEN = /(token\\{0,4}["']?[ \t]{0,8}[=:][ \t]{0,8}\\{0,4}["']?)([A-Za-z0-9._~+/-]{8,}={0,2})/gi;
const SCHEME = /\b((?:bearer|basic|api-?key)\s{1,8})([A-Za-z0-9._~+/=-]{8,})/gi;
const KNOWN_KEYS =
  /\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|xox[abeprs]-[\w-]{10,}|glpat-[\w-]{16,}|AIza[\w-]{30,}|A(?:KIA|SIA)[A-Z0-9]{16}\b)/g;
/** Two or three parts of base64url. The first one begins with the encoding of `{"`. */
const JWT = /(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g;
const USERINFO = /(:\/\/)[^\s/?#"'<>\\]{1,512}@/g;
/**
 * A private key up to its last line or, without one, up to the end of base64 text. It does not end within a word, which
 * may be the beginning of a secret that another rule redacts. Line ends may be escaped (`\n`).
 */
const PEM =
  /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----(?:\s|\\[nr])*(?:Proc-Type:[^\n\\]{0,40}(?:\s|\\[nr]){0,8}DEK-Info:[^\n\\]{0,80})?(?:[A-Za-z0-9+/=\s]|\\[nr]){0,20000}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|(?![\w-]))/g;

/** In a sentence, the word after "Basic" or "Bearer" has no digits and no capital letters within it. */
const looksRandom = (value: string): boolean => /\d|[a-z].*[A-Z]|=$/.test(value.slice(0, 256));

/** `next_token=12`, `time_per_token: 0.3s` are counts. */
const COUNT = /^["'\\]*-?[\d.]{1,20}[a-zµ%/]{0,6}["'\\]*$/i;
const EMPTY_VALUE = /^["'\\]*(?:null|none|true|false)?["'\\]*$/i;

function redactPair(all: string, before: string, name: string, value: string): string {
  if (EMPTY_VALUE.test(value) || (name.toLowerCase() === 'token' && COUNT.test(value))) return all;
  const open = /^\\{0,4}["']/.exec(value)?.[0] ?? '';
  // An escaped quote at the end is not part of the match, and a value without a closing quote gets none.
  const close = open.length === 1 && value.length > 1 && value.endsWith(open) ? open : '';
  return `${before}${open}${REDACTED}${close}`;
}

const redactRandom = (all: string, before: string, value: string): string =>
  looksRandom(value) && !COUNT.test(value) ? before + REDACTED : all;

/**
 * The built-in rules in their order. Those without a leading name run first, since a match of a later rule may end where
 * such a secret begins.
 */
export const RULES: readonly (readonly [rule: number, apply: (text: string) => string])[] = [
  [RULE.knownKeys, (text) => text.replace(KNOWN_KEYS, REDACTED)],
  [RULE.jwt, (text) => text.replace(JWT, REDACTED)],
  [RULE.scheme, (text) => text.replace(SCHEME, redactRandom)],
  [RULE.pairs, (text) => text.replace(PAIRS, redactPair)],
  [RULE.authorization, (text) => text.replace(AUTHORIZATION, `$1${REDACTED}`)],
  [RULE.token, (text) => text.replace(TOKEN, redactRandom)],
  [RULE.userinfo, (text) => text.replace(USERINFO, `$1${REDACTED}@`)],
  [RULE.pem, (text) => text.replace(PEM, REDACTED)],
];

function redactBuiltIn(text: string, wanted: number): string {
  if (wanted === 0) return text;
  let out = text;
  for (const [rule, apply] of RULES) if ((wanted & rule) !== 0) out = apply(out);
  return out;
}

export interface RedactorOptions {
  /** Redact secrets by the built-in rules. */
  readonly builtIn: boolean;
  /** Expressions whose matches are redacted after the built-in rules, in this order. */
  readonly custom: readonly Regex[];
  /** Masks personal data. */
  readonly masker?: Masker | undefined;
  /** What is done with values in JSON bodies. */
  readonly paths?: readonly PathRule[];
}

/** A text that own expressions make longer than this is redacted as a whole. */
const mostOf = (text: string): number => 2 * text.length + 64;
/** Characters beyond the stored ones in which values are found too. */
const MARGIN = 4096;
/** Characters that a value has at most, so that many are dropped at most where a text was cut. */
const LONGEST_VALUE = 320;

/** Redacts secrets in texts, and knows the names of secret values. */
export class Redactor {
  readonly #hasBuiltIn: boolean;
  readonly #custom: readonly Regex[];
  readonly #masker: Masker | undefined;
  readonly #json: JsonMasker;
  /** Replaces values at paths, before a rule changes the text around them. */
  readonly #paths: JsonMasker | undefined;

  constructor({ builtIn, custom, masker, paths = [] }: RedactorOptions) {
    this.#hasBuiltIn = builtIn;
    this.#custom = custom;
    this.#masker = masker;
    this.#paths = paths.length > 0 ? new JsonMasker((text) => text, paths) : undefined;
    this.#json = new JsonMasker((text, before) => masker?.mask(text, before) ?? text, []);
  }

  /** True if it masks more than secrets. A value may be split over the events of a stream, and is not found there. */
  get masks(): boolean {
    return this.#masker !== undefined || this.#paths !== undefined;
  }

  /** Replaces every secret that a rule finds with `[redacted]`. `rules`: those that may change the text, if known. */
  redactText(text: string, rules?: number): string {
    const out = this.#hasBuiltIn ? redactBuiltIn(text, rules ?? rulesFor(text)) : text;
    return this.#redactCustom(this.#masker === undefined ? out : this.#masker.mask(out));
  }

  /** A number as it is, or the text that masks it. */
  redactNumber(value: number): number | string {
    if (this.#masker === undefined || !Number.isSafeInteger(value)) return value;
    const text = String(value);
    const masked = this.#masker.mask(text);
    return masked === text ? value : masked;
  }

  /**
   * Redacts a text of which `max` characters are stored, and reads a bounded part of a longer one. A value that this
   * part has only the beginning of is dropped. The result may be longer than `max`.
   */
  redactStart(text: string, max: number): string {
    const part = text.slice(0, max + MARGIN);
    const isCut = part.length < text.length;
    return this.redactText(isCut && this.masks ? withoutPartialValue(part) : part);
  }

  /**
   * Redacts a body. `isCut`: it ends before its end. `undefined`: values in it may not be found, since it has NUL, as
   * UTF-16 has, or since it seems to be JSON but is not, and there are paths.
   */
  redactBody(body: string, isCut: boolean): string | undefined {
    if (!this.masks) return this.redactText(body);
    if (body.includes('\0')) return undefined;
    let text = isCut ? withoutPartialValue(body) : body;
    if (this.#paths !== undefined && looksLikeJson(text)) {
      const atPaths = this.#paths.mask(text);
      if (!atPaths.isJson) return undefined;
      text = atPaths.text;
    }
    const out = this.#hasBuiltIn ? redactBuiltIn(text, rulesFor(text)) : text;
    if (!looksLikeJson(out)) return this.#redactCustom(this.#masker?.mask(out) ?? out);
    return this.#redactCustom(this.#json.mask(out).text);
  }

  /** True if every value of this name is a secret. */
  isSecretName(name: string): boolean {
    return this.#hasBuiltIn && SECRET_NAME.test(name.slice(-64));
  }

  #redactCustom(text: string): string {
    if (this.#custom.length === 0) return text;
    let out = text;
    for (const regex of this.#custom) out = regex.replaceAll(out, REDACTED);
    return out.length > mostOf(text) ? REDACTED : out;
  }
}

/** The text without its end, which may be the beginning of a value that no rule finds without the rest. */
function withoutPartialValue(text: string): string {
  const from = Math.max(0, text.length - LONGEST_VALUE);
  const end = text
    .slice(from)
    .replace(/[^\s"',;<>]*$/, '')
    .replace(/[\d\s().+/-]*$/, '');
  return text.slice(0, from) + end;
}
