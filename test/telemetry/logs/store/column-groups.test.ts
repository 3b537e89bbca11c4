// Group queries on the columns of a file, against the same queries on its records.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { GroupKey, GroupQuery, GroupResult, Measure } from '../../../../src/telemetry/logs/query/group-query.ts'; // prettier-ignore
import { keysOf } from '../../../../src/telemetry/logs/annotation.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { possible } from '../../../../src/telemetry/logs/query/possible.ts';
import { prefilter } from '../../../../src/telemetry/logs/query/prefilter.ts';
import { BlockRows } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { ChangedRecords } from '../../../../src/telemetry/logs/store/changed-records.ts';
import { DayFile, PLACES_PER_RECORD, sumsPlace } from '../../../../src/telemetry/logs/store/day-file.ts';
import { DayFileReader } from '../../../../src/telemetry/logs/store/day-file-reader.ts';
import { ReplacedRecords } from '../../../../src/telemetry/logs/store/replaced-records.ts';
import { encodePage, PARTS } from '../../../../src/telemetry/logs/store/encode-page.ts';
import type { FileGroups } from '../../../../src/telemetry/logs/store/file-reader.ts';
import { GroupAccumulator } from '../../../../src/telemetry/logs/store/group-accumulator.ts';
import { startPosition, type PagePosition } from '../../../../src/telemetry/logs/store/page-position.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { RecordGroups } from '../../../../src/telemetry/logs/store/group-records.ts';
import { ColumnTest } from '../../../../src/telemetry/logs/store/column-test.ts';
import { SHAPE_COLUMNS } from '../../../../src/telemetry/logs/store/shape.ts';
import { sealBlock } from '../../../../src/telemetry/logs/store/seal-block.ts';
import type { SegmentQuery, SegmentSlice } from '../../../../src/telemetry/logs/store/segment-query.ts';
import { toTailBlob } from '../../../../src/telemetry/logs/store/tail-page.ts';
import { ValueBudget } from '../../../../src/telemetry/logs/store/value-set.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { record, recordOf } from '../query/arbitrary.ts';
import { question, totaled } from './arbitrary-questions.ts';
import { drain, type Given } from './arbitrary-rows.ts';
import { BASE_MS, lineRow, modelRow } from './stored-rows.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
  removeFolders();
});

/** Reads a file with sealed blocks, each of pages, and a tail of pages. `change`: SQL that changes the file. */
function readerOf(
  blocks: readonly (readonly Given[])[][],
  tail: readonly (readonly Given[])[],
  change = '',
): DayFileReader {
  const path = join(folder(), 'day.sqlite');
  const file = new DayFile(path);
  let rows = new BlockRows(1);
  for (const pages of blocks) {
    for (const page of pages) {
      for (const { row } of page) row.addTo(rows);
      if (page.length > 0) rows.pageEnds.push(rows.count);
    }
    if (rows.count === 0) continue;
    file.addBlock(sealBlock(rows).block);
    rows = new BlockRows(rows.nextSeq);
  }
  for (const page of tail) {
    const from = rows.count;
    for (const { row } of page) row.addTo(rows);
    if (rows.count === from) continue;
    const { parts } = encodePage(rows, from, rows.count, undefined, from > 0);
    file.addTail({ seq: rows.firstSeq + from, rows: rows.count - from, page: toTailBlob(parts, false) });
  }
  file.close();
  if (change !== '') {
    const database = new DatabaseSync(path);
    database.exec(change);
    database.close();
  }
  const reader = new DayFileReader(path, new ReplacedRecords(), (_, problem) => {
    throw new Error(problem);
  });
  closing.push(() => reader.close());
  return reader;
}

const EVERY = { fromNs: 0n, toNs: 2n ** 63n - 1n } as const;

/** `reads`: without columns, rows are decided one by one. */
const compiled = ({ node }: GroupQuery, reads: 'columns' | 'records' = 'columns'): SegmentQuery => ({
  prefilter: prefilter(node),
  possible: possible(node),
  matches: compile(node),
  ...(reads === 'columns' && { rows: new ColumnTest(node) }),
});

function resultOf(
  query: GroupQuery,
  begin: (accumulator: GroupAccumulator) => FileGroups,
  isLate = false,
): GroupResult {
  const accumulator = new GroupAccumulator(query, new ValueBudget(2 ** 30));
  const groups = begin(accumulator);
  for (let steps = 0; !groups.isDone; steps++) {
    if (steps > 1000) throw new Error('the query does not end');
    groups.step(0, isLate);
  }
  return accumulator.result(false);
}

