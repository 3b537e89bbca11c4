import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonSkimmer } from '../../../src/protocol/llm/json-skimmer.ts';
import { TAKE, type SkimNode } from '../../../src/protocol/llm/skim-node.ts';
import {
  json,
  listenerOf,
  MAX_TEXT,
  noise,
  object,
  ROOT,
  written,
  type Json,
  type Report,
} from '../../kit/skim-documents.ts';

const isCutRaw = ([kind, , value]: Report): boolean => kind === 'raw' && value === 'cut';
const cutText = (text: string): string => (text.length < MAX_TEXT ? text : 'cut');

/** What a skimmer reports of the bytes, in pieces that end at `cuts`. */
function reported(bytes: Buffer, cuts: readonly number[], root: SkimNode = ROOT): Report[] | 'broken' {
  const reports: Report[] = [];
  const skimmer = new JsonSkimmer(listenerOf(reports));
  skimmer.begin(root);
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    // Another buffer each time, with quotes around the piece.
    const piece = Buffer.alloc(to - from + 2, '"');
    bytes.copy(piece, 1, from, to);
    skimmer.push(piece, 1, 1 + to - from);
    piece.fill('x');
    from = to;
  }
  return skimmer.isWhole ? reports : 'broken';
}

/** What is to be reported of a value, by a walk over it. */
function walk(value: Json, { take, slot, keys, item }: SkimNode, reports: Report[] = []): Report[] {
  const takes = (kind: number): boolean => (take & kind) !== 0;
  if (value === null) return reports;
  if (takes(TAKE.raw)) {
    reports.push(['raw', slot, value]);
    return reports;
  }
  const isEntered = Array.isArray(value)
    ? item !== undefined
    : typeof value === 'object' && keys !== undefined;
  if (isEntered) {
    if (takes(TAKE.bounds)) reports.push(['begins', slot]);
    if (Array.isArray(value)) for (const one of value) walk(one, item!, reports);
    else
      for (const [name, member] of Object.entries(value)) {
        const bytes = Buffer.from(name);
        const key = keys?.[bytes.length]?.find((one) => bytes.equals(one.name));
        if (key) walk(member, key.node, reports);
      }
    if (takes(TAKE.bounds)) reports.push(['ends', slot]);
    return reports;
  }
  const size =
    typeof value === 'string' ? value.length : typeof value === 'object' ? Object.keys(value).length : 0;
  if (takes(TAKE.filled) && size > 0) reports.push(['filled', slot]);
  if (takes(TAKE.text) && typeof value === 'string') reports.push(['text', slot, cutText(value)]);
  if (takes(TAKE.number) && Number.isSafeInteger(value) && (value as number) >= 0)
    reports.push(['number', slot, value]);
  if (takes(TAKE.flag) && typeof value === 'boolean') reports.push(['flag', slot, value]);
  return reports;
}

const cutsOf = (length: number, parts: readonly number[]): number[] =>
  parts.map((part) => Math.floor(part * length)).sort((a, b) => a - b);
const parts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

describe('a JSON skimmer', () => {
  it('reports the wanted values of any document, at any split', () => {
    let reports = 0;
    fc.assert(
      fc.property(object(json), noise, parts, (value, writing, split) => {
        const bytes = Buffer.from(written(value, writing));
        const expected = walk(JSON.parse(bytes.toString()) as Json, ROOT);
        reports += expected.length;
        const found = reported(bytes, cutsOf(bytes.length, split));
        expect(found).toHaveLength(expected.length);
        // How long a raw value is depends on how it is written.
        const isLong = (i: number): boolean => bytes.length > MAX_TEXT && isCutRaw(found[i] as Report);
        expect(found).toEqual(expected.map((one, i) => (isLong(i) ? found[i] : one)));
      }),
      { numRuns: 3000 },
    );
    expect(reports).toBeGreaterThan(2000);
  });

  it('reports the same at every split, also of texts that are not JSON', () => {
    let broken = 0;
    fc.assert(
      fc.property(
        object(json),
        noise,
        fc.array(
          fc.tuple(
            fc.double({ min: 0, max: 0.999, noNaN: true }),
            fc.constantFrom(...'"\\{}[],:0 tu'.split('')),
          ),
          {
            maxLength: 3,
          },
        ),
        parts,
        (value, writing, changes, split) => {
          const bytes = Buffer.from(written(value, writing));
          for (const [part, byte] of changes) bytes[Math.floor(part * bytes.length)] = byte.charCodeAt(0);
          const whole = safely(() => reported(bytes, []));
          if (whole === 'broken') broken++;
          expect(safely(() => reported(bytes, cutsOf(bytes.length, split)))).toEqual(whole);
        },
      ),
      { numRuns: 2000 },
    );
    expect(broken).toBeGreaterThan(200);
  });

  it.each([
    '{',
    '{"num"',
    '{"num":',
    '{"num":1',
    '{"num":1,',
    '{"txt":"a',
    '{"txt":"a\\"}',
    '{"list":[',
    '{"x":[{]}',
    '1',
    '',
  ])('does not take %s for a whole object', (text) => expect(reported(Buffer.from(text), [])).toBe('broken'));

  it.each([
    '{"num":1,}',
    '{,"num":1}',
    '{"num" 1}',
    '{"num"::1}',
    '{num:1}',
    '{"list":[,]}',
    '{"list":[1,]}',
    '{"num":1}}',
    '{"num":1}]',
    '{"num":01x}{',
  ])('does not take %s for JSON', (text) => expect(reported(Buffer.from(text), [])).toBe('broken'));

  it('reports a text of exactly 4,096 bytes and the beginning of longer ones', () => {
    for (const length of [4095, 4096, 4097, 9000])
      for (const cuts of [[], [10], [4000, 4101], [4102]]) {
        const bytes = Buffer.from(`{"txt":"${'x'.repeat(length)}","num":1}`);
        const inside = cuts.filter((cut) => cut < bytes.length);
        const text = length < MAX_TEXT ? 'x'.repeat(length) : 'cut';
        expect(reported(bytes, inside)).toEqual([
          ['text', 2, text],
          ['number', 1, 1],
        ]);
      }
  });

  it('skips lists and objects of any depth', () => {
    const depth = 100_000;
    const bytes = Buffer.from(`{"x":${'[{"num":'.repeat(depth)}1${'}]'.repeat(depth)},"num":2}`);
    expect(reported(bytes, [])).toEqual([['number', 1, 2]]);
    expect(reported(bytes, [1000, 500_000])).toEqual([['number', 1, 2]]);
  });
});

/** Broken texts may have escapes that are wrong: what is reported of them cannot be parsed. */
function safely<T>(read: () => T): T | 'wrong escape' {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) return 'wrong escape';
    throw error;
  }
}
