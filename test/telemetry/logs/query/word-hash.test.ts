import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOfWord, wordHashes } from '../../../../src/telemetry/logs/query/word-hash.ts';
import { wordsOf } from '../../../../src/telemetry/logs/query/words.ts';
import { text as pieces } from './arbitrary.ts';

const anyText = fc.oneof(pieces, fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string());
/** Lines in which words that are ASCII stand around others. */
const line = fc.array(anyText, { maxLength: 5 }).map((parts) => parts.join(' '));

function hashesOf(text: string): number[] {
  const hashes: number[] = [];
  wordHashes(text, (hash) => hashes.push(hash));
  return hashes;
}

describe('wordHashes', () => {
  it('hashes exactly the words of a text', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, line), (text) => {
        expect(hashesOf(text)).toEqual(wordsOf(text).map(hashOfWord));
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    ['', []],
    [' -- ', []],
    ['POST /predict 200', ['post', 'predict', '200']],
    ['a_b-c', ['a', 'b', 'c']],
    ['model Größe ok', ['model', 'grosse', 'ok']],
    ['xGröße', ['xgrosse']],
    ['x显存', ['x', '显', '存']],
  ])('hashes the words of "%s"', (text, words) => expect(hashesOf(text)).toEqual(words.map(hashOfWord)));

  // Filters that are stored contain these, so a change makes searches miss records.
  it('keeps the hashes of known words', () => {
    expect(['timeout', '200', 'grosse', '超'].map(hashOfWord)).toEqual([
      2475762824, 2026684825, 3091952657, 1316299434,
    ]);
  });

  it('spreads short words over all 32 bits', () => {
    const hashes = Array.from({ length: 100_000 }, (_, i) => hashOfWord(String(i)));
    expect(new Set(hashes).size).toBeGreaterThan(99_990);
    for (let bit = 0; bit < 32; bit++) {
      const ones = hashes.filter((hash) => ((hash >>> bit) & 1) === 1).length;
      expect(Math.abs(ones - 50_000)).toBeLessThan(1000);
    }
  });
});
