// Promises of the built-in scorers for all JSON values, and for values that are large.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Score, ScorerInput } from '../../../../src/telemetry/scoring/scorer.ts';
import { openBuiltIn, type BuiltInName } from '../../../../src/telemetry/scoring/scorers/built-in.ts';

function scoreOf(name: BuiltInName, input: ScorerInput, options: Record<string, unknown> = {}): Score {
  const opened = openBuiltIn(name, options);
  if ('problems' in opened) throw new Error(opened.problems.join('; '));
  const result = opened.score(input, AbortSignal.timeout(60_000));
  if (result instanceof Promise) throw new Error('a built-in scorer answers at once');
  if (result.kind === 'failed') throw new Error(result.reason);
  return result.scores[0]!;
}
const valueOf = (name: BuiltInName, output: unknown, expected?: unknown, options = {}): number | null =>
  scoreOf(name, { output, expected }, options).score;
const reasonOf = (name: BuiltInName, input: ScorerInput, options = {}): unknown => {
  const { score, metadata } = scoreOf(name, input, options);
  expect(score).toBeNull();
  return metadata?.['reason'];
};
const problemsOf = (name: BuiltInName, options: Record<string, unknown>): readonly string[] => {
  const opened = openBuiltIn(name, options);
  return 'problems' in opened ? opened.problems : [];
};

const json = fc.jsonValue({ maxDepth: 4 });
const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);
const COMPARING: readonly BuiltInName[] = [
  'ExactMatch',
  'Levenshtein',
  'NumericDiff',
  'JSONDiff',
  'ListContains',
];

describe('every built-in scorer', () => {
  const options: Partial<Record<BuiltInName, Record<string, unknown>>> = {
    Regex: { pattern: 'a+' },
    MaxLength: { max: 3 },
  };
  for (const name of [...COMPARING, 'ValidJSON', 'Contains', 'Regex', 'MaxLength'] as const)
    it(`scores from 0 to 1, or not at all with a reason: ${name}`, () => {
      fc.assert(
        fc.property(
          fc.option(json, { nil: undefined }),
          fc.option(json, { nil: undefined }),
          (output, expected) => {
            const { score, metadata } = scoreOf(name, { output, expected }, options[name] ?? {});
            if (score === null) expect(metadata?.['reason']).toMatch(/^(the|one of the) /);
            else expect(score >= 0 && score <= 1).toBe(true);
          },
        ),
      );
    });

  it.each(COMPARING)('gives two sides the same score in either order: %s', (name) => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const [one, other] = [valueOf(name, a, b), valueOf(name, b, a)];
        if (one === null || other === null) expect(other).toBe(one);
        // The terms of a sum are in another order.
        else expect(other).toBeCloseTo(one, 12);
      }),
    );
  });

  it.each(['ExactMatch', 'Levenshtein', 'JSONDiff'] as const)('gives equal values 1: %s', (name) => {
    fc.assert(
      fc.property(json, (value) => {
        expect(valueOf(name, value, structuredClone(value))).toBe(1);
      }),
    );
  });

  it.each(COMPARING)('does not fail for values that are nested deeply: %s', (name) => {
    const deep = nested(100_000);
    const { score, metadata } = scoreOf(name, { output: deep, expected: deep });
    if (score === null) expect(metadata?.['reason']).toMatch(/nested more than 100 levels|not a number/);
    expect(scoreOf(name, { output: `${'['.repeat(1e5)}${']'.repeat(1e5)}`, expected: 'x' }).score).not.toBe(
      1,
    );
  });

  it('names an option that it does not have', () => {
    expect(problemsOf('ListContains', { allowExtraEntity: true })).toEqual([
      'unknown option "allowExtraEntity"; did you mean "allowExtraEntities"?',
    ]);
    expect(problemsOf('ExactMatch', { strict: true })).toEqual([
      'unknown option "strict"; there are no options here',
    ]);
  });
});

describe('Levenshtein', () => {
  it('tells two different objects apart, also inside lists', () => {
    expect(valueOf('Levenshtein', { a: 1 }, { a: 2 })).toBeCloseTo(6 / 7, 12);
    expect(valueOf('Levenshtein', [{ a: 1 }], [{ a: 2 }])).toBeLessThan(1);
    expect(valueOf('Levenshtein', ['a,b'], ['a', 'b'])).toBeLessThan(1);
  });

  it('compares long texts that differ little, whatever their length', () => {
    const long = 'lorem ipsum '.repeat(100_000);
    expect(valueOf('Levenshtein', `${long}a${long}`, `${long}b${long}`)).toBeCloseTo(1, 6);
  });

  it('compares texts of 4,096 characters that have nothing in common, but no longer ones', () => {
    expect(valueOf('Levenshtein', 'ab'.repeat(2048), 'cd'.repeat(2048))).toBe(0);
    expect(valueOf('Levenshtein', 'ab'.repeat(2000), 'ba'.repeat(1900))).toBeGreaterThan(0.9);
    const [a, b] = ['ab'.repeat(20_000), 'cd'.repeat(20_000)];
    expect(reasonOf('Levenshtein', { output: a, expected: b })).toBe(
      'the values are too long to be compared',
    );
  });
});