function allRecords(reader: DayFileReader): LogRecord[] {
  const everything = compiled({ ...EVERY, node: { op: 'all' }, by: [], measures: [] });
  const found: LogRecord[] = [];
  for (let after: PagePosition | undefined = startPosition('up'); after !== undefined;) {
    const { records, reached }: SegmentSlice = reader.slice(everything, EVERY, 'up', after, Infinity);
    found.push(...records);
    after = reached;
  }
  return found;
}

const onColumns = (reader: DayFileReader, query: GroupQuery, isLate = false): GroupResult =>
  resultOf(query, (accumulator) => reader.groups(query, compiled(query), accumulator, undefined), isLate);

/** Reads the records of a search. */
const onRecords = (reader: DayFileReader, query: GroupQuery): GroupResult =>
  resultOf(query, (accumulator) => {
    const slice: DayFileReader['slice'] = (...how) => reader.slice(...how);
    return new RecordGroups(query, compiled(query, 'records'), accumulator, { slice });
  });

/** Expects the same groups in any order. Sums may differ in their last digits, since numbers are added in another order. */
function expectSame(found: GroupResult, wanted: GroupResult): void {
  const { groups, ...rest } = found;
  expect(rest).toEqual({ ...wanted, groups: undefined });
  const byKey = new Map(wanted.groups.map(({ key, values }) => [JSON.stringify(key), values]));
  expect(new Set(groups.map(({ key }) => JSON.stringify(key)))).toEqual(new Set(byKey.keys()));
  for (const { key, values } of groups) {
    const others = byKey.get(JSON.stringify(key))!;
    for (const [i, value] of values.entries()) {
      const other = others[i]!;
      const isSame =
        value === other ||
        (value !== null && other !== null && Math.abs(value - other) <= 1e-9 * Math.abs(other));
      if (!isSame) expect({ key, values }).toEqual({ key, values: others });
    }
  }
}

const FIELDS = [
  'status', 'severity', 'level', 'kind', 'deployment', 'environment', 'replica', 'source', 'pod', 'modelId',
  'message', 'requestId', 'traceId', 'spanId', 'parentSpanId', 'durationNs',
  'method', 'path', 'protocol', 'cause', 'detail', 'remote', 'attempts', 'retries', 'async', 'is_sampled',
  'has_bodies', 'queue_ms', 'async_wait_ms', 'leased_ms', 'connected_ms', 'head_ms', 'first_byte_ms',
  'request_bytes', 'response_bytes', 'input_tokens', 'total_tokens', 'first_token_ms', 'tokens_per_second', 'cost',
  'model', 'finish_reason', 'is_stream', 'is_finished', 'currency', 'response_id', 'exc_info', 'x', '@x', 'user', 'user.id', 'user.x', 'x.a.b',
  'a.b', 'a.b.c', '@status', '@level', '', '.', 'path.x', 'missing',
]; // prettier-ignore
const field = fc.constantFrom(...FIELDS);
const key: fc.Arbitrary<GroupKey> = field.map((name) => ({ field: name }));
const step: fc.Arbitrary<GroupKey> = fc
  .constantFrom(1, 7, 1000, 60_000, 86_400_000)
  .map((stepMs) => ({ stepMs }));
const keys = fc
  .tuple(fc.array(key, { maxLength: 3 }), fc.option(step, { nil: undefined }), fc.nat(3))
  .map(([fields, time, at]) => (time === undefined ? fields : fields.toSpliced(at, 0, time)));
const measure: fc.Arbitrary<Measure> = fc.oneof(
  fc.constantFrom<Measure>({ op: 'count' }, { op: 'rate' }),
  fc.record({ op: fc.constantFrom('sum' as const, 'mean' as const, 'min' as const, 'max' as const), field }),
  fc.record({ op: fc.constant('percentile' as const), p: fc.constantFrom(0, 0.5, 0.99, 1), field }),
);
const queries: fc.Arbitrary<GroupQuery> = fc
  .record({ question, by: keys, measures: fc.array(measure, { minLength: 1, maxLength: 4 }) })
  .map(({ question: { node, range }, by, measures }) => ({ node, ...range, by, measures }));

const pages = fc.array(drain, { maxLength: 3 });

it('a group query on columns gives what the same query on records gives', () => {
  let groups = 0;
  fc.assert(
    fc.property(
      fc.array(pages, { maxLength: 2 }),
      pages,
      fc.array(queries, { minLength: 5, maxLength: 10 }),
      (blocks, tail, asked) => {
        const reader = readerOf(blocks, tail);
        for (const query of asked) {
          const wanted = onRecords(reader, query);
          groups += wanted.groups.length;
          expectSame(onColumns(reader, query), wanted);
        }
        for (const close of closing.splice(0)) close();
      },
    ),
    { numRuns: 150 },
  );
  expect(groups).toBeGreaterThan(800);
}, 120_000);

