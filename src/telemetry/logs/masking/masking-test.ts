// Shows what the rules of masking do to a text, for people who choose rules.
// Invariant: the text is changed as a captured body with this text would be, but nothing is stored or counted.
import { Redactors } from '../ingest/redactors.ts';
import { compileRegex } from '../regex.ts';
import { parseJsonPath } from './json-path.ts';
import { MASK_RULES, MASK_WORDS, rulesOf } from './mask-rules.ts';
import { Masker } from './masker.ts';
import type { MaskingOptions } from './masking-options.ts';

export interface MaskingTest {
  /** What is wrong with the patterns and paths; then nothing was masked. */
  readonly problems: readonly string[];
  /** The text as it would be stored; `null`: it would not be stored. */
  readonly masked: string | null;
  /** What the rules find in the text as it was given. A value in escaped JSON is found only in `masked`. */
  readonly matches: readonly {
    readonly rule: string;
    /** In characters (UTF-16) from the beginning. */
    readonly start: number;
    readonly end: number;
    readonly text: string;
  }[];
  /** Number of values that were masked, by rule. */
  readonly counts: Readonly<Record<string, number>>;
}

/** What is tested. `rules`: words of `logs.mask`; `undefined`: all. */
export interface MaskingTestOptions {
  readonly rules?: readonly string[] | undefined;
  readonly patterns?: readonly string[] | undefined;
  readonly paths?: MaskingOptions['paths'] | undefined;
}

/** The words that are not rules. */
export const unknownRules = (words: readonly string[]): string[] =>
  words.filter((word) => !MASK_WORDS.includes(word));

/** Applies rules to a text. Secrets are redacted too, as `logs.redact` does. */
export function testMasking(
  text: string,
  { rules = MASK_RULES, patterns = [], paths = [] }: MaskingTestOptions = {},
): MaskingTest {
  const counts: Record<string, number> = {};
  const problems = [
    ...patterns.flatMap((pattern) => {
      const compiled = compileRegex(pattern);
      return typeof compiled === 'string' ? [`pattern ${JSON.stringify(pattern)}: ${compiled}`] : [];
    }),
    ...paths.flatMap(({ path }) => {
      const parsed = parseJsonPath(path);
      return typeof parsed === 'string' ? [`path ${JSON.stringify(path)}: ${parsed}`] : [];
    }),
  ];
  if (problems.length > 0) return { problems, masked: null, matches: [], counts };
  const masking: MaskingOptions = { rules, places: ['bodies'], paths, routes: [], keyFolder: '' };
  const redactors = new Redactors(
    { redactsCommonSecrets: true, redactPatterns: patterns, masking },
    (rule, count) => (counts[rule] = (counts[rule] ?? 0) + count),
  );
  const masked = redactors.bodiesOf('').redactBody(text, false) ?? null;
  const matches = new Masker(rulesOf(rules)).find(text).map(({ rule, start, end }) => ({
    rule,
    start,
    end,
    text: text.slice(start, end),
  }));
  return { problems, masked, matches, counts };
}
