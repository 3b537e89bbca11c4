// Secrets out of what is kept: built-in rules for the usual ones, and the user's own expressions.
// Must stay true: every rule takes time linear in the text whatever the text is. A rule here therefore begins at a fixed
// word, and behind it come bounded repeats, or one class that no other start of the same rule lies in.
import type { Regex } from '../regex.ts';

export const REDACTED = '[redacted]';

/** Words of which at least one stands in every text that a built-in rule changes: most lines have none. */
const TRIGGERS =
  /passw|passphrase|pwd|secret|token|api[-_]?key|authorization|credential|bearer|basic|sk-|hf_|gh[pousr]_|github_pat|xox|glpat|AIza|AKIA|ASIA|eyJ|:\/\/|PRIVATE/i;

/** The name of something secret, as it ends: `db_password`, `accessToken`, `x-api-key`, `aws_secret_access_key`. */
const NAME =
  'passw(?:or)?d|passphrase|pwd|secret(?:[-_]?(?:access[-_]?)?key)?|api[-_]?key|access[-_]?key|private[-_]?key|' +
  'credentials?';
const SECRET_NAME = new RegExp(`(?:${NAME}|token|authorization)$`, 'i');

/** `Authorization: Scheme value`, in quotes of any depth. */
const AUTHORIZATION =
  /(authorization["'\\]{0,6}[ \t]{0,8}[=:][ \t]{0,8}["'\\]{0,6}(?:[a-z][\w-]{0,32}[ \t]{1,8})?)[^\s"',;\\]+/gi;
/**
 * `name=value`, `name: value`, `"name": "value"`, and that in a JSON text within a JSON text (`\"name\":\"value\"`).
 * A token is one if its name says more (`access_token`), or if it is put as `token=…`.
 */
const PAIRS = new RegExp(
  `((${NAME}|(?<=[\\w-])token|token(?==))\\\\{0,4}["']?[ \\t]{0,8}[=:][ \\t]{0,8}(?:(?:bearer|basic|api-?key)[ \\t]{1,8})?)` +
    `(\\\\{1,4}["'](?:[^"'\\\\]|\\\\(?!\\\\{0,3}["'])){0,8192}|"(?:[^"\\\\]|\\\\.){0,8192}"?|` +
    `'(?:[^'\\\\]|\\\\.){0,8192}'?|\\[redacted\\](?![^\\s"',;&)\\]}])|(?!-----BEGIN)[^\\s"',;&)\\]}]+)`,
  'gi',
);
/** Another token, if it looks like one: `token: expired` is a sentence, `"token": " Hel"` a word of a model. */
const TOKEN = /(token\\{0,4}["']?[ \t]{0,8}[=:][ \t]{0,8}\\{0,4}["']?)([A-Za-z0-9._~+/-]{8,}={0,2})/gi;
const SCHEME = /\b((?:bearer|basic|api-?key)\s{1,8})([A-Za-z0-9._~+/=-]{8,})/gi;
const KNOWN_KEYS =
  /\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|xox[abeprs]-[\w-]{10,}|glpat-[\w-]{16,}|AIza[\w-]{30,}|A(?:KIA|SIA)[A-Z0-9]{16}\b)/g;
/** Two or three parts of base64url, the first of which begins as `{"` does. */
const JWT = /(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g;
const USERINFO = /(:\/\/)[^\s/?#"'<>\\]{1,512}@/g;
/**
 * Up to its last line or, where that is missing, to the end of what looks like it, but not into a word that goes on
 * otherwise: that may be a secret which another rule knows by how it begins. `\n` may be written out.
 */
const PEM =
  /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----(?:\s|\\[nr])*(?:Proc-Type:[^\n\\]{0,40}(?:\s|\\[nr]){0,8}DEK-Info:[^\n\\]{0,80})?(?:[A-Za-z0-9+/=\s]|\\[nr]){0,20000}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|(?![\w-]))/g;

/** Words behind "Basic" or "Bearer" in a sentence have neither digits nor capitals within. */
const looksRandom = (value: string): boolean => /\d|[a-z].*[A-Z]|=$/.test(value.slice(0, 256));

/** `next_token=12`, `time_per_token: 0.3s` are counts. */
const COUNT = /^["'\\]*-?[\d.]{1,20}[a-zµ%/]{0,6}["'\\]*$/i;
const EMPTY_VALUE = /^["'\\]*(?:null|none|true|false)?["'\\]*$/i;

function redactPair(all: string, before: string, name: string, value: string): string {
  if (EMPTY_VALUE.test(value) || (name.toLowerCase() === 'token' && COUNT.test(value))) return all;
  const open = /^\\{0,4}["']/.exec(value)?.[0] ?? '';
  // A text within a text ends before its closing quote; one that is not closed is cut.
  const close = open.length === 1 && value.length > 1 && value.endsWith(open) ? open : '';
  return `${before}${open}${REDACTED}${close}`;
}

const redactRandom = (all: string, before: string, value: string): string =>
  looksRandom(value) && !COUNT.test(value) ? before + REDACTED : all;

/** Rules that need no word in front come first: a later one may take that word for the end of what it takes out. */
function redactBuiltIn(text: string): string {
  if (!TRIGGERS.test(text)) return text;
  return text
    .replace(KNOWN_KEYS, REDACTED)
    .replace(JWT, REDACTED)
    .replace(SCHEME, redactRandom)
    .replace(PAIRS, redactPair)
    .replace(AUTHORIZATION, `$1${REDACTED}`)
    .replace(TOKEN, redactRandom)
    .replace(USERINFO, `$1${REDACTED}@`)
    .replace(PEM, REDACTED);
}

/** Takes secrets out of texts and of values by their names. */
export class Redactor {
  readonly #hasBuiltIn: boolean;
  readonly #custom: readonly Regex[];

  /** `custom`: what these match is taken out whole, in this order, after the built-in rules. */
  constructor(options: { readonly builtIn: boolean; readonly custom: readonly Regex[] }) {
    this.#hasBuiltIn = options.builtIn;
    this.#custom = options.custom;
  }

  /** The text with every secret that a rule knows replaced by `[redacted]`. For lines and for bodies. */
  redactText(text: string): string {
    let out = this.#hasBuiltIn ? redactBuiltIn(text) : text;
    for (const regex of this.#custom) out = regex.replaceAll(out, REDACTED);
    return out;
  }

  /** True where a value of this name is secret, whatever it looks like. */
  isSecretName(name: string): boolean {
    return this.#hasBuiltIn && SECRET_NAME.test(name.slice(-64));
  }
}
