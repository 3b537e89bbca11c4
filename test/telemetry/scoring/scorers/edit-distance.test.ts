// The edit distance in bits against the table of the textbook, and the pairing against all possible ones.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestAssignment } from '../../../../src/telemetry/scoring/scorers/assignment.ts';
import { ComparisonWork } from '../../../../src/telemetry/scoring/scorers/comparison-work.ts';
import { textSimilarity } from '../../../../src/telemetry/scoring/scorers/edit-distance.ts';

/** Wagner and Fischer, 1974. */
function tableDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** The largest sum of all ways to give each row a column of its own. */
function bestSum(scores: readonly (readonly number[])[], row = 0, used = 0): number {
  if (row === scores.length) return 0;
  let best = 0;
  scores[row]!.forEach((score, column) => {
    if ((used & (1 << column)) === 0)
      best = Math.max(best, score + bestSum(scores, row + 1, used | (1 << column)));
  });
  return best;
}

describe('the similarity of texts', () => {
  // Few different characters, so that the texts have much in common; 130 characters are five blocks of 32.
  const unit = fc.constantFrom('a', 'b', 'c', '\uFFFF', '\u0000');
  const text = fc.string({ unit, maxLength: 130 });

  it('is that of the textbook for all texts', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const longer = Math.max(a.length, b.length);
        const wanted = longer === 0 ? 1 : 1 - tableDistance(a, b) / longer;
        expect(textSimilarity(a, b, new ComparisonWork())).toBe(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it('is that of the textbook for texts with few changes', () => {
    fc.assert(
      fc.property(text, fc.nat(129), text, (a, at, inserted) => {
        const b = a.slice(0, at) + inserted.slice(0, 3) + a.slice(at + 2);
        if (a === b) return;
        const wanted = 1 - tableDistance(a, b) / Math.max(a.length, b.length);
        expect(textSimilarity(a, b, new ComparisonWork())).toBe(wanted);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the pairing of two lists', () => {
  it('has the largest sum of all pairings', () => {
    const score = fc.integer({ min: 0, max: 8 }).map((eighths) => eighths / 8);
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 2 }))
      .chain(([rows, more]) =>
        fc.array(fc.array(score, { minLength: rows + more, maxLength: rows + more }), {
          minLength: rows,
          maxLength: rows,
        }),
      );
    fc.assert(
      fc.property(matrix, (scores) => {
        const columns = bestAssignment(scores);
        expect(new Set(columns).size).toBe(scores.length);
        const sum = columns.reduce((total, column, row) => total + scores[row]![column]!, 0);
        expect(sum).toBe(bestSum(scores));
      }),
    );
  });
});
