// The first of many patterns that matches a text.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PatternIndex } from '../../src/core/pattern-index.ts';
import { wildcard } from '../../src/core/wildcard.ts';

const indexOf = (patterns: readonly string[]): PatternIndex<number> => {
  const index = new PatternIndex<number>();
  patterns.forEach((pattern, i) => index.add(pattern, i));
  return index;
};

it('the first pattern that matches is found, whatever it begins with', () => {
  const index = indexOf(['ab*', '*c', 'abc', 'a*', '*']);
  expect(['abc', 'xc', 'ax', 'x', ''].map((text) => index.first(text))).toEqual([0, 1, 3, 4, 4]);
  expect(indexOf(['a']).first('b')).toBeUndefined();
});

it('a pattern whose value is not accepted is passed over', () => {
  expect(indexOf(['a*', 'a', '*']).first('a', (value) => value !== 0)).toBe(1);
});

it('patterns are found as in a search through all of them', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 4 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 5 });
  fc.assert(
    fc.property(fc.array(pattern), text, fc.nat({ max: 3 }), (patterns, of, from) => {
      const found = patterns.findIndex((one, i) => i >= from && wildcard(one)(of));
      expect(indexOf(patterns).first(of, (value) => value >= from) ?? -1).toBe(found);
    }),
  );
});
