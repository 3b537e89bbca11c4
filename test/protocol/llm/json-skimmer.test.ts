import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonSkimmer } from '../../../src/protocol/llm/json-skimmer.ts';
import { skim, TAKE, type SkimListener, type SkimNode } from '../../../src/protocol/llm/skim-node.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Report = readonly [kind: string, slot: number, value?: Json];

const LEAVES = {
  num: skim(TAKE.number, 1),
  txt: skim(TAKE.text, 2),
  fil: skim(TAKE.filled, 3),
  raw: skim(TAKE.raw, 4),
  flg: skim(TAKE.flag, 5),
  both: skim(TAKE.text | TAKE.filled, 6),
};
const INNER = skim(TAKE.bounds, 7, { ...LEAVES, obj: skim(TAKE.text | TAKE.filled, 8, LEAVES) });
const ROOT = skim(0, 0, {
  ...LEAVES,
  obj: INNER,
  list: skim(0, 0, undefined, INNER),
  lists: skim(0, 0, undefined, skim(TAKE.bounds, 9, undefined, skim(TAKE.number | TAKE.flag, 10))),
});

const MAX_TEXT = 4096;
const isCutRaw = ([kind, , value]: Report): boolean => kind === 'raw' && value === 'cut';
const cutText = (text: string): string => (text.length < MAX_TEXT ? text : 'cut');

/** What a skimmer reports of the bytes, in pieces that end at `cuts`. */
function reported(bytes: Buffer, cuts: readonly number[], root: SkimNode = ROOT): Report[] | 'broken' {
  const reports: Report[] = [];
  const listener: SkimListener = {
    text: (slot, from, start, end) => {
      const text = from.toString('utf8', start, end);
      reports.push(['text', slot, end - start < MAX_TEXT ? (JSON.parse(`"${text}"`) as string) : 'cut']);
    },
    number: (slot, value) => reports.push(['number', slot, value]),
    flag: (slot, value) => reports.push(['flag', slot, value]),
    filled: (slot) => reports.push(['filled', slot]),
    raw: (slot, json) => reports.push(['raw', slot, json === '' ? 'cut' : (JSON.parse(json) as Json)]),
    begins: (slot) => reports.push(['begins', slot]),
    ends: (slot) => reports.push(['ends', slot]),
  };
  const skimmer = new JsonSkimmer(listener);
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

/** Writes JSON with spaces, escapes and notations of numbers as the next numbers of `noise` say. */
function written(value: Json, noise: readonly number[]): string {
  let at = 0;
  const next = (): number => noise[at++ % noise.length]!;
  const SPACES = ['', '', '', ' ', '\n', '\t\r\n  ', ' '.repeat(70)];
  const space = (): string => SPACES[next() % SPACES.length]!;
  const text = (one: string): string =>
    one.length >= MAX_TEXT
      ? JSON.stringify(one)
      : `"${Array.from({ length: one.length }, (_none, i) => {
          const escape = `\\u${one.charCodeAt(i).toString(16).padStart(4, '0')}`;
          return next() % 5 === 0 ? escape : JSON.stringify(one[i]).slice(1, -1);
        }).join('')}"`;
  const number = (one: number): string => {
    const usual = JSON.stringify(one);
    if (!/^[1-9]\d{0,8}$/.test(usual)) return usual;
    return [usual, `${usual}.0`, `${usual}e0`, `${usual}00E-2`, `${usual}.00e+0`][next() % 5]!;
  };
  const write = (one: Json): string => space() + bare(one) + space();
  const bare = (one: Json): string => {
    if (typeof one === 'string') return text(one);
    if (typeof one === 'number') return number(one);
    if (one === null || typeof one === 'boolean') return String(one);
    if (Array.isArray(one)) return `[${one.length > 0 ? one.map(write).join(',') : space()}]`;
    const members = Object.entries(one).map(
      ([name, member]) => `${space()}${text(name)}${space()}:${write(member)}`,
    );
    return `{${members.length > 0 ? members.join(',') : space()}}`;
  };
  return write(value);
}

// JSON.parse of V8 13.6 reads names of one character wrong if they are escaped, so each has two or more.
const NAMES = [
  'num',
  'txt',
  'fil',
  'raw',
  'flg',
  'both',
  'obj',
  'list',
  'lists',
  'xx',
  'nums',
  'éé',
  'a"b',
  '\\\\',
  '',
  '__proto',
];
const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Json>(null, true, false, '', 0, 7, 1.5, -3, 1e21, 2 ** 53, 2 ** 53 - 1),
    fc.nat(),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('{"num":1}', '"', '\\', '\\"', ']}', 'x'.repeat(30), 'x'.repeat(100), 'x'.repeat(5000)),
    fc.array(tie('value'), { maxLength: 4 }),
    object(tie('value')),
  ),
})).value;
function object(value: fc.Arbitrary<Json>): fc.Arbitrary<Json> {
  return fc
    .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), value), {
      selector: ([name]) => name,
      minLength: 1,
      maxLength: 8,
    })
    .map((members) => Object.fromEntries(members));
}
const noise = fc.array(fc.nat(255), { minLength: 1, maxLength: 60 });
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
