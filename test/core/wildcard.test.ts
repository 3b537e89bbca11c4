// Patterns with `*`.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { wildcard } from '../../src/core/wildcard.ts';
import { cpuMs } from '../kit/cpu-time.ts';

it.each([
  ['a', 'a', true],
  ['a', 'ab', false],
  ['a*', 'a', true],
  ['a*', 'ba', false],
  ['*', '', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['*b*', 'abc', true],
  ['a*b*c', 'a-b-c', true],
  ['a*bc*c', 'abc', false],
  ['a.c', 'abc', false],
  ['', '', true],
  ['', 'a', false],
])('wildcard %s fits "%s": %s', (pattern, text, is) => expect(wildcard(pattern)(text)).toBe(is));

it('fits what the regular expression of the pattern fits', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*') });
  fc.assert(
    fc.property(text, text, (pattern, value) => {
      const regex = new RegExp(`^${pattern.replaceAll('*', '[^]*')}$`);
      expect(wildcard(pattern)(value)).toBe(regex.test(value));
    }),
  );
});

it('needs no more than linear time', () => {
  const startedMs = cpuMs();
  expect(wildcard(`${'*a'.repeat(1000)}b`)('a'.repeat(1_000_000))).toBe(false);
  expect(cpuMs() - startedMs).toBeLessThan(1000);
});
