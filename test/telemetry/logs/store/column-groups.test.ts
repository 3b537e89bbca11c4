// Group queries on the columns of a file, against the same queries on its records.
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import type { GroupKey, GroupQuery, GroupResult, Measure } from '../../../../src/telemetry/logs/query/group-query.ts'; // prettier-ignore
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { possible } from '../../../../src/telemetry/logs/query/possible.ts';
import { prefilter } from '../../../../src/telemetry/logs/query/prefilter.ts';
import { BlockRows } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { DayFile } from '../../../../src/telemetry/logs/store/day-file.ts';
import { DayFileReader } from '../../../../src/telemetry/logs/store/day-file-reader.ts';
import { encodePage } from '../../../../src/telemetry/logs/store/encode-page.ts';
import type { FileGroups } from '../../../../src/telemetry/logs/store/file-reader.ts';
import { GroupAccumulator } from '../../../../src/telemetry/logs/store/group-accumulator.ts';
import { RecordGroups } from '../../../../src/telemetry/logs/store/group-records.ts';
import { sealBlock } from '../../../../src/telemetry/logs/store/seal-block.ts';
import type { SegmentQuery } from '../../../../src/telemetry/logs/store/segment-query.ts';
import { toTailBlob } from '../../../../src/telemetry/logs/store/tail-page.ts';
import { ValueBudget } from '../../../../src/telemetry/logs/store/value-set.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { question } from './arbitrary-questions.ts';
import { drain, type Given } from './arbitrary-rows.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
  removeFolders();
});

/** Reads a file with sealed blocks, each of pages, and a tail of pages. */
function readerOf(
  blocks: readonly (readonly Given[])[][],
  tail: readonly (readonly Given[])[],
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
  const reader = new DayFileReader(path, (_, problem) => {
    throw new Error(problem);
  });
  closing.push(() => reader.close());
  return reader;
}

const compiled = ({ node }: GroupQuery): SegmentQuery => ({
  prefilter: prefilter(node),
  possible: possible(node),
  matches: compile(node),
});

function resultOf(query: GroupQuery, begin: (accumulator: GroupAccumulator) => FileGroups): GroupResult {
  const accumulator = new GroupAccumulator(query, new ValueBudget(2 ** 30));
  const groups = begin(accumulator);
  for (let steps = 0; !groups.isDone; steps++) {
    if (steps > 1000) throw new Error('the query does not end');
    groups.step(0);
  }
  return accumulator.result(false);
}

const onColumns = (reader: DayFileReader, query: GroupQuery): GroupResult =>
  resultOf(query, (accumulator) => reader.groups(query, compiled(query), accumulator));

/** Reads the records of a search. */
const onRecords = (reader: DayFileReader, query: GroupQuery): GroupResult =>
  resultOf(query, (accumulator) => {
    const slice: DayFileReader['slice'] = (...how) => reader.slice(...how);
    return new RecordGroups(query, compiled(query), accumulator, { slice });
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
  'request_bytes', 'response_bytes', 'input_tokens', 'exc_info', 'x', '@x', 'user', 'user.id', 'user.x', 'x.a.b',
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
