// Bytes to lines, from pieces of any size.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../src/core/line-splitter.ts';

function splitter(maxBytes = 4096) {
  const seen: (readonly [string, boolean])[] = [];
  return { seen, lines: new LineSplitter((line, isCut) => seen.push([line, isCut]), maxBytes) };
}

describe('LineSplitter', () => {
  it('gives the same lines at every split of the bytes', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !/[\n\r\ufeff]/.test(text));
    const end = fc.constantFrom('\n', '\r\n');
    fc.assert(
      fc.property(fc.array(fc.tuple(line, end)), fc.array(fc.nat(10)), (texts, cuts) => {
        const bytes = Buffer.from(texts.map((text) => text.join('')).join(''));
        const { seen, lines } = splitter();
        let at = 0;
        for (const cut of cuts) lines.push(bytes.subarray(at, (at += cut)));
        lines.push(bytes.subarray(at));
        expect(seen).toEqual(texts.map(([text]) => [text, false]));
        expect(lines.rest).toBe('');
      }),
    );
  });

  it('has the unfinished line as its rest, and gives it at the end', () => {
    const { seen, lines } = splitter();
    lines.push(Buffer.from('a\rb'));
    expect(seen).toEqual([['a', false]]);
    expect(lines.rest).toBe('b');
    lines.end();
    expect(seen).toEqual([
      ['a', false],
      ['b', false],
    ]);
  });

  it.each([1, 7, 100, 5000])('cuts a line that is too long, in pieces of %s bytes', (size) => {
    const { seen, lines } = splitter(1000);
    const bytes = Buffer.from(`${'0123456789'.repeat(400)}\nnext\n`);
    for (let at = 0; at < bytes.length; at += size) lines.push(bytes.subarray(at, at + size));
    expect(seen).toEqual([
      ['0123456789'.repeat(20), true],
      ['next', false],
    ]);
  });

  it('keeps the beginning of a line that does not end', () => {
    const { seen, lines } = splitter();
    for (let i = 0; i < 100; i++) lines.push(Buffer.from('x'.repeat(4000)));
    expect(lines.rest).toBe('x'.repeat(200));
    lines.push(Buffer.from('\nnext\n'));
    expect(seen).toEqual([
      ['x'.repeat(200), true],
      ['next', false],
    ]);
  });

  it('gives a line of exactly the longest length whole', () => {
    const { seen, lines } = splitter(5);
    lines.push(Buffer.from('12345\n123456\n'));
    expect(seen).toEqual([
      ['12345', false],
      ['12345', true],
    ]);
  });
});
