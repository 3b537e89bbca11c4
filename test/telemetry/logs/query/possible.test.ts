import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attributesOf, type LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import {
  possible,
  type Knowledge,
  type Known,
  type Verdict,
} from '../../../../src/telemetry/logs/query/possible.ts';
import { searchableText } from '../../../../src/telemetry/logs/query/searchable-text.ts';
import { node, record } from './arbitrary.ts';

/** 0: nothing is known; 1: a set with further values; 2: a range if there are only numbers; others: the exact set. */
type Precision = (name: string) => number;
const EXACT: Precision = () => 3;
const FURTHER = [0, '', undefined, null, 404, 'foo', ['5'], { id: 5 }];

function knownOf(values: readonly unknown[], precision: number): Known | undefined {
  if (precision === 0) return undefined;
  if (precision === 1) return { values: [...values, FURTHER[values.length % FURTHER.length]] };
  const present = values.filter((value) => value !== undefined);
  if (precision === 2 && present.every((value) => typeof value === 'number'))
    return {
      min: Math.min(...present),
      max: Math.max(...present),
      mayBeMissing: present.length < values.length,
    };
  return { values: [...new Set(values)] };
}

/** What a directory with this precision knows about the records. */
function knowledgeOf(records: readonly LogRecord[], precision: Precision): Knowledge {
  const attributes = records.map(attributesOf);
  const common = (name: string, texts: readonly string[]) =>
    precision(name) > 0 && new Set(texts).size === 1 ? texts[0] : undefined;
  return {
    column: (name) =>
      knownOf(
        records.map((record) => record[name as keyof LogRecord]),
        precision(name),
      ),
    attribute: (name) =>
      knownOf(
        // The attributes can be a list, which has no names.
        attributes.map((of) => (!Array.isArray(of) && Object.hasOwn(of, name) ? of[name] : undefined)),
        precision(`@${name}`),
      ),
    message: common(
      'message',
      records.map((record) => record.message),
    ),
    text: common(
      'text',
      records.map((record) => searchableText(record)),
    ),
  };
}

const precision: fc.Arbitrary<Precision> = fc.func(fc.nat(5));

function verdictOf(query: string, known: Partial<Knowledge>): Verdict {
  const parsed = parseQuery(query);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return possible(parsed.node)({ column: () => undefined, attribute: () => undefined, ...known });
}

const values = (...values: unknown[]): Known => ({ values });
const range = (min: number, max: number, mayBeMissing = false): Known => ({ min, max, mayBeMissing });
const attributes = (of: Readonly<Record<string, Known>>): Partial<Knowledge> => ({
  attribute: (name) => (name in of ? of[name] : values(undefined)),
});
const column = (name: string, of: Known): Partial<Knowledge> => ({
  column: (asked) => (asked === name ? of : undefined),
});

