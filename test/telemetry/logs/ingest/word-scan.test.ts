// The search for words in bytes, and the marks of lines.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MARK, marksOf } from '../../../../src/telemetry/logs/ingest/line-marks.ts';
import { idsIn } from '../../../../src/telemetry/logs/ingest/parsed-line.ts';
import { SECRET_WORDS } from '../../../../src/telemetry/logs/ingest/secret-triggers.ts';
import { WordScan } from '../../../../src/telemetry/logs/ingest/word-scan.ts';

/** Each word with a bit of its own, in scans of 30 words. */
const SCANS = [SECRET_WORDS.slice(0, 30), SECRET_WORDS.slice(30)].map((words) =>
  words.map(({ word }, i) => ({ word, bits: 1 << i })),
);
const words = SCANS.flat().map(({ word }) => word);
const piece = fc.oneof(
  fc.constantFrom(...words),
  fc.constantFrom(...words).map((word) => word.toUpperCase()),
  fc.constantFrom(...words).map((word) => word.slice(1)),
  fc.constantFrom(...words).map((word) => word.slice(0, -1)),
  fc.string({ maxLength: 5 }),
  fc.string({ unit: 'grapheme', maxLength: 3 }),
);
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));

describe('WordScan', () => {
  it('finds exactly the words that a text contains, in any letter case and at any offset', () => {
    for (const list of SCANS) {
      const scan = new WordScan(list);
      fc.assert(
        fc.property(text, fc.nat(3), (line, offset) => {
          const bytes = Buffer.from(`${'x'.repeat(offset)}${line}tokenbasic`);
          const end = offset + Buffer.byteLength(line);
          // Only letters of ASCII have two cases here.
          const lower = line.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
          const expected = list.reduce((bits, one) => (lower.includes(one.word) ? bits | one.bits : bits), 0);
          expect(scan.bitsIn(bytes, offset, end)).toBe(expected);
        }),
        { numRuns: 1000 },
      );
    }
  });

  it('finds words in a text above 4 KB', () => {
    const scan = new WordScan([{ word: 'needle', bits: 1 }]);
    expect(scan.bitsOf(`${'x'.repeat(10_001)}needle`)).toBe(1);
    expect(scan.bitsOf(`${'x'.repeat(10_001)}needl`)).toBe(0);
  });
});

describe('the marks of a line', () => {
  const id = 'a'.repeat(32);
  it.each([
    `request_id=${id}`,
    `REQUEST-ID: "${id}"`,
    `requestId: ${id}`,
    `trace_id=${id}`,
    `traceId="${id}"`,
    `trace-id: ${id}`,
  ])('tell that "%s" may have an id', (line) => {
    expect(Object.values(idsIn(line))).toContain(id);
    expect(marksOf(line) & MARK.ids).toBe(MARK.ids);
  });

  it.each(['Traceback (most recent call last):', '(Engine pid=1)   File "a.py", line 3, in f'])(
    'tell that "%s" may be of a traceback',
    (line) => expect(marksOf(line) & MARK.traceback).toBe(MARK.traceback),
  );

  it('are none for common lines', () => {
    expect(
      ['INFO 11-20 12:00:00 [core.py:58] 12 tokens in the batch, max_tokens=5', 'loading the model'].map(
        marksOf,
      ),
    ).toEqual([0, 0]);
  });
});
