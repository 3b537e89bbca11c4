// NumericDiff: how near two numbers are, relative to their size.
// Invariant: the score is from 0 to 1 for all finite numbers, and there is none without two numbers.
import { missingSide } from './exact-match.ts';
import type { ScoreFunction } from './score-function.ts';

/** 1 − |expected − output| / (|expected| + |output|). Texts that are numbers count as numbers, null as 0. */
export const numericDiff: ScoreFunction = ({ output, expected }) => {
  const missing = missingSide(output, expected);
  if (missing !== undefined) return missing;
  const [a, b] = [numberOf(output), numberOf(expected)];
  if (Number.isNaN(a)) return { reason: 'the output is not a number' };
  if (Number.isNaN(b)) return { reason: 'the expected value is not a number' };
  return { score: numberSimilarity(a, b) };
};

/** `a`, `b`: not NaN. */
export function numberSimilarity(a: number, b: number): number {
  if (a === b) return 1;
  const sum = Math.abs(a) + Math.abs(b);
  // The halves have a sum that is not infinite, unless one of them is.
  if (sum === Infinity)
    return Math.max(Math.abs(a), Math.abs(b)) === Infinity ? 0 : numberSimilarity(a / 2, b / 2);
  return 1 - Math.abs(b - a) / sum;
}

function numberOf(value: unknown): number {
  if (typeof value === 'object') return value === null ? 0 : NaN;
  return typeof value === 'string' && value.trim() === '' ? NaN : Number(value);
}
