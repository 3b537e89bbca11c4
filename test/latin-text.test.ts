// The text of the bundle has characters of Latin-1 only, and its source map fits.
import { SourceMap } from 'node:module';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inLatin, movedMappings } from '../scripts/latin-text.ts';

it('means the same in texts and regular expressions', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const literal = inLatin(JSON.stringify(text));
      expect(literal).toMatch(/^[\0-\xff]*$/);
      expect(JSON.parse(literal)).toBe(text);
    }),
  );
  expect(inLatin('/[…😀]é/u')).toBe('/[\\u2026\\ud83d\\ude00]é/u');
});

it('moves the columns behind a character, and no others', () => {
  const code = 'a("…",b);c("😀…",d)\ne("ä",f)';
  // a, b, c, d in the first line and e, f in the second, each in the line of the same number of the source.
  const mappings = 'AAAA,MACA,GACA,QACA;AACA,MACA';
  const map = new SourceMap({
    version: 3,
    file: 'x.js',
    sources: ['x.ts'],
    sourcesContent: [],
    names: [],
    sourceRoot: '',
    mappings: movedMappings(mappings, code),
  });
  const lines = inLatin(code).split('\n');
  const lineOf = (line: number, name: string): number => {
    const entry = map.findEntry(line, lines[line]!.lastIndexOf(name));
    return 'originalLine' in entry ? entry.originalLine : -1;
  };
  expect(['a', 'b', 'd'].map((name) => lineOf(0, name))).toEqual([0, 1, 3]);
  expect(map.findEntry(0, lines[0]!.indexOf('c('))).toMatchObject({ originalLine: 2, generatedColumn: 14 });
  expect([lineOf(1, 'e('), lineOf(1, 'f')]).toEqual([4, 5]);
});
