import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseQuery } from '../../src/telemetry/logs/query/grammar.ts';
import { chosenValues, spotAt, withValue, withValues, written } from '../../page/parts/query-text.ts';

const REPLICA = ['replica'];

describe('what is completed at the caret', () => {
  it('is a field in a word, and its values behind the colon', () => {
    expect(spotAt('lev', 3)).toEqual({ kind: 'field', start: 0, end: 3, typed: 'lev' });
    expect(spotAt('level:', 6)).toMatchObject({ kind: 'value', field: 'level', typed: '', start: 6, end: 6 });
    expect(spotAt('a level>=wa b', 11)).toMatchObject({
      kind: 'value',
      field: 'level',
      typed: 'wa',
      start: 9,
    });
  });

  it('is the value at the caret in a list', () => {
    expect(spotAt('replica:abc,j', 13)).toMatchObject({
      kind: 'value',
      field: 'replica',
      typed: 'j',
      start: 12,
    });
    expect(spotAt('replica:(abc OR j', 17)).toMatchObject({ kind: 'value', field: 'replica', typed: 'j' });
  });

  it('is nothing inside quotes and expressions', () => {
    expect(spotAt('"out of', 7)).toBeUndefined();
    expect(spotAt('/time/', 3)).toBeUndefined();
  });

  it('lies within the text, for every text and caret', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(40), (text, at) => {
        const caret = Math.min(at, text.length);
        const spot = spotAt(text, caret);
        if (spot === undefined) return;
        expect(spot.start).toBeLessThanOrEqual(caret);
        expect(spot.end).toBeLessThanOrEqual(text.length);
      }),
    );
  });
});

describe('conditions that a click sets', () => {
  it('adds a value, changes it, and takes it away', () => {
    const one = withValue('level>=warn "out of memory"', REPLICA, 'jm2q4', false);
    expect(one).toBe('level>=warn "out of memory" replica:jm2q4');
    const other = withValue(one, REPLICA, 'abc12', false);
    expect(other).toBe('level>=warn "out of memory" replica:abc12');
    expect(withValue(other, REPLICA, 'abc12', false)).toBe('level>=warn "out of memory"');
  });

  it('excludes a value, and takes that back', () => {
    const text = withValue('x', REPLICA, 'abc12', true);
    expect(text).toBe('x -replica:abc12');
    expect(withValue(text, REPLICA, 'abc12', true)).toBe('x');
  });

  it('keeps the spaces of a phrase', () => {
    expect(withValues('"a  b" replica:x "c  d"', REPLICA, [], [])).toBe('"a  b" "c  d"');
  });

  it('reads what is chosen, of synonyms too, but not in parentheses', () => {
    expect(chosenValues('rid:a,b -request:c (requestId:d)', ['requestId', 'request', 'rid'])).toEqual({
      only: ['a', 'b'],
      not: ['c'],
    });
  });

  it('puts alternatives in parentheses, so that the condition holds for all', () => {
    expect(withValue('a OR b', REPLICA, 'jm2q4', false)).toBe('(a OR b) replica:jm2q4');
  });

  it('keeps a value letter by letter, whatever it contains', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), (value) => {
        const text = withValues('level:error', ['metadata.tier'], [value], []);
        expect(parseQuery(text)).not.toHaveProperty('problems');
        expect(chosenValues(text, ['metadata.tier']).only).toEqual([value]);
      }),
    );
  });

  it('quotes values with a meaning', () => {
    expect(written('jm2q4')).toBe('jm2q4');
    expect(written('a*')).toBe('"a*"');
    expect(written('say "hi"')).toBe(String.raw`"say \"hi\""`);
  });
});
