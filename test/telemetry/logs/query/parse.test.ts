import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { format } from './query-text.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import { node as anyNode, PIECES, record } from './arbitrary.ts';
import { HINTS, NO_HINTS, PLACES, PROBLEMS, QUERIES, SUGGESTIONS } from './cases.ts';
import { cpuMs } from '../../../kit/cpu-time.ts';

function nodeOf(text: string): QueryNode {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(`${text}: ${parsed.problem}`);
  return parsed.node;
}

const SYMBOLS = [
  '(',
  ')',
  '|',
  ' OR ',
  ' AND ',
  ' NOT ',
  '-',
  ':',
  '=',
  '!=',
  '>',
  '>=',
  '<',
  ',',
  '@',
  '"',
  '"',
  '/',
  '\\',
  ' ',
];
const KEYS = [
  'level',
  'status',
  'duration',
  'env',
  'message',
  'kind',
  'x',
  'user.id',
  'includes',
  'method',
  'trace',
];
const VALUES = ['warn', '5xx', '500', '2s', '150', 'a*', 'request', '*', '/a.b/', '/x/i', '"a b"'];
const almostQuery = fc
  .array(fc.constantFrom(...SYMBOLS, ...SYMBOLS, ...KEYS, ...VALUES, ...PIECES), { maxLength: 14 })
  .map((pieces) => pieces.join(''));

describe('parseQuery', () => {
  it.each(QUERIES)('parses "%s"', (text, node) => expect(parseQuery(text)).toMatchObject({ node }));

  it.each(PROBLEMS)('rejects "%.60s"', (text, problem, at) =>
    expect(parseQuery(text)).toMatchObject({ problem: expect.stringMatching(problem), at }),
  );

  it.each(HINTS)('accepts "%s" with a hint', (text, hint) =>
    expect(parseQuery(text)).toMatchObject({ hints: [{ text: expect.stringMatching(hint) }] }),
  );

  it.each(NO_HINTS)('accepts "%s" without a hint', (text) =>
    expect(parseQuery(text)).toMatchObject({ hints: [] }),
  );

  it.each(PLACES)('reports each problem of "%s" at its place', (text, expected) => {
    const parsed = parseQuery(text);
    if (!('problem' in parsed)) throw new Error(`${text} is valid`);
    expect(parsed.problems.map(({ problem, at, length }) => [problem.split(/[;:]/)[0], at, length])).toEqual(
      expected,
    );
    expect(parsed).toMatchObject(parsed.problems[0]!);
  });

  it.each(SUGGESTIONS)('suggests a change of "%s" that makes it "%s"', (text, changed) => {
    const parsed = parseQuery(text);
    const [first] = 'problem' in parsed ? parsed.problems : parsed.hints;
    const { at, length, suggestion } = first!;
    expect(text.slice(0, at) + suggestion + text.slice(at + length)).toBe(changed);
    expect(parseQuery(changed)).toMatchObject({ hints: [] });
  });

  it('reports at most 50 problems', () => {
    expect(parseQuery('level:x '.repeat(90))).toMatchObject({ problems: { length: 50 } });
    expect(parseQuery(`${'k'.repeat(200)}:${','.repeat(3000)}`)).toMatchObject({ problems: { length: 50 } });
  });

  it('returns a query that compiles, or an error with a position', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.oneof(almostQuery, fc.string({ unit: 'binary' }), fc.string()), (text) => {
        const parsed = parseQuery(text);
        if ('problem' in parsed) {
          expect(parsed.problem).not.toBe('');
          expect(parsed.at).toBeGreaterThanOrEqual(0);
          expect(parsed.at).toBeLessThanOrEqual(text.length);
          let last = -1;
          for (const { problem, at, length } of parsed.problems) {
            expect(problem).not.toBe('');
            expect(at).toBeGreaterThan(last);
            expect(length).toBeGreaterThanOrEqual(0);
            expect(at + length).toBeLessThanOrEqual(text.length);
            last = at;
          }
        } else {
          accepted++;
          compile(parsed.node);
        }
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  it('takes time linear in the text', () => {
    const long = ['"', '/', '(', '-', '\\', '/\\', 'a:', '@"', 'x:(', '/a ', '-a '].map((text) =>
      text.repeat(4096 / text.length),
    );
    const start = cpuMs();
    for (const text of long) parseQuery(text);
    expect(cpuMs() - start).toBeLessThan(1000);
  });
});

describe('a query written as text', () => {
  const expectSameMatches = (
    node: QueryNode,
    text: string,
    records: Parameters<ReturnType<typeof compile>>[0][],
  ) => {
    const [one, other] = [compile(node), compile(nodeOf(text))];
    for (const record of records) expect(other(record), text).toBe(one(record));
  };
  const records = fc.array(record, { minLength: 5, maxLength: 10 });

  it.each(QUERIES)('is parsed as the same query: "%s"', (text, node) => {
    expect(nodeOf(format(nodeOf(text)))).toEqual(node);
  });

  it('matches the same records', () => {
    fc.assert(
      fc.property(anyNode, records, (node, records) => {
        const text = format(node);
        if (text.length < 4096) expectSameMatches(node, text, records);
      }),
      { numRuns: 3000 },
    );
  });

  it('gives the same text after another round', () => {
    fc.assert(
      fc.property(almostQuery, (text) => {
        const parsed = parseQuery(text);
        fc.pre(!('problem' in parsed));
        const once = format(nodeOf(text));
        expect(format(nodeOf(once))).toBe(once);
      }),
      { numRuns: 3000 },
    );
  });
});
