// ExactMatch: output and expected are the same text. Levenshtein: how many characters they share.
// Invariant: two different objects never count as equal texts.
import { parsedJson } from '../../../protocol/llm/json-values.ts';
import { complexity, ComparisonWork } from './comparison-work.ts';
import { textSimilarity } from './edit-distance.ts';
import type { MeasuredScore, ScoreFunction } from './score-function.ts';

const isStructure = (value: unknown): value is object => typeof value === 'object' && value !== null;

/**
 * 1 or 0. If one side is an object or list, both are compared as JSON without spaces, so the order of fields counts.
 * Otherwise as text: 1 is "1".
 */
export const exactMatch: ScoreFunction = ({ output, expected }) => {
  const missing = missingSide(output, expected);
  if (missing !== undefined) return missing;
  if (!isStructure(output) && !isStructure(expected))
    return { score: String(output) === String(expected) ? 1 : 0 };
  const sides = [output, expected].map((side) =>
    typeof side === 'string' ? (parsedJson(side) ?? side) : side,
  );
  const reason = sides.map((side) => (isStructure(side) ? complexity(side) : '')).find((one) => one !== '');
  if (reason !== undefined) return { reason };
  const [a, b] = sides.map((side) => (typeof side === 'string' ? side : JSON.stringify(side)));
  return { score: a === b ? 1 : 0 };
};

/** 1 − edit distance / length of the longer text. */
export const levenshtein: ScoreFunction = ({ output, expected }) => {
  const missing = missingSide(output, expected);
  if (missing !== undefined) return missing;
  const work = new ComparisonWork();
  if (!work.accepts(output) || !work.accepts(expected)) return { reason: work.problem };
  const score = valueSimilarity(output, expected, work);
  return work.problem === '' ? { score } : { reason: work.problem };
};

/**
 * How alike two JSON values are as texts. An object or list is its JSON text; but a list of plain values that is compared
 * with a text is joined with commas.
 */
export function valueSimilarity(a: unknown, b: unknown, work: ComparisonWork): number {
  const areBoth = isStructure(a) && isStructure(b);
  return textSimilarity(textOf(a, areBoth), textOf(b, areBoth), work);
}

function textOf(value: unknown, isJson: boolean): string {
  if (!isStructure(value)) return String(value);
  return isJson || !Array.isArray(value) || value.some(isStructure) ? JSON.stringify(value) : value.join(',');
}

/** No score for a span that has no output, or nothing to compare it with. */
export function missingSide(output: unknown, expected: unknown): MeasuredScore | undefined {
  if (output === undefined) return { reason: 'the span has no output' };
  return expected === undefined ? { reason: 'the span has no expected value' } : undefined;
}
