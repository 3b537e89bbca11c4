// Regular expressions of users: RE2 syntax, matched in linear time.
import { describe, expect, it } from 'vitest';
import { compileRegex, type Regex } from '../../../src/telemetry/logs/regex.ts';

const compiled = (pattern: string): Regex => {
  const regex = compileRegex(pattern);
  if (typeof regex === 'string') throw new Error(regex);
  return regex;
};

describe('compileRegex', () => {
  it('finds matches anywhere, and replaces all of them by literal text', () => {
    const regex = compiled(String.raw`b+`);
    expect(regex.test('aabb')).toBe(true);
    expect(regex.test('aa')).toBe(false);
    expect(regex.replaceAll('abbab', '$1$&')).toBe('a$1$&a$1$&');
  });

  it('replaces nothing for empty matches, and matches beside each other once', () => {
    expect(compiled('x*').replaceAll('abc', 'X')).toBe('abc');
    expect(compiled('.').replaceAll('abc', 'X')).toBe('X');
    expect(compiled('[ab]').replaceAll('aabcab', 'X')).toBe('XcX');
  });

  it.each([
    ['(a', /^invalid regular expression: .*missing closing/],
    [String.raw`(a)\1`, /^invalid regular expression: /],
    ['a(?=b)', /^invalid regular expression: /],
    ['a'.repeat(1001), /^regular expression too long: 1001 characters, the maximum is 1000$/],
  ])('rejects %s', (pattern, problem) => expect(compileRegex(pattern)).toMatch(problem));

  it('matches in linear time where other engines take exponential time', () => {
    const regex = compiled('(a+)+$');
    expect(regex.test(`${'a'.repeat(100_000)}b`)).toBe(false);
  });
});
