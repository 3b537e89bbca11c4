// Members of attributes as columns: what they find, and that blocks with and without them give the same answers.
import { copyFileSync, readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { attributeAt } from '../../../../src/telemetry/logs/query/field-test.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { keyReader } from '../../../../src/telemetry/logs/query/record-value.ts';
import { MemberColumn } from '../../../../src/telemetry/logs/store/member-column.ts';
import { MemberIndex } from '../../../../src/telemetry/logs/store/member-knowledge.ts';
import { MemberTree } from '../../../../src/telemetry/logs/store/member-tree.ts';
import { memberPlace } from '../../../../src/telemetry/logs/store/day-file.ts';
import { listSegments } from '../../../../src/telemetry/logs/store/segments.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { closeStores, DAY_MS, line, MAX_NS, OwnStore } from '../../../kit/own-store.ts';

afterEach(() => {
  closeStores();
  removeFolders();
});

const KEYS = ['a', 'b', 'a.b', 'b.c', '', '超', '__proto__', 'created'];
const plain = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    5,
    0.1,
    -7.25,
    1e300,
    1_795_740_214.1728,
    2 ** 53,
    5e-324,
  ),
  fc.constantFrom(
    '',
    'a',
    '5',
    '05',
    '[',
    '2026-11-20T12:00:00.000Z',
    '2026-11-20T12:00:00Z',
    'x'.repeat(300),
  ),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString()),
  fc.constantFrom<unknown>([], ['a', 5], [['a']], [{ a: 1 }], {}),
);
const key = fc.constantFrom(...KEYS);
/** Objects of up to six levels. Some rows have the same form, so that columns have many values. */
const attributes = fc.letrec<{ object: object }>((tie) => ({
  object: fc
    .array(fc.tuple(key, fc.oneof({ depthSize: 'small', maxDepth: 5 }, plain, tie('object'))), {
      maxLength: 4,
    })
    .map((entries) => Object.fromEntries(entries)),
})).object;
const rows = fc.array(fc.oneof(attributes, fc.constantFrom({ a: 5 }, { a: { b: 'x' } }, { created: 5 })), {
  minLength: 1,
  maxLength: 12,
});
const name = fc.array(key, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'));
/** As the store has it. */
const stored = (object: object): Record<string, unknown> =>
  JSON.parse(JSON.stringify(object)) as Record<string, unknown>;

const operand = fc.constantFrom<string | number>(
  5,
  0.1,
  0,
  -7.25,
  'a',
  '5',
  '05',
  'x',
  '[',
  'true',
  '*',
  '2026-11-20T12:00:00.000Z',
);
const leaf: fc.Arbitrary<QueryNode> = fc.oneof(
  fc.record({
    op: fc.constant('field' as const),
    name,
    compare: fc.constantFrom('=', '=', '>', '>=', '<', '<=', 'like'),
    value: operand,
  }),
  fc.record({
    op: fc.constant('field' as const),
    name: fc.constantFrom('created', 'a', 'a.b'),
    compare: fc.constantFrom('=', '>', '>=', '<', '<='),
    value: fc.constantFrom(0, 1_795_176_000_000, 2e12),
    as: fc.constant('time' as const),
  }),
  fc.record({ op: fc.constant('exists' as const), name: fc.oneof(name, fc.constant('parentSpanId')) }),
  fc.constantFrom<QueryNode>(
    { op: 'field', name: 'kind', compare: '=', value: 'span' },
    { op: 'field', name: 'durationNs', compare: '>', value: 100 },
    { op: 'words', words: ['odd'], isPrefix: false },
  ),
);
const node: fc.Arbitrary<QueryNode> = fc.letrec<{ node: QueryNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    leaf,
    fc.record({
      op: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    }),
    tie('node').map((of): QueryNode => ({ op: 'not', of })),
  ),
})).node;

const span = (object: object, i: number): LogRecord =>
  line(i % 2 === 1 ? 'odd' : 'even', {
    kind: i % 7 === 6 ? 'line' : 'span',
    parentSpanId: i % 3 === 0 ? '' : 'ef',
    durationNs: i * 50,
    attributes: JSON.stringify(object),
  });

/** Expects that the store answers searches, scans and groups as the list of its records does. */
function expectAnswers(
  store: OwnStore,
  records: readonly LogRecord[],
  asked: QueryNode,
  names: readonly string[],
): void {
  const wanted = records.filter(compile(asked));
  const range = { fromNs: 0n, toNs: MAX_NS };
  const found = store.all('', { node: asked, limit: 3 }).map(({ seq }) => seq);
  expect(found.toSorted((a, b) => a - b)).toEqual(wanted.map(({ seq }) => seq));
  const readers = names.map(keyReader);
  const scanned: unknown[] = [];
  for (let seq = 0, isDone = false; !isDone;) {
    const { lastSeq, headSeq } = store.reader.scan({ node: asked, ...range, names }, seq, (at, _, values) =>
      Boolean(scanned.push([at, ...values])),
    );
    isDone = lastSeq >= headSeq;
    seq = lastSeq;
  }
  const values = (record: LogRecord) =>
    readers.map((read) => read(record, JSON.parse(record.attributes) as Record<string, unknown>));
  expect(scanned).toEqual(wanted.map((record) => [record.seq, ...values(record)]));
  const by = names.slice(0, 1).map((field) => ({ field }));
  const measures = [{ op: 'count' } as const, { op: 'max', field: names.at(-1)! } as const];
  const step = store.reader.group({ node: asked, ...range, by, measures }, undefined, true);
  const groups = new Map<unknown, (number | null)[]>();
  for (const record of wanted) {
    const [group] = values(record);
    const [count, max] = groups.get(group) ?? [0, null];
    const value = values(record).at(-1);
    const number = typeof value === 'number' ? value : null;
    groups.set(group, [count! + 1, number === null || (max ?? -Infinity) > number ? max! : number]);
  }
  const grouped = typeof step === 'object' && 'result' in step ? step.result.groups : [];
  expect(new Map(grouped.map(({ key: [one], values: of }) => [one, of]))).toEqual(groups);
}