describe('NumericDiff', () => {
  it('scores the largest numbers', () => {
    expect(valueOf('NumericDiff', Number.MAX_VALUE, -Number.MAX_VALUE)).toBe(0);
    expect(valueOf('NumericDiff', Number.MAX_VALUE, Number.MAX_VALUE / 2)).toBeCloseTo(2 / 3, 12);
    expect(valueOf('NumericDiff', '1e999', 5)).toBe(0);
  });

  it('gives no score for what is not a number', () => {
    expect(reasonOf('NumericDiff', { output: '  ', expected: 1 })).toBe('the output is not a number');
    expect(reasonOf('NumericDiff', { output: 1, expected: {} })).toBe('the expected value is not a number');
  });
});

describe('JSONDiff', () => {
  it('compares texts that hold JSON as JSON, at any depth', () => {
    expect(valueOf('JSONDiff', { a: '{"b": [1, 2]}' }, { a: { b: [1, 2] } })).toBe(1);
  });

  it('knows only fields that the objects have themselves', () => {
    expect(valueOf('JSONDiff', JSON.parse('{"__proto__": 1}'), {})).toBe(0);
    expect(valueOf('JSONDiff', { toString: null }, {})).toBe(1);
  });

  it('gives no score to values of more parts than it walks', () => {
    const many = Array.from({ length: 100_001 }, () => 1);
    expect(reasonOf('JSONDiff', { output: many, expected: many })).toBe(
      'the value has more than 100000 values in it',
    );
    const texts = (letter: string) => Array.from({ length: 50 }, () => letter.repeat(1000));
    expect(reasonOf('JSONDiff', { output: texts('a'), expected: texts('b') })).toBe(
      'the values are too long to be compared',
    );
  });
});

describe('ListContains', () => {
  it('says which items it paired', () => {
    const { score, metadata } = scoreOf('ListContains', { output: ['b', 'a'], expected: ['a'] });
    expect(score).toBe(0.5);
    expect(metadata).toEqual({ pairs: [{ output: 'a', expected: 'a', score: 1 }] });
  });

  it('takes lists that are written as text', () => {
    expect(valueOf('ListContains', '["a", "b"]', ['b', 'a'])).toBe(1);
  });

  it('gives no score to lists that are too long to be paired', () => {
    const items = (length: number) => Array.from({ length }, (_, i) => `item ${i}`);
    expect(valueOf('ListContains', items(200), items(200).reverse())).toBe(1);
    expect(reasonOf('ListContains', { output: items(201), expected: items(3) })).toBe(
      'one of the lists has more than 200 items',
    );
  });
});

describe('Contains, Regex and MaxLength', () => {
  it('check the output without an expected value', () => {
    expect(valueOf('Contains', 'hello world', undefined, { text: 'wor' })).toBe(1);
    expect(valueOf('Contains', 'hello world', 'word')).toBe(0);
    expect(valueOf('Contains', { a: 'x' }, undefined, { text: '"a":"x"' })).toBe(1);
    expect(valueOf('Regex', 'order 66', undefined, { pattern: '\\d{2}$' })).toBe(1);
    expect(valueOf('Regex', 'order', undefined, { pattern: '\\d' })).toBe(0);
    expect(valueOf('MaxLength', 'four', undefined, { max: 4 })).toBe(1);
    expect(valueOf('MaxLength', 'fiver', undefined, { max: 4 })).toBe(0);
  });

  it('refuse options that cannot be used', () => {
    expect(problemsOf('Contains', { text: 5 })).toEqual(['text must be a text']);
    expect(problemsOf('Regex', {})).toEqual(['pattern: must be a regular expression']);
    expect(problemsOf('Regex', { pattern: '(' })[0]).toMatch(/^pattern: invalid regular expression/);
    expect(problemsOf('MaxLength', { max: -1 })).toEqual(['max must be a number of characters']);
  });

  it('give no score without what they need', () => {
    expect(reasonOf('Contains', { output: 'x' })).toBe('the expected value is not a text');
    expect(reasonOf('MaxLength', {}, { max: 1 })).toBe('the span has no output');
    expect(reasonOf('Regex', { output: 'a'.repeat(65_537) }, { pattern: 'b' })).toMatch(/more than 65536/);
  });
});
