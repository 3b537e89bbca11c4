import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { prefilter } from '../../../../src/telemetry/logs/query/prefilter.ts';
import type { Prefilter, QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { mayContain, type WordTest } from '../../../../src/telemetry/logs/query/required-words.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import { searchableText } from '../../../../src/telemetry/logs/query/searchable-text.ts';
import { wordsOf } from '../../../../src/telemetry/logs/query/words.ts';
import { ftsExpression } from '../../../../src/telemetry/logs/store/v1/sql-conditions.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { node, record, recordOf } from './arbitrary.ts';
import { FullText } from './full-text.ts';

/** Checks a text against words with an index as that of the store, and with a set. Both must accept every match. */
function hasWords(text: string, test: WordTest, index: FullText): boolean {
  const words = new Set(wordsOf(text));
  return index.only(text).matches(ftsExpression(test)) && mayContain(test, (word) => words.has(word));
}

/** Checks a record against a prefilter as the SQL of the store does. */
function accepts(record: LogRecord, filter: Prefilter, index: FullText): boolean {
  const isInList = (list: readonly string[] | undefined, value: string) =>
    list === undefined || list.includes(value);
  const isInRange = (range: readonly [number, number] | undefined, value: number) =>
    range === undefined || (value >= range[0] && value <= range[1]);
  return (
    isInList(filter.kinds, record.kind) &&
    isInList(filter.requestIds, record.requestId) &&
    isInList(filter.traceIds, record.traceId) &&
    isInList(filter.deployments, record.deployment) &&
    isInList(filter.environments, record.environment) &&
    isInList(filter.replicas, record.replica) &&
    isInRange(filter.severity, record.severity) &&
    isInRange(filter.status, record.status) &&
    isInRange(filter.durationNs, record.durationNs) &&
    (filter.words === undefined || hasWords(searchableText(record), filter.words, index))
  );
}

function prefilterOf(text: string): Prefilter {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return prefilter(parsed.node);
}

describe('prefilter', () => {
  it('accepts every record that matches the query', () => {
    using index = new FullText();
    let matching = 0;
    let rejected = 0;
    fc.assert(
      fc.property(node, fc.array(record, { minLength: 4, maxLength: 8 }), (node, records) => {
        const matches = compile(node);
        const filter = prefilter(node);
        for (const record of records) {
          const isAccepted = accepts(record, filter, index);
          if (!isAccepted) rejected++;
          if (!matches(record)) continue;
          matching++;
          expect(isAccepted, JSON.stringify({ filter, text: searchableText(record) })).toBe(true);
        }
      }),
      { numRuns: 4000 },
    );
    // Both cases occurred often.
    expect(matching).toBeGreaterThan(1000);
    expect(rejected).toBeGreaterThan(1000);
  });

  it('accepts a record whose own text is searched', () => {
    using index = new FullText();
    let matching = 0;
    fc.assert(
      fc.property(record, fc.nat(), fc.nat(), fc.boolean(), (record, from, length, isPrefix) => {
        const part = record.message.slice(from % 9, (from % 9) + (length % 9));
        const nodes: QueryNode[] = [
          { op: 'substring', text: part },
          { op: 'words', words: [part], isPrefix },
          { op: 'field', name: 'message', compare: '=', value: record.message },
        ];
        for (const node of nodes) {
          if (!compile(node)(record)) continue;
          matching++;
          expect(accepts(record, prefilter(node), index), JSON.stringify([node, record.message])).toBe(true);
        }
      }),
      { numRuns: 4000 },
    );
    expect(matching).toBeGreaterThan(1000);
  });

  it.each<[string, Prefilter]>([
    ['', {}],
    ['requestId:r1 level>=warn', { requestIds: ['r1'], severity: [13, Number.MAX_SAFE_INTEGER] }],
    ['level:warn', { severity: [13, 16] }],
    [
      'env:production,staging -kind:span',
      { environments: ['production', 'staging'], kinds: ['request', 'line', 'event', 'annotation'] },
    ],
    ['status:5xx OR status:404', { status: [404, 599] }],
    ['status:5xx status:404', { kinds: [] }],
    ['(status:5xx status:404) OR replica:a', { replicas: ['a'] }],
    ['-level>=warn', { severity: [0, 12] }],
    ['-(level>=warn OR status>=500)', { severity: [0, 12], status: [0, 499] }],
    ['duration>2s', { durationNs: [2_000_000_001, Number.MAX_SAFE_INTEGER] }],
    ['"out of memory"', { words: { all: [{ word: 'memory' }, { word: 'out' }, { word: 'of' }] } }],
    ['tim* OR Größe', { words: { any: [{ prefix: 'tim' }, { word: 'grosse' }] } }],
    [
      'a (b OR c d) e',
      {
        words: {
          all: [
            { word: 'a' },
            { any: [{ word: 'b' }, { all: [{ word: 'c' }, { word: 'd' }] }] },
            { word: 'e' },
          ],
        },
      },
    ],
    ['timeout OR level:warn', {}],
    ['-timeout', {}],
    ['/timeout/', {}],
    ['user.id:42', {}],
    ['includes:"ut of mem"', { words: { all: [{ word: 'of' }, { prefix: 'mem' }] } }],
    ['includes:超时x', { words: { all: [{ word: '超' }, { word: '时' }] } }],
    ['-*', { kinds: [] }],
  ])('derives the conditions of "%s"', (text, expected) => expect(prefilterOf(text)).toEqual(expected));

  it.each<[string, string, boolean]>([
    ['timeout of r1', 'Timeout r1', true],
    ['timeout of r1', 'timeout r2', false],
    ['timeout', 'tim*', true],
    ['timeout', 'ok OR (timeout r2)', false],
    ['timeout', 'ok OR timeout', true],
  ])('looks up the words of "%s" in a set for "%s": %s', (text, query, expected) => {
    const words = new Set(wordsOf(text));
    expect(mayContain(prefilterOf(query).words!, (word) => words.has(word))).toBe(expected);
  });

  it('writes the words as an FTS5 expression', () => {
    expect(ftsExpression(prefilterOf('a (b OR "c d" OR e*) f').words!)).toBe(
      '"a" AND ("b" OR ("c" AND "d") OR "e"*) AND "f"',
    );
  });

  it('never lets searched text become an FTS5 operator', () => {
    using index = new FullText();
    const hostile = [
      'a" OR "b',
      "a' OR 1",
      'NEAR(a b)',
      'body:a',
      'a AND',
      '^a',
      'a*"',
      '{body}:a',
      '"; DROP TABLE',
    ];
    for (const text of hostile) {
      const fts = ftsExpression(prefilter({ op: 'words', words: [text], isPrefix: false }).words!);
      expect(fts).toMatch(/^"[\p{L}\p{N}]+"(?: AND "[\p{L}\p{N}]+")*$/u);
      expect(index.only(text).matches(fts)).toBe(true);
    }
  });

  it('stays within the limits of FTS5 for the deepest and longest queries', () => {
    using index = new FullText();
    let deep = 'a';
    for (let i = 0; i < 30; i++) deep = `(${deep} b${i} OR c${i} d)`;
    const wide = Array.from({ length: 100 }, (_, i) => `w${i}`);
    for (const text of [deep, wide.join(' OR '), wide.join(' '), `"${'a b c d e '.repeat(20)}"`]) {
      const fts = ftsExpression(prefilterOf(text).words!);
      expect(() => index.only(text).matches(fts)).not.toThrow();
    }
    expect(index.only(wide.join(' ')).matches(ftsExpression(prefilterOf(wide.join(' ')).words!))).toBe(true);
    expect(compile({ op: 'all' })(recordOf())).toBe(true);
  });
});
