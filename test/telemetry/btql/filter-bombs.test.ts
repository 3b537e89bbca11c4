// Filters that are made to take long: each ends in a short time, or at the time limit with a warning.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operations, type QueryOperations } from '../../../src/telemetry/btql/btql-thread.ts';
import { orProblem, parseBtql } from '../../../src/telemetry/btql/parse-btql.ts';
import { recordOfRow } from '../../../src/telemetry/logs/rows/row-record.ts';
import { cpuMs } from '../../kit/cpu-time.ts';
import { removeFolders } from '../../kit/folder.ts';
import { closeStores, NOON, OwnStore } from '../../kit/own-store.ts';

const P = "project_logs('p')";
const ROWS = 600;
const TRACE = { modelId: '', scheme: 'http', genAi: 'common' } as const;
/** Time limit of the queries here, and how long a step may take on a busy machine, in milliseconds. */
const TIME_MS = 300;
const LONGEST_STEP_MS = 2500;

let thread: QueryOperations;

beforeAll(() => {
  const store = new OwnStore();
  const input = 'a'.repeat(20_000);
  for (let at = 0; at < ROWS; at += 100)
    store.add(
      ...Array.from({ length: 100 }, (_, i) => {
        const content = {
          input,
          metadata: { n: at + i, list: Array.from({ length: 200 }, (__, n) => `v${n}`) },
          created: new Date(NOON).toISOString(),
        };
        const { record, attributes } = recordOfRow(
          { project: 'p', id: `r${at + i}`, content, state: {} },
          0n,
        );
        return { ...record, attributes: JSON.stringify(attributes) };
      }),
    );
  thread = operations((...asked) => store.reader.after(...asked), store.reader);
});

afterAll(() => {
  closeStores();
  removeFolders();
});

interface Ran {
  readonly longestMs: number;
  readonly totalMs: number;
  readonly rows: number;
  readonly warnings: readonly { readonly code: string }[];
}

/** Runs a query with the time limit, in steps as the thread does. */
function run(query: unknown): Ran {
  const clock = { nowMs: NOON, westMs: 0 };
  const opened = thread.open({ query, cursor: undefined, format: 'json', clock, isKept: false });
  if ('problem' in opened) throw new Error(opened.problem);
  const limits = { timeMs: TIME_MS, reads: 1e9, memoryBytes: 2 ** 26 };
  const startMs = cpuMs();
  thread.start(opened.id, [{ id: 'p', orgId: 'o' }], TRACE, limits);
  let longestMs = 0;
  for (;;) {
    const stepMs = cpuMs();
    const answer = thread.step(opened.id, 20);
    longestMs = Math.max(longestMs, cpuMs() - stepMs);
    if (answer === undefined) continue;
    const { data, warnings = [] } = JSON.parse(answer.body) as {
      data: unknown[];
      warnings?: Ran['warnings'];
    };
    return { longestMs, totalMs: cpuMs() - startMs, rows: data.length, warnings };
  }
}

const like = `input LIKE '${'%a'.repeat(60)}%b'`;
const many = (count: number, condition: (n: number) => string, join = ' or '): string =>
  Array.from({ length: count }, (_, n) => condition(n)).join(join);
const BOMBS: Readonly<Record<string, string>> = {
  'patterns with many wildcards': many(300, () => like),
  'patterns in any letter case': many(300, () => like.replace('LIKE', 'ILIKE')),
  'words in large texts': many(2000, (n) => `input MATCH 'w${n}'`),
  'comparisons with large texts': many(1500, (n) => `concat(input, '${n}') = 'x'`),
  'a large list of values': `metadata.list IN (${many(6000, (n) => `'x${n}'`, ', ')})`,
  'many comparisons': many(3000, (n) => `metadata.n = -${n + 1}`),
  'texts that are contained': many(2000, (n) => `input INCLUDES 'b${n}'`),
};

