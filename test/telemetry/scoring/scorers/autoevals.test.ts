// The built-in scorers against results of autoevals 0.3.0, recorded in fixtures/autoevals/vectors.json.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openBuiltIn, type BuiltInName } from '../../../../src/telemetry/scoring/scorers/built-in.ts';
import type { Score } from '../../../../src/telemetry/scoring/scorer.ts';

interface Vector {
  readonly scorer: BuiltInName;
  readonly args: Readonly<Record<string, unknown>>;
  readonly score?: number | 'NaN';
  readonly throws?: string;
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../fixtures/autoevals/vectors.json', import.meta.url), 'utf8'),
) as { cases: readonly Vector[] };

/** Where weir has another result on purpose, by the number of the case. */
const EXCEPTIONS: Readonly<Record<number, { readonly score: number | null; readonly why: string }>> = {
  21: {
    score: 0.8571428571428572,
    why: 'two different objects are compared as JSON, not as "[object Object]"',
  },
  25: { score: null, why: 'autoevals throws without an expected value' },
  35: { score: null, why: 'a text that is not a number has no score, where autoevals answers NaN' },
  37: { score: null, why: 'autoevals throws without an expected value' },
  64: { score: null, why: 'autoevals throws for an output that is not a list' },
};

function scoreOf({ scorer, args: { output, expected, ...options } }: Vector): Score {
  const opened = openBuiltIn(scorer, options);
  if ('problems' in opened) throw new Error(opened.problems.join('; '));
  const result = opened.score({ output, expected }, AbortSignal.timeout(1000));
  if (result instanceof Promise || result.kind !== 'scored') throw new Error('no score at once');
  expect(result.scores).toHaveLength(1);
  return result.scores[0]!;
}

const numbered = cases.map((vector, number) => ({ number, vector }));
const title = ({ scorer, args }: Vector): string => `${scorer} ${JSON.stringify(args)}`;

describe('the built-in scorers', () => {
  it('are compared in 80 cases', () => {
    expect(cases).toHaveLength(80);
  });

  for (const { vector } of numbered.filter(({ number }) => !(number in EXCEPTIONS)))
    it(`score as autoevals does: ${title(vector)}`, () => {
      const { name, score } = scoreOf(vector);
      expect({ name, score }).toEqual({ name: vector.scorer, score: vector.score });
    });

  for (const { number, vector } of numbered.filter(({ number }) => number in EXCEPTIONS))
    it(`differ on purpose: ${title(vector)}: ${EXCEPTIONS[number]!.why}`, () => {
      const { score, metadata } = scoreOf(vector);
      expect(score).toBe(EXCEPTIONS[number]!.score);
      expect(score).not.toBe(vector.score);
      if (score === null) expect(metadata?.['reason']).toMatch(/^the /);
    });
});
