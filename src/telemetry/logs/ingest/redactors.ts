// The redactors of the log store: which rules apply to lines, to posts, and to the bodies of a path.
// Invariant: all texts are redacted by one mechanism (redact.ts); places differ only in their rules.
import { createHmac } from 'node:crypto';
import { hashKeyIn } from '../masking/hash-key.ts';
import { parseJsonPath } from '../masking/json-path.ts';
import type { PathRule } from '../masking/json-text.ts';
import { Masker, type OnMasked } from '../masking/masker.ts';
import { rulesOf } from '../masking/mask-rules.ts';
import {
  DEFAULT_MASK,
  NO_MASKING,
  type MaskingOptions,
  type MaskPlace,
  type PathAction,
} from '../masking/masking-options.ts';
import { compileRegex } from '../regex.ts';
import { pathPattern } from './capture-policy.ts';
import { Redactor } from './redact.ts';

export interface RedactorsOptions {
  /** Redact secrets with the built-in rules. */
  readonly redactsCommonSecrets: boolean;
  /** Valid RE2 expressions whose matches are redacted too. */
  readonly redactPatterns: readonly string[];
  readonly masking?: MaskingOptions | undefined;
}

/** Digits of a hash, of which equal values have equal ones. */
const HASH_DIGITS = 32;

function ruleOf(path: string, action: PathAction, keyFolder: string): PathRule[] {
  const parsed = parseJsonPath(path);
  if (typeof parsed === 'string') return [];
  let key: Buffer | undefined;
  const hashed = (value: string): string => {
    key ??= hashKeyIn(keyFolder);
    return `hash:${createHmac('sha256', key).update(value).digest('hex').slice(0, HASH_DIGITS)}`;
  };
  return [{ path: parsed, replace: action === 'drop' ? () => '[dropped]' : hashed }];
}

export class Redactors {
  /** Of lines, and of what requests say of themselves. */
  readonly lines: Redactor;
  /** Of posted records, rows and spans. */
  readonly posts: Redactor;
  /** Of the bodies of posted records. */
  readonly postedBodies: Redactor;
  readonly #bodies: Redactor;
  readonly #routes: readonly { readonly matches: (path: string) => boolean; readonly redactor: Redactor }[];

  constructor(options: RedactorsOptions, onMasked?: OnMasked) {
    const { masking = NO_MASKING, redactsCommonSecrets: builtIn, redactPatterns } = options;
    const custom = redactPatterns.map((one) => compileRegex(one)).filter((one) => typeof one !== 'string');
    const plain = { builtIn, custom };
    const paths = masking.paths.flatMap(({ path, action }) => ruleOf(path, action, masking.keyFolder));
    const masked = (words: readonly string[], of: readonly PathRule[] = []): Redactor => {
      const rules = rulesOf(words);
      return new Redactor({
        ...plain,
        masker: rules.size === 0 ? undefined : new Masker(rules, onMasked),
        paths: of,
      });
    };
    const none = new Redactor(plain);
    const at = (place: MaskPlace, of?: readonly PathRule[]): Redactor =>
      masking.places.includes(place) ? masked(masking.rules, of) : none;
    this.lines = at('lines');
    this.posts = at('posts');
    this.postedBodies = at('posts', paths);
    this.#bodies = at('bodies', paths);
    // Without an own list, all paths have the same redactor.
    const hasOwn = masking.routes.some(({ mask }) => !mask.includes(DEFAULT_MASK));
    this.#routes = (hasOwn ? masking.routes : []).map(({ path, mask }) => ({
      matches: pathPattern(path),
      redactor: mask.includes(DEFAULT_MASK) ? this.#bodies : masked(mask, paths),
    }));
  }

  /** True if the redactor of bodies depends on the path of the request. */
  get usesPath(): boolean {
    return this.#routes.length > 0;
  }

  /** The redactor of the captured bodies of a request. `path`: without a query. */
  bodiesOf(path: string): Redactor {
    for (const { matches, redactor } of this.#routes) if (matches(path)) return redactor;
    return this.#bodies;
  }
}
