// Splitting of bytes into lines, for pieces of any size.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamLines } from '../../../../src/telemetry/logs/ingest/stream-lines.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) };

interface Cut {
  text: string;
  isCut: boolean;
  bytes: number;
  start: number;
}

function cut(pieces: readonly Uint8Array[], maxBytes = 1000): Cut[] {
  const lines: Cut[] = [];
  const splitter = new StreamLines(maxBytes, (text, isCut, bytes, start) =>
    lines.push({ text, isCut, bytes, start }),
  );
  for (const piece of pieces) {
    const lent = Buffer.from(piece);
    splitter.push(lent);
    lent.fill(0x58); // The caller reuses its bytes.
  }
  splitter.end();
  return lines;
}
const texts = (text: string, maxBytes?: number) =>
  cut([Buffer.from(text)], maxBytes).map((line) => line.text);

/** Bytes with many line ends, carriage returns and pieces of UTF-8. */
const stream = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }).map((s) => Buffer.from(s)) },
      { weight: 3, arbitrary: fc.constantFrom('\n', '\r\n', '\r', '\n\n').map((s) => Buffer.from(s)) },
      fc.uint8Array({ maxLength: 6 }).map((b) => Buffer.from(b)),
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts));
const chunked = fc.tuple(stream, fc.array(fc.nat(200), { maxLength: 12 })).map(([bytes, cuts]) => {
  const offsets = [0, ...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length];
  return { bytes, pieces: offsets.slice(1).map((to, i) => bytes.subarray(offsets[i], to)) };
});

describe('StreamLines', () => {
  it('gives the same lines as splitting at line feeds, for any pieces', () => {
    fc.assert(
      fc.property(chunked, ({ bytes, pieces }) => {
        const text = bytes.toString('latin1').replaceAll(/\r+(?=\n|$)/g, '');
        const lines = text.split('\n');
        if (bytes.length === 0 || bytes.at(-1) === 0x0a) lines.pop();
        const expected = lines.flatMap((line) => {
          const parts = line.split('\r');
          const shown = parts.length > 1 ? [parts[0]!, parts.at(-1)!].filter((part, i) => part || i) : parts;
          return shown.map((part) => {
            const decoded = Buffer.from(part, 'latin1').toString();
            return decoded;
          });
        });
        expect(cut(pieces).map((line) => line.text.replace('\ufeff', ''))).toEqual(
          expected.map((line) => line.replace('\ufeff', '')),
        );
      }),
      runs,
    );
  });

  it('gives the same lines for any pieces if lines are too long', () => {
    fc.assert(
      fc.property(chunked, fc.integer({ min: 1, max: 20 }), ({ bytes, pieces }, maxBytes) => {
        expect(cut(pieces, maxBytes)).toEqual(cut([bytes], maxBytes));
      }),
      runs,
    );
  });

  it('counts every byte, so that a line begins where the previous one ended', () => {
    fc.assert(
      fc.property(chunked, ({ bytes, pieces }) => {
        for (const { start } of cut(pieces, 16)) expect(start === 0 || bytes[start - 1] === 0x0a).toBe(true);
      }),
      runs,
    );
  });

  it('joins a character that was split between two pieces', () => {
    const bytes = Buffer.from('日本語 🙂\n');
    for (let at = 0; at <= bytes.length; at++)
      expect(cut([bytes.subarray(0, at), bytes.subarray(at)])[0]!.text).toBe('日本語 🙂');
  });

  it('replaces invalid UTF-8 by �', () => {
    expect(cut([Uint8Array.of(0x61, 0xff, 0xc3, 0x0a)])[0]!.text).toBe('a\ufffd\ufffd');
  });

  it('removes a byte order mark', () => expect(texts('\ufeff{"a":1}\n')).toEqual(['{"a":1}']));

  it('gives a last line without a line end', () => expect(texts('one\ntwo')).toEqual(['one', 'two']));

  it('treats carriage returns at the end of a line as part of its line end', () =>
    expect(texts('a\r\nb\r\r\nc\r')).toEqual(['a', 'b', 'c']));

  it('keeps the last state of a progress bar', () => {
    expect(texts('\r 10%|#  \r 50%|###\r100%|#####\n')).toEqual(['100%|#####']);
  });

  it('keeps the beginning of a line that is overwritten', () => {
    expect(texts('user=evil\rnothing\rall is well\n')).toEqual(['user=evil', 'all is well']);
  });

  it('keeps the complete last state of a progress bar of megabytes', () => {
    const bar = Array.from({ length: 50_000 }, (_, i) => Buffer.from(`\rstep ${i} of 50000`));
    expect(cut([Buffer.from('loading'), ...bar, Buffer.from('\n')], 4096)).toMatchObject([
      { text: 'loading', isCut: false },
      { text: 'step 49999 of 50000', isCut: false },
    ]);
  });

  it('cuts a line that is too long, reports its length, and continues after it', () => {
    expect(cut([Buffer.from(`${'x'.repeat(50)}\nnext\n`)], 10)).toEqual([
      { text: 'x'.repeat(10), isCut: true, bytes: 50, start: 0 },
      { text: 'next', isCut: false, bytes: 4, start: 51 },
    ]);
    expect(cut([Buffer.from(`${'x'.repeat(10)}\n`)], 10)[0]!.isCut).toBe(false);
  });

  it('cuts between characters', () => {
    expect(texts('aaé\n', 3)).toEqual(['aa']);
    expect(texts('a🙂🙂\n', 8)).toEqual(['a🙂']);
    expect(texts('aé\n', 3)).toEqual(['aé']);
  });

  it('buffers at most one line of the maximum length', () => {
    const lines: number[] = [];
    const splitter = new StreamLines(64 * 1024, (text, _isCut, bytes) => lines.push(text.length, bytes));
    const megabyte = Buffer.alloc(1024 * 1024, 0x61);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 256; i++) splitter.push(megabyte);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    splitter.push(Buffer.from('\n'));
    expect(lines).toEqual([64 * 1024, 256 * 1024 * 1024]);
  });
});