describe('members of attributes', () => {
  it('have in a column what a query finds under their names', () => {
    let found = 0;
    fc.assert(
      fc.property(
        rows,
        fc.array(name, { minLength: 1, maxLength: 8 }),
        fc.nat(20),
        (objects, asked, most) => {
          const tree = new MemberTree();
          const all = objects.map(stored);
          for (const [row, object] of all.entries()) tree.add(row, object);
          const { names, columns } = tree.encode(all.length, most);
          const index = new MemberIndex(JSON.parse(JSON.stringify(names)) as typeof names);
          for (const one of [...asked, ...names.columns]) {
            const column = index.find(one);
            if (column === undefined) continue;
            const decoded =
              column === 'missing' ? undefined : new MemberColumn(columns[column]!.bytes, all.length);
            expect(all.map((_, row) => decoded?.value(row))).toEqual(
              all.map((object) => attributeAt(object, one)),
            );
            found += column === 'missing' ? 0 : 1;
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(found).toBeGreaterThan(3000);
  });

  it('decide queries, scans and groups like the records, in blocks and in the tail', () => {
    let matches = 0;
    const asked = fc.array(
      fc.tuple(
        node,
        fc.array(fc.oneof(name, fc.constantFrom('kind', 'hasParentSpan')), { minLength: 1, maxLength: 3 }),
      ),
      { minLength: 2, maxLength: 5 },
    );
    fc.assert(
      fc.property(rows, rows, asked, (sealed, open, questions) => {
        const store = new OwnStore();
        store.add(...sealed.map(span));
        store.nowMs += DAY_MS;
        store.add(...open.map(span));
        const records = store.inOrder();
        for (const [one, names] of questions) {
          expectAnswers(store, records, one, names);
          matches += records.filter(compile(one)).length;
        }
        store.close();
      }),
      { numRuns: 150 },
    );
    expect(matches).toBeGreaterThan(500);
  }, 60_000);

  it('are read from the pages if a column of the block is damaged', () => {
    const store = new OwnStore();
    const objects = Array.from({ length: 40 }, (_, i) => ({ a: { b: i % 4 }, c: { d: `text ${i}` } }));
    store.add(...objects.map(span));
    store.nowMs += DAY_MS;
    store.add(line('tail'));
    const records = store.inOrder();
    const file = new DatabaseSync(listSegments(store.path)[0]!.path);
    const change = file.prepare('UPDATE pages SET part = ? WHERE place = ?');
    for (const column of [1, 2]) expect(change.run(randomBytes(200), memberPlace(1, column)).changes).toBe(1);
    file.close();
    const asked: QueryNode = { op: 'field', name: 'a.b', compare: '>', value: 1 };
    expectAnswers(store, records, asked, ['a.b', 'c.d']);
    expect(store.logged.filter((text) => text.includes('amaged'))).toHaveLength(1);
  });

  it('of files without columns are found as before', () => {
    const fixtures = new URL('../../../fixtures/day-files/', import.meta.url);
    const text = readFileSync(new URL('spans-without-columns.json', fixtures), 'utf8');
    const records = (JSON.parse(text) as (LogRecord & { timeNs: string })[]).map((record): LogRecord => ({
      ...record,
      timeNs: BigInt(record.timeNs),
    }));
    const path = folder();
    copyFileSync(
      new URL('spans-without-columns.sqlite', fixtures),
      join(path, 'logs-20261120-000000000000001.sqlite'),
    );
    const store = new OwnStore(path);
    expect(store.inOrder()).toEqual(records);
    const names = [
      'metadata.user_id',
      'metadata.nested.a',
      'metadata',
      'scores.quality',
      'metrics.tokens',
      'created',
    ];
    for (const one of names)
      for (const value of [1, 0.3, '3', 'a']) {
        expectAnswers(store, records, { op: 'field', name: one, compare: '=', value }, names);
        expectAnswers(store, records, { op: 'field', name: one, compare: '>=', value }, [
          'metadata.model',
          one,
        ]);
      }
    store.add(line('a line of today', { attributes: '{"metadata":{"user_id":"3"}}' }));
    const all = store.inOrder();
    expectAnswers(store, all, { op: 'field', name: 'metadata.user_id', compare: '=', value: 3 }, names);
  });
});
