// JSON documents for tests of readers that take a few values of them, and what such a reader reports.
import fc from 'fast-check';
import { skim, TAKE, type SkimListener } from '../../src/protocol/llm/skim-node.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Report = readonly [kind: string, slot: number, value?: Json];

const LEAVES = {
  num: skim(TAKE.number, 1),
  txt: skim(TAKE.text, 2),
  fil: skim(TAKE.filled, 3),
  raw: skim(TAKE.raw, 4),
  flg: skim(TAKE.flag, 5),
  both: skim(TAKE.text | TAKE.filled, 6),
};
const INNER = skim(TAKE.bounds, 7, { ...LEAVES, obj: skim(TAKE.text | TAKE.filled, 8, LEAVES) });
export const ROOT = skim(0, 0, {
  ...LEAVES,
  obj: INNER,
  list: skim(0, 0, undefined, INNER),
  lists: skim(0, 0, undefined, skim(TAKE.bounds, 9, undefined, skim(TAKE.number | TAKE.flag, 10))),
});

/** Texts and raw values of so many bytes are reported as `cut`. */
export const MAX_TEXT = 4096;
/** Adds what it is told to `reports`. */
export const listenerOf = (reports: Report[]): SkimListener => ({
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
});

const SPACES = ['', '', '', ' ', '\n', '\t\r\n  ', ' '.repeat(70)];

/** Writes JSON with spaces, escapes and notations of numbers as the next numbers of `noise` say. */
export function written(value: Json, noise: readonly number[], spaces = SPACES): string {
  let at = 0;
  const next = (): number => noise[at++ % noise.length]!;
  const space = (): string => spaces[next() % spaces.length]!;
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
    return [`${usual}.00e+0`, usual, `${usual}.0`, usual, `${usual}00E-2`][next() % 5]!;
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
export const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
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
export function object(value: fc.Arbitrary<Json>): fc.Arbitrary<Json> {
  return fc
    .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), value), {
      selector: ([name]) => name,
      minLength: 1,
      maxLength: 8,
    })
    .map((members) => Object.fromEntries(members));
}
export const noise = fc.array(fc.nat(255), { minLength: 1, maxLength: 60 });