describe('possible', () => {
  it('says none or all only if this is true of the records, whatever is known about them', () => {
    const counts = { none: 0, some: 0, all: 0 };
    fc.assert(
      fc.property(
        node,
        fc.array(record, { minLength: 1, maxLength: 4 }),
        precision,
        (node, records, precision) => {
          const verdict = possible(node)(knowledgeOf(records, precision));
          counts[verdict]++;
          const matching = records.filter(compile(node)).length;
          if (verdict === 'none') expect(matching).toBe(0);
          if (verdict === 'all') expect(matching).toBe(records.length);
        },
      ),
      { numRuns: 6000 },
    );
    // All verdicts occurred often.
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(1000);
  });

  it('agrees with the matching of a record of which everything is known', () => {
    const counts = { none: 0, some: 0, all: 0 };
    fc.assert(
      fc.property(
        node,
        record,
        fc.constantFrom(EXACT, () => 2),
        (node, record, precision) => {
          const verdict = possible(node)(knowledgeOf([record], precision));
          counts[verdict]++;
          expect(verdict).toBe(compile(node)(record) ? 'all' : 'none');
        },
      ),
      { numRuns: 6000 },
    );
    expect(Math.min(counts.none, counts.all)).toBeGreaterThan(1000);
  });

  it('gives the same verdicts for groups in any order', () => {
    fc.assert(
      fc.property(node, record, record, (node, one, other) => {
        const evaluate = possible(node);
        const [a, b] = [knowledgeOf([one], EXACT), knowledgeOf([other], EXACT)];
        const [first, second] = [evaluate(a), evaluate(b)];
        expect([evaluate(b), evaluate(a)]).toEqual([second, first]);
      }),
    );
  });

  it.each<[string, Known, Verdict]>([
    ['status:404', values(200, 404), 'some'],
    ['status:404', values(200, 500), 'none'],
    ['status:404', values(404), 'all'],
    ['-status:404', values(404), 'none'],
    ['status:2xx', values(200, 204), 'all'],
    ['status<500', values(0), 'none'],
    ['status>=500', range(200, 404), 'none'],
    ['status>=500', range(500, 599), 'all'],
    ['status>=500', range(500, 599, true), 'some'],
    ['status>=500', range(200, 500), 'some'],
    ['status<500', range(0, 404), 'some'],
    ['status>=500', range(0, 404), 'none'],
    ['status:404', range(404, 404), 'all'],
    ['status:404', range(200, 500), 'some'],
    ['status:404', range(405, 500), 'none'],
    ['status:*', range(200, 500), 'all'],
    ['status:*', range(0, 0), 'none'],
    ['status:*', range(200, 500, true), 'some'],
  ])('decides "%s" for a column with %o: %s', (query, known, verdict) =>
    expect(verdictOf(query, column('status', known))).toBe(verdict),
  );

  it.each<[string, Readonly<Record<string, Known>>, Verdict]>([
    ['a.b:1', {}, 'none'],
    ['a.b:1', { 'a.b': values('1') }, 'all'],
    ['a.b:1', { a: values({ b: 1 }) }, 'all'],
    ['a.b:1', { a: values({ b: 2 }), 'a.b': values('1') }, 'all'],
    ['a.b:1', { a: values({ b: 2 }), 'a.b': values('1', undefined) }, 'some'],
    ['a.b:1', { a: values({ b: 1 }), 'a.b': values('1', undefined) }, 'all'],
    ['a.b.c:1', { 'a.b': values({ c: 1 }), a: values({ b: {} }) }, 'all'],
    ['a.b.c:1', { 'a.b': values({ c: 1 }), a: values({ b: { c: 2 } }) }, 'none'],
    ['a.b:*', { a: range(1, 5) }, 'none'],
    ['a>3', { a: range(4, 5) }, 'all'],
    ['a<3', { a: range(0, 5) }, 'some'],
    ['a<3', { a: range(-1, 0) }, 'all'],
    ['a:x', { a: values(['x', 'y']) }, 'all'],
    ['@status:x', { status: values('x') }, 'all'],
  ])('decides "%s" for the attributes %o: %s', (query, known, verdict) =>
    expect(verdictOf(query, attributes(known))).toBe(verdict),
  );

  it('decides words by the text, and by a message that contains them', () => {
    expect(verdictOf('timeout', { text: 'Timeout of r1' })).toBe('all');
    expect(verdictOf('timeout', { text: 'ok' })).toBe('none');
    expect(verdictOf('timeout', { message: 'Timeout of r1' })).toBe('all');
    expect(verdictOf('timeout', { message: 'ok' })).toBe('some');
    expect(verdictOf('/time.ut/', { message: 'timeout' })).toBe('all');
    expect(verdictOf('/time.ut/', { text: 'timeout' })).toBe('some');
  });

  it('keeps a part that is unknown from hiding one that decides', () => {
    expect(verdictOf('timeout status:404', column('status', values(200)))).toBe('none');
    expect(verdictOf('timeout OR status:404', column('status', values(404)))).toBe('all');
    expect(verdictOf('timeout status:404', column('status', values(404)))).toBe('some');
    expect(verdictOf('timeout OR status:404', column('status', values(200)))).toBe('some');
  });

  it('rejects an invalid regular expression like the matching of records', () => {
    expect(() => possible({ op: 'regex', pattern: '(' })).toThrow(TypeError);
    expect(() => compile({ op: 'regex', pattern: '(' })).toThrow(TypeError);
  });
});
