import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WordTest } from '../../../../src/telemetry/logs/query/required-words.ts';
import { rowCandidates } from '../../../../src/telemetry/logs/query/row-candidates.ts';
import { wordsOf } from '../../../../src/telemetry/logs/query/words.ts';
import { text as anyText } from './arbitrary.ts';

const WORDS = ['time', 'timeout', 'out', 'a', 'of', '5', '50', '超'];
const PIECES = ['time', 'Timeout', 'OUT', 'a', 'of', '5', '50', ' ', ' ', '_', '\n', ''];
const asciiText = fc.array(fc.constantFrom(...PIECES), { maxLength: 6 }).map((pieces) => pieces.join(''));

const wordTest: fc.Arbitrary<WordTest> = fc.letrec<{ test: WordTest }>((tie) => ({
  test: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ word: fc.constantFrom(...WORDS) }),
    fc.record({ prefix: fc.constantFrom('t', 'tim', 'o', '5') }),
    fc.record({ all: fc.array(tie('test'), { maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('test'), { maxLength: 3 }) }),
  ),
})).test;

/** Whether the text passes, decided by its list of words. */
function passes(test: WordTest, words: readonly string[]): boolean {
  if ('word' in test) return words.includes(test.word);
  if ('prefix' in test) return words.some((word) => word.startsWith(test.prefix));
  return 'all' in test
    ? test.all.every((part) => passes(part, words))
    : test.any.some((part) => passes(part, words));
}

function candidates(test: WordTest, rows: readonly string[]): number[] | undefined {
  let end = 0;
  const rowEnds = Uint32Array.from(rows, (row) => (end += row.length));
  const mask = rowCandidates(test, rows.join(''), rowEnds);
  return mask && [...mask];
}

describe('rowCandidates', () => {
  it('never leaves out a row that contains the words', () => {
    let passing = 0;
    let left = 0;
    fc.assert(
      fc.property(
        wordTest,
        fc.oneof(fc.array(asciiText, { maxLength: 8 }), fc.array(anyText, { maxLength: 8 })),
        (test, rows) => {
          const mask = candidates(test, rows);
          if (mask) expect(mask).toHaveLength(rows.length);
          for (const [i, row] of rows.entries()) {
            if (mask?.[i] === 0) left++;
            if (!passes(test, wordsOf(row))) continue;
            passing++;
            expect(mask?.[i] ?? 1).toBe(1);
          }
        },
      ),
      { numRuns: 5000 },
    );
    // Both cases occurred often.
    expect(passing).toBeGreaterThan(1000);
    expect(left).toBeGreaterThan(1000);
  });

  it('finds exactly the rows with one word', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.record({ word: fc.constantFrom(...WORDS) }), fc.record({ prefix: fc.constant('tim') })),
        fc.array(asciiText, { maxLength: 8 }),
        (test, rows) => {
          expect(candidates(test, rows)).toEqual(rows.map((row) => (passes(test, wordsOf(row)) ? 1 : 0)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each<[string, WordTest, string[], number[] | undefined]>([
    ['the longest of the words', { all: [{ word: 'of' }, { word: 'time' }] }, ['of', 'time', 'x'], [0, 1, 0]],
    ['any of the words', { any: [{ word: 'of' }, { word: 'time' }] }, ['of', 'Time', 'x'], [1, 1, 0]],
    ['no word across two rows', { word: 'time' }, ['ti', 'me', 'time'], [0, 0, 1]],
    ['all rows without a required word', { all: [] }, ['of'], undefined],
    ['no row if no word is allowed', { any: [] }, ['of'], [0]],
    ['all rows of a page that is not ASCII', { word: 'of' }, ['x', 'Größe'], undefined],
  ])('gives %s', (_, test, rows, expected) => expect(candidates(test, rows)).toEqual(expected));
});
