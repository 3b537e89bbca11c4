// Tests of what a browser takes of the grammar: it needs no Node, and colours any text.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseQuery, piecesOf, QUERY_NAMES } from '../../../../src/telemetry/logs/query/grammar.ts';
import { importsOf, sourceText } from '../../../kit/source.ts';
import { PROBLEMS, QUERIES } from './cases.ts';

const ENTRY = 'telemetry/logs/query/grammar.ts';

/** The files that a bundle of this file contains. */
function bundled(file: string, files = new Set<string>()): Set<string> {
  if (files.has(file)) return files;
  files.add(file);
  for (const { to, isType, isPackage } of importsOf(file)) {
    if (isType) continue;
    expect(isPackage, `${file} imports ${to}`).toBe(false);
    bundled(to, files);
  }
  return files;
}

describe('the grammar in a browser', () => {
  it('loads no library, no module of Node and no global of Node', () => {
    const files = [...bundled(ENTRY)];
    expect(files.length).toBeGreaterThan(5);
    expect(files).not.toContain('telemetry/logs/regex.ts');
    for (const file of files) {
      const code = sourceText(file).replace(/\/\/.*|\/\*[^]*?\*\//g, '');
      expect(code, file).not.toMatch(/\b(?:Buffer|process|require|globalThis|__dirname|setImmediate)\b/);
    }
  });

  it('accepts every regular expression, unless the caller has a check', () => {
    expect(parseQuery('/(/')).toMatchObject({ node: { op: 'regex', pattern: '(' } });
    expect(parseQuery('/(/ a /b/', (pattern) => (pattern === '(' ? 'wrong' : undefined))).toMatchObject({
      problems: [{ problem: 'wrong', at: 0, length: 3 }],
    });
  });

  it('names fields, levels, kinds and causes that the parser knows', () => {
    const valid = [
      ...QUERY_NAMES.levels.map((level) => `level:${level}`),
      ...QUERY_NAMES.kinds.map((kind) => `kind:${kind}`),
      ...QUERY_NAMES.causes.map((cause) => `cause:${cause}`),
      ...QUERY_NAMES.fields.flatMap(({ names }) =>
        names.map((name) => (name === 'includes' ? `${name}:a` : `${name}:*`)),
      ),
    ];
    for (const text of valid) expect(parseQuery(text), text).toMatchObject({ hints: [] });
  });
});

const shown = (text: string) =>
  piecesOf(text)
    .filter(({ kind }) => kind !== 'space')
    .map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);

describe('the pieces of a query', () => {
  it('tell the parts of a condition, words, quotes, expressions and operators', () => {
    expect(shown('level>=warn -"out of" /a b/i (x | y*) OR @a.b:(c OR "d",e) NOT http://x')).toEqual([
      'field level',
      'operator >=',
      'value warn',
      'negation -',
      'quoted "out of"',
      'regex /a b/i',
      'parenthesis (',
      'word x',
      'connective |',
      'word y*',
      'parenthesis )',
      'connective OR',
      'field @a.b',
      'operator :',
      'parenthesis (',
      'value c',
      'separator OR',
      'quoted "d"',
      'separator ,',
      'value e',
      'parenthesis )',
      'negation NOT',
      'word http://x',
    ]);
  });

  it.each([
    ['level:', ['field level', 'operator :']],
    ['level:wa', ['field level', 'operator :', 'value wa']],
    ['x:(a OR', ['field x', 'operator :', 'parenthesis (', 'value a', 'value OR']],
    ['"out of', ['quoted "out of']],
    ['@"a b', ['field @"a b']],
    ['status >= 5', ['word status', 'operator >=', 'word 5']],
    ['/a b', ['word /a', 'word b']],
  ])('are told of the unfinished text %s', (text, expected) => expect(shown(text)).toEqual(expected));

  it('cover every text without gaps and overlaps, with spaces only between terms', () => {
    const part = fc.constantFrom(
      ...'()|-:,@"/\\ *é\n'.split(''),
      ' OR ',
      '>=',
      '!=',
      '🔥',
      'level',
      'x',
      'warn',
      'a.b',
      'NOT',
    );
    const almostQuery = fc.array(part, { maxLength: 16 }).map((parts) => parts.join(''));
    const known = fc.constantFrom(...QUERIES.map(([text]) => text), ...PROBLEMS.map(([text]) => text));
    fc.assert(
      fc.property(fc.oneof(almostQuery, known, fc.string(), fc.string({ unit: 'binary' })), (text) => {
        let end = 0;
        for (const piece of piecesOf(text)) {
          expect(piece.start).toBe(end);
          expect(piece.end).toBeGreaterThan(piece.start);
          ({ end } = piece);
          if (piece.kind === 'space') expect(text.slice(piece.start, end).trim()).toBe('');
        }
        expect(end).toBe(text.length);
      }),
      { numRuns: 5000 },
    );
  });
});