describe('a filter', () => {
  it.each(Object.entries(BOMBS))(
    'ends in time: %s',
    (_, filter) => {
      for (const query of [
        `select: id | from: ${P} | filter: ${filter}`,
        `select: id | from: ${P} | filter: ${filter} | sort: metadata.n`,
        `measures: count(1) as n | from: ${P} | filter: ${filter}`,
        `select: id | from: ${P} traces | filter: ${filter}`,
      ]) {
        const { longestMs, totalMs, warnings } = run(query);
        expect(longestMs, query.slice(0, 80)).toBeLessThan(LONGEST_STEP_MS);
        expect(totalMs, query.slice(0, 80)).toBeLessThan(TIME_MS + 2 * LONGEST_STEP_MS);
        if (totalMs > TIME_MS + LONGEST_STEP_MS) expect(warnings).toMatchObject([{ code: 'timeout_limit' }]);
      }
    },
    60_000,
  );

  it.each([
    ['10,000 conditions', `from: ${P} | filter: ${many(10_001, () => 'a')}`, 'more than 10000 names'],
    [
      'deep parentheses',
      `from: ${P} | filter: ${'('.repeat(20_000)}a${')'.repeat(20_000)}`,
      'more than 64 levels',
    ],
    ['many negations', `from: ${P} | filter: ${'not '.repeat(10_000)}a`, 'more than 64 levels'],
    ['a long sum', `from: ${P} | filter: ${many(10_000, () => '1', ' + ')} > 0`, 'more than 64 levels'],
    ['a long name', `from: ${P} | filter: a${'.b'.repeat(20_000)} = 1`, 'more than 64 parts'],
    ['nested lists', `from: ${P} | filter: a in ${'['.repeat(20_000)}`, 'more than 64 levels'],
    ['a long chain of questions', `from: ${P} | filter: ${'a ? b : '.repeat(5000)}c`, 'more than 64 levels'],
    ['a large text', `from: ${P} | filter: a = '${'x'.repeat(70_000)}'`, '65536'],
  ])('is refused at once if it has %s', (_, text, problem) => {
    const startMs = cpuMs();
    const result = orProblem(text, () => parseBtql(`select: * | ${text}`));
    expect(result).toMatchObject({ problem: expect.stringContaining(problem) });
    expect(cpuMs() - startMs).toBeLessThan(1000);
  });

  it('is refused at once as a tree of many nodes or levels', () => {
    const from = { op: 'function', name: { op: 'ident', name: ['project_logs'] }, args: [] };
    const star = { op: 'star' };
    const ident = { op: 'ident', name: ['a'] };
    let deep: object = ident;
    for (let n = 0; n < 5000; n++) deep = { op: 'not', expr: deep };
    const wide = { op: 'or', children: Array.from({ length: 20_000 }, () => ident) };
    for (const filter of [deep, wide]) {
      const startMs = cpuMs();
      expect(orProblem({}, () => parseBtql({ select: [star], from, filter }))).toHaveProperty('problem');
      expect(cpuMs() - startMs).toBeLessThan(1000);
    }
  });
});

describe('a query whose time is over', () => {
  it('goes on where it was, also if no row was found until then', () => {
    const store = new OwnStore(undefined, {}, 0);
    const many = 70_000;
    for (let at = 0; at < many; at += 10_000)
      store.add(
        ...Array.from({ length: 10_000 }, (_, i) => {
          const n = at + i;
          const content = { metadata: { n, x: n % 30_000 === 7 ? 'rare' : 'usual' } };
          const { record, attributes } = recordOfRow({ project: 'p', id: `r${n}`, content, state: {} }, 0n);
          const timeNs = BigInt(NOON + n) * 1_000_000n;
          return { ...record, timeNs, attributes: JSON.stringify(attributes) };
        }),
      );
    const own = operations((...asked) => store.reader.after(...asked), store.reader);
    for (const [filter, expected] of [
      ["metadata.x = 'none'", []],
      ["metadata.x = 'rare'", ['r60007', 'r30007', 'r7']],
    ] as const) {
      const ids: string[] = [];
      let cursor: string | null = '';
      let pages = 0;
      for (; cursor !== null && pages < 1000; pages++) {
        const clock = { nowMs: NOON, westMs: 0 };
        const query = `select: id | from: ${P} | filter: ${filter} | cursor: '${cursor}'`;
        const opened = own.open({ query, cursor: undefined, format: 'json', clock, isKept: false });
        if ('problem' in opened) throw new Error(opened.problem);
        own.start(opened.id, [{ id: 'p', orgId: 'o' }], TRACE, {
          timeMs: 0,
          reads: 1e9,
          memoryBytes: 2 ** 26,
        });
        const answer = own.step(opened.id, 60_000)!;
        ({ cursor } = answer);
        ids.push(...(JSON.parse(answer.body) as { data: { id: string }[] }).data.map(({ id }) => id));
      }
      expect(ids).toEqual(expected);
      expect(pages).toBeGreaterThan(1);
    }
  });
});
