// The scorers that weir has itself, by name.
// Invariant: a built-in scorer answers at once, and never throws.
import { describe } from '../../../core/errors.ts';
import type { Scorer, ScorerInput, ScorerResult } from '../scorer.ts';
import { exactMatch, levenshtein } from './exact-match.ts';
import { jsonDiff } from './json-diff.ts';
import { openListContains } from './list-contains.ts';
import { numericDiff } from './numeric-diff.ts';
import type { OpenScore, ScoreFunction } from './score-function.ts';
import { unknownOptions } from './score-options.ts';
import { openContains, openMaxLength, openRegex } from './text-checks.ts';
import { openValidJson } from './valid-json.ts';

const withoutOptions =
  (score: ScoreFunction): OpenScore =>
  (options) => {
    const problems = unknownOptions(options, []);
    return problems.length > 0 ? { problems } : score;
  };

const SCORERS = {
  ExactMatch: withoutOptions(exactMatch),
  Levenshtein: withoutOptions(levenshtein),
  NumericDiff: withoutOptions(numericDiff),
  JSONDiff: withoutOptions(jsonDiff),
  ListContains: openListContains,
  ValidJSON: openValidJson,
  Contains: openContains,
  Regex: openRegex,
  MaxLength: openMaxLength,
} satisfies Readonly<Record<string, OpenScore>>;

export type BuiltInName = keyof typeof SCORERS;
export const BUILT_IN_NAMES = Object.keys(SCORERS) as readonly BuiltInName[];

/** Opens a built-in scorer. Returns problems of its options as sentences. */
export function openBuiltIn(
  name: BuiltInName,
  options: Readonly<Record<string, unknown>>,
): Scorer | { readonly problems: readonly string[] } {
  const opened = SCORERS[name](options);
  return 'problems' in opened ? opened : new BuiltInScorer(name, opened);
}

class BuiltInScorer implements Scorer {
  readonly name: BuiltInName;
  readonly #score: ScoreFunction;

  constructor(name: BuiltInName, score: ScoreFunction) {
    this.name = name;
    this.#score = score;
  }

  score(input: ScorerInput): ScorerResult {
    try {
      const measured = this.#score(input);
      const { name } = this;
      if ('reason' in measured)
        return { kind: 'scored', scores: [{ name, score: null, metadata: { reason: measured.reason } }] };
      return { kind: 'scored', scores: [{ name, ...measured }] };
    } catch (error) {
      return { kind: 'failed', reason: `it failed: ${describe(error)}`, isTemporary: false };
    }
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}
