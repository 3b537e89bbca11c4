import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { prefilter } from '../../../../src/telemetry/logs/query/prefilter.ts';
import type { Prefilter, QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import { searchable } from '../../../../src/telemetry/logs/query/searchable-text.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { node, record, recordOf } from './arbitrary.ts';
import { FullText } from './full-text.ts';

/** What the store does with the bounds, said once more and plainly. */
function keeps(record: LogRecord, bounds: Prefilter, index: FullText): boolean {
  const isOne = (list: readonly string[] | undefined, value: string) =>
    list === undefined || list.includes(value);
  const isIn = (range: readonly [number, number] | undefined, value: number) =>
    range === undefined || (value >= range[0] && value <= range[1]);
  return (
    isOne(bounds.kinds, record.kind) &&
    isOne(bounds.requestIds, record.requestId) &&
    isOne(bounds.traceIds, record.traceId) &&
    isOne(bounds.deployments, record.deployment) &&
    isOne(bounds.environments, record.environment) &&
    isOne(bounds.replicas, record.replica) &&
    isIn(bounds.severity, record.severity) &&
    isIn(bounds.status, record.status) &&
    isIn(bounds.durationNs, record.durationNs) &&
    (bounds.fts === undefined || index.only(searchable(record)).matches(bounds.fts))
  );
}

function bounds(text: string): Prefilter {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return prefilter(parsed.node);
}

describe('the bounds of a question', () => {
  it('are kept by every record that matches', () => {
    using index = new FullText();
    let matching = 0;
    let left = 0;
    fc.assert(
      fc.property(node, fc.array(record, { minLength: 4, maxLength: 8 }), (node, records) => {
        const matches = compile(node);
        const bounds = prefilter(node);
        for (const record of records) {
          const isKept = keeps(record, bounds, index);
          if (!isKept) left++;
          if (!matches(record)) continue;
          matching++;
          expect(isKept, JSON.stringify({ bounds, text: searchable(record) })).toBe(true);
        }
      }),
      { numRuns: 4000 },
    );
    // Neither side is empty: there were records that matched, and some that the bounds left out.
    expect(matching).toBeGreaterThan(1000);
    expect(left).toBeGreaterThan(1000);
  });

  it('are kept by a record whose own words are searched', () => {
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
          expect(keeps(record, prefilter(node), index), JSON.stringify([node, record.message])).toBe(true);
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
      { environments: ['production', 'staging'], kinds: ['request', 'line', 'event'] },
    ],
    ['status:5xx OR status:404', { status: [404, 599] }],
    ['status:5xx status:404', { kinds: [] }],
    ['(status:5xx status:404) OR replica:a', { replicas: ['a'] }],
    ['-level>=warn', { severity: [0, 12] }],
    ['-(level>=warn OR status>=500)', { severity: [0, 12], status: [0, 499] }],
    ['duration>2s', { durationNs: [2_000_000_001, Number.MAX_SAFE_INTEGER] }],
    ['"out of memory"', { fts: '"memory" AND "out" AND "of"' }],
    ['tim* OR Größe', { fts: '("tim"*) OR ("grosse")' }],
    ['timeout OR level:warn', {}],
    ['-timeout', {}],
    ['/timeout/', {}],
    ['user.id:42', {}],
    ['includes:"ut of mem"', { fts: '"of" AND "mem"*' }],
    ['includes:超时x', { fts: '"超" AND "时"' }],
    ['-*', { kinds: [] }],
  ])('%s', (text, expected) => expect(bounds(text)).toEqual(expected));

  it('cannot be made to say something else by what is searched', () => {
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
      const { fts } = prefilter({ op: 'words', words: [text], isPrefix: false });
      expect(fts).toMatch(/^"[\p{L}\p{N}]+"(?: AND "[\p{L}\p{N}]+")*$/u);
      expect(index.only(text).matches(fts!)).toBe(true);
    }
  });

  it('are taken by FTS5 at the greatest depth and number of terms that a query can have', () => {
    using index = new FullText();
    let deep = 'a';
    for (let i = 0; i < 30; i++) deep = `(${deep} b${i} OR c${i} d)`;
    const wide = Array.from({ length: 100 }, (_, i) => `w${i}`);
    for (const text of [deep, wide.join(' OR '), wide.join(' '), `"${'a b c d e '.repeat(20)}"`]) {
      const { fts } = bounds(text);
      expect(() => index.only(text).matches(fts!)).not.toThrow();
    }
    expect(index.only(wide.join(' ')).matches(bounds(wide.join(' ')).fts!)).toBe(true);
    expect(compile({ op: 'all' })(recordOf())).toBe(true);
  });
});