it('what models did is grouped by model, over the tail and sealed blocks', () => {
  const a = (n: number): Given => ({
    row: modelRow('a', { first_token_ms: 100 * n, total_tokens: n, cost: n / 1e6 }),
  });
  const b = (n: number): Given => ({ row: modelRow('b', { total_tokens: 1000 * n }) });
  const reader = readerOf([[[a(1), b(1)], [a(2)]], [[b(2)]]], [[a(3)], [a(4), b(3), a(50_000)]]);
  const query: GroupQuery = {
    node: { op: 'field', name: 'kind', compare: '=', value: 'request' },
    ...EVERY,
    by: [{ field: 'model' }],
    measures: [
      { op: 'count' },
      { op: 'percentile', p: 0.5, field: 'first_token_ms' },
      { op: 'sum', field: 'total_tokens' },
      { op: 'sum', field: 'cost' },
    ],
  };
  const found = onColumns(reader, query);
  expectSame(found, onRecords(reader, query));
  expect(Object.fromEntries(found.groups.map(({ key: [model], values }) => [model, values]))).toEqual({
    a: [5, 300, 50_010, expect.closeTo(0.05001, 12)],
    b: [3, null, 6000, null],
  });
});

it('rows with annotations are read from their records', () => {
  let changed = 0;
  fc.assert(
    fc.property(
      fc.array(pages, { minLength: 1, maxLength: 2 }),
      pages,
      fc.array(queries, { minLength: 3, maxLength: 6 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
      (blocks, tail, asked, chosen) => {
        const reader = readerOf(blocks, tail);
        const all = allRecords(reader);
        const targets = new Set(
          all.length === 0
            ? []
            : chosen.map((n) => keysOf(all[n % all.length]!)).map((own, i) => own[i % own.length]!),
        );
        const merged = (one: LogRecord): LogRecord =>
          keysOf(one).some((name) => targets.has(name))
            ? { ...one, attributes: '{"x":"foo","user":{"id":5},"added":5}' }
            : one;
        const changes = new ChangedRecords(targets, merged);
        // Only changed records match it, so it excludes all blocks.
        const node: QueryNode = { op: 'field', name: 'added', compare: '=', value: 5 };
        for (const query of [...asked, { ...asked[0]!, node }]) {
          const { matches } = compiled(query);
          const found = all
            .map(merged)
            .filter((one) => matches(one) && one.timeNs >= query.fromNs && one.timeNs <= query.toNs);
          changed += found.filter((one) => merged(one) !== one).length;
          const slice = () => ({ records: found, reached: undefined });
          expectSame(
            resultOf(query, (accumulator) => reader.groups(query, compiled(query), accumulator, changes)),
            resultOf(
              query,
              (accumulator) => new RecordGroups(query, compiled(query), accumulator, { slice }),
            ),
          );
        }
        for (const close of closing.splice(0)) close();
      },
    ),
    { numRuns: 150 },
  );
  expect(changed).toBeGreaterThan(300);
}, 120_000);

describe('sums per minute', () => {
  const MINUTE_NS = 60_000_000_000n;
  /** Times in three minutes, near their bounds. */
  const time = fc
    .tuple(fc.nat(3), fc.constantFrom(-1n, 0n, 1n, 30_000_000_000n))
    .map(([minute, ns]) => BigInt(BASE_MS) * 1_000_000n + BigInt(minute) * MINUTE_NS + ns);
  const given: fc.Arbitrary<Given> = fc
    .tuple(record, time, fc.integer({ min: 0, max: 1000 }))
    .map(([base, timeNs, ms]) => ({ row: lineRow({ ...base, timeNs, durationNs: ms ** 3 * 1001 }) }));
  const rows = fc.array(given, { minLength: 1, maxLength: 40 });
  const blocks = fc.array(fc.array(rows, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 });
  const summedKey: fc.Arbitrary<GroupKey> = fc.oneof(
    fc.constantFrom('level', ...SHAPE_COLUMNS).map((name) => ({ field: name })),
  );
  const summedStep: fc.Arbitrary<GroupKey> = fc.constantFrom(60_000, 180_000).map((stepMs) => ({ stepMs }));
  const by = fc.oneof(
    fc.tuple(summedStep),
    fc.tuple(summedStep, summedKey),
    fc.tuple(summedKey, summedStep, summedKey),
    fc.array(summedKey, { maxLength: 2 }),
  );
  const FIELD = 'durationNs';
  const measures: readonly Measure[] = [
    { op: 'count' },
    { op: 'rate' },
    ...(['sum', 'mean', 'min', 'max'] as const).map((op) => ({ op, field: FIELD })),
  ];
  const percentiles: readonly Measure[] = [0, 0.5, 0.99, 1].map((p) => ({
    op: 'percentile',
    p,
    field: FIELD,
  }));
  const summed: fc.Arbitrary<GroupQuery> = fc
    .record({
      node: fc.oneof(
        totaled,
        totaled.map((of) => ({ op: 'not' as const, of })),
      ),
      by,
      from: time,
      to: time,
    })
    .map(({ node, by: keys, from, to }) =>
      from < to
        ? { node, by: keys, measures, fromNs: from, toNs: to }
        : { node, by: keys, measures, fromNs: to, toNs: from },
    );
  const WITHOUT_PAGES = `DELETE FROM pages WHERE place % ${PLACES_PER_RECORD} < ${PARTS}`;

  it('and the pages at both ends of a range give what the records give', () => {
    fc.assert(
      fc.property(
        blocks,
        fc.array(rows, { maxLength: 1 }),
        fc.array(summed, { minLength: 4, maxLength: 8 }),
        (all, tail, asked) => {
          const reader = readerOf(all, tail);
          for (const query of asked) expectSame(onColumns(reader, query), onRecords(reader, query));
          for (const close of closing.splice(0)) close();
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  it('answer queries on whole minutes without any page', () => {
    fc.assert(
      fc.property(blocks, summed, (all, query) => {
        const wanted = onRecords(readerOf(all, []), { ...query, ...EVERY });
        expectSame(onColumns(readerOf(all, [], WITHOUT_PAGES), { ...query, ...EVERY }), wanted);
        for (const close of closing.splice(0)) close();
      }),
      { numRuns: 80 },
    );
  }, 60_000);

  it('give percentiles that are wrong by less than 1.6 % if the query is late', () => {
    fc.assert(
      fc.property(blocks, summed, (all, { node, by: keys }) => {
        const query = { node, by: keys, measures: percentiles, ...EVERY };
        const wanted = onRecords(readerOf(all, []), query);
        const found = onColumns(readerOf(all, [], WITHOUT_PAGES), query, true);
        const hasValues = wanted.groups.some(({ values }) => values[0] !== null);
        expect(found).toMatchObject({ matched: wanted.matched, isApproximate: hasValues, isPartial: false });
        const byKey = new Map(wanted.groups.map(({ key, values }) => [JSON.stringify(key), values]));
        expect(found.groups).toHaveLength(byKey.size);
        for (const { key, values } of found.groups)
          for (const [i, exact] of byKey.get(JSON.stringify(key))!.entries())
            if (exact === null) expect(values[i]).toBeNull();
            else expect(Math.abs(values[i]! - exact)).toBeLessThanOrEqual(exact * 0.016);
        for (const close of closing.splice(0)) close();
      }),
      { numRuns: 80 },
    );
  }, 60_000);

  it('are not used for percentiles while there is time', () => {
    const all = [
      [Array.from({ length: 20 }, (_, i) => ({ row: lineRow(recordOf({ durationNs: 1 + i * 1001 })) }))],
    ];
    const query: GroupQuery = { node: { op: 'all' }, by: [], measures: percentiles, ...EVERY };
    const reader = readerOf(all, []);
    expect(onColumns(reader, query)).toMatchObject({ isApproximate: false });
    expect(onColumns(reader, query).groups[0]!.values[1]).toBe(1 + 9.5 * 1001);
    expect(onColumns(reader, query, true)).toMatchObject({ isApproximate: true });
  });

  it('are left out of a block whose records have few in common', () => {
    const rare = Array.from({ length: 1000 }, (_, i) => ({
      row: lineRow(recordOf({ timeNs: BigInt(i) * MINUTE_NS, durationNs: i })),
    }));
    const query: GroupQuery = { node: { op: 'all' }, by: [], measures, ...EVERY };
    expect(onColumns(readerOf([[rare]], [], WITHOUT_PAGES), query).matched).toBe(0);
    expect(onColumns(readerOf([[rare]], []), query).matched).toBe(1000);
  });

  it('need less than a byte for each record', () => {
    const rows = new BlockRows(1);
    while (rows.count < 30_000) {
      const i = rows.count;
      const [timeNs, durationNs] = [BigInt(i * 5) * 1_000_000n, 1000 * ((i * 7919) % 300_007)];
      const facts = recordOf({ timeNs, durationNs, status: [200, 404, 500][i % 3]!, replica: `r${i % 4}` });
      lineRow({ ...facts, kind: 'request' }).addTo(rows);
    }
    const place = sumsPlace(1);
    const bytes = sealBlock(rows).block.parts.find((part) => part.place === place)!.part.length;
    expect(bytes).toBeGreaterThan(1000);
    expect(bytes).toBeLessThan(rows.count);
  });
});
