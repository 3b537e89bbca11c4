// ListContains: how much of a list is in another one, whatever the order.
// Invariant: each item is in at most one pair, and the pairs are those with the largest sum of scores.
import { bestAssignment } from './assignment.ts';
import { ComparisonWork } from './comparison-work.ts';
import { missingSide, valueSimilarity } from './exact-match.ts';
import { structured } from './json-diff.ts';
import type { OpenScore, ScoreFunction } from './score-function.ts';
import { unknownOptions } from './score-options.ts';

/** The pairing takes time with the third power of it. */
const MAX_ITEMS = 200;
/** Longest item in the metadata of a score, in characters. */
const MAX_SHOWN = 200;

/** `allowExtraEntities`: items of the output that are not expected do not lower the score. */
export const openListContains: OpenScore = (options) => {
  const { allowExtraEntities = false } = options;
  const problems = unknownOptions(options, ['allowExtraEntities']);
  if (typeof allowExtraEntities !== 'boolean') problems.push('allowExtraEntities must be true or false');
  return problems.length > 0 ? { problems } : listContains(allowExtraEntities === true);
};

const listContains =
  (allowsExtra: boolean): ScoreFunction =>
  (span) => {
    const missing = missingSide(span.output, span.expected);
    if (missing !== undefined) return missing;
    const work = new ComparisonWork();
    const [output, expected] = [structured(span.output, work), structured(span.expected, work)];
    if (!work.accepts(output) || !work.accepts(expected)) return { reason: work.problem };
    if (!Array.isArray(output)) return { reason: 'the output is not a list' };
    if (!Array.isArray(expected)) return { reason: 'the expected value is not a list' };
    if (output.length === 0 || expected.length === 0)
      return { score: output.length === expected.length ? 1 : 0 };
    if (Math.max(output.length, expected.length) > MAX_ITEMS)
      return { reason: `one of the lists has more than ${MAX_ITEMS} items` };
    const pairs = pair(output, expected, work);
    if (work.problem !== '') return { reason: work.problem };
    const sum = pairs.reduce((total, { score }) => total + score, 0);
    const score = sum / (allowsExtra ? expected.length : Math.max(output.length, expected.length));
    return output.length === 1 && expected.length === 1 ? { score } : { score, metadata: { pairs } };
  };

interface ItemPair {
  readonly output: string;
  readonly expected: string;
  readonly score: number;
}

/** The pairs in the order of the shorter list. */
function pair(output: readonly unknown[], expected: readonly unknown[], work: ComparisonWork): ItemPair[] {
  const isOutputShorter = output.length <= expected.length;
  const [rows, columns] = isOutputShorter ? [output, expected] : [expected, output];
  const scores = rows.map((row) => columns.map((column) => valueSimilarity(row, column, work)));
  if (work.problem !== '') return [];
  return bestAssignment(scores).map((column, row) => {
    const [a, b] = [shown(rows[row]), shown(columns[column])];
    return {
      output: isOutputShorter ? a : b,
      expected: isOutputShorter ? b : a,
      score: scores[row]![column]!,
    };
  });
}

const shown = (item: unknown): string =>
  (typeof item === 'string' ? item : JSON.stringify(item)).slice(0, MAX_SHOWN);
