// Group queries on real files, against the records that a search returns.
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import type { GroupQuery, GroupResult } from '../../../../src/telemetry/logs/query/group-query.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { StoreReader } from '../../../../src/telemetry/logs/store/store-reader.ts';
import { StoreWriter } from '../../../../src/telemetry/logs/store/store-writer.ts';
import type { SegmentSlice } from '../../../../src/telemetry/logs/store/segment-query.ts';
import { V1FileReader } from '../../../../src/telemetry/logs/store/v1/v1-reader.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { writeV1File } from '../../../kit/v1-files.ts';
import { node as anyNode, record as anyRecord, recordOf } from '../query/arbitrary.ts';

const MINUTE_NS = 60_000_000_000n;
const NOON_MS = Date.parse('2026-11-20T12:00:00Z');
const NOON_NS = BigInt(NOON_MS) * 1_000_000n;
const ALL: QueryNode = { op: 'all' };
const COUNT = { op: 'count' } as const;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
  removeFolders();
});

/** A reader of a new folder with the given records. `old`: those in a file of version 1. */
function storeOf(
  records: readonly LogRecord[],
  budgetMs = 5000,
  old: readonly LogRecord[] = [],
): StoreReader {
  const path = folder();
  if (old.length > 0)
    writeV1File(
      path,
      '20261119',
      1,
      old.map((record) => ({ record, bodies: undefined })),
    );
  const options = { folder: path, maxBytes: 2 ** 30, retentionMs: 7 * 86_400_000 };
  const clocks = { now: () => NOON_MS, steady: () => NOON_MS };
  const writer = new StoreWriter(options, () => undefined, clocks);
  expect(writer.open()).toBe('');
  for (const record of records) expect(writer.add(record)).toBeGreaterThan(0);
  expect(writer.store()).toMatchObject({ kind: 'stored' });
  const reader = new StoreReader(path, { damaged: () => undefined }, budgetMs);
  closing.push(() => {
    reader.close();
    writer.close();
  });
  return reader;
}

/** Runs all steps of a query. `steps`: how many there were. */
function group(reader: StoreReader, changes: Partial<GroupQuery>): GroupResult & { readonly steps: number } {
  const query = { node: ALL, fromNs: 0n, toNs: 2n ** 63n - 1n, by: [], measures: [COUNT], ...changes };
  let id: string | undefined;
  for (let steps = 1; steps < 10_000; steps++) {
    const step = reader.group(query, id, false);
    if (step === 'busy') throw new Error('too many queries are open');
    if ('result' in step) return { ...step.result, steps };
    id = step.open;
  }
  throw new Error('there are more than 10,000 steps');
}

/** Groups as an object: the key as text, and the values. */
const table = ({ groups }: GroupResult) =>
  Object.fromEntries(groups.map(({ key, values }) => [JSON.stringify(key), values]));

const withAttributes = (attributes: object): LogRecord =>
  recordOf({ timeNs: NOON_NS, attributes: JSON.stringify(attributes) });

describe('keys', () => {
  it('are fields of the record, with null if it has no value', () => {
    const reader = storeOf([
      recordOf({ timeNs: NOON_NS, severity: 10, status: 200, deployment: 'dep1' }),
      recordOf({ timeNs: NOON_NS, severity: 9 }),
      recordOf({ timeNs: NOON_NS }),
    ]);
    const by = ['level', 'severity', 'status', 'deployment', 'source'].map((field) => ({ field }));
    expect(table(group(reader, { by }))).toEqual({
      '["INFO",10,200,"dep1","stdout"]': [1],
      '["INFO",9,null,null,"stdout"]': [1],
      '[null,null,null,null,"stdout"]': [1],
    });
  });

  it('are attributes by name or path, with their type', () => {
    const values = [1, '1', true, 'true', '', null, [1, 2], { a: 1 }, undefined];
    const reader = storeOf([
      ...values.map((x) => withAttributes({ user: { x } })),
      recordOf({ timeNs: NOON_NS }),
    ]);
    expect(table(group(reader, { by: [{ field: 'user.x' }] }))).toEqual({
      '[1]': [1],
      '["1"]': [1],
      '[true]': [1],
      '["true"]': [1],
      '[""]': [1],
      '[null]': [3],
      '["[1,2]"]': [1],
      '["{\\"a\\":1}"]': [1],
    });
  });

  it('are attributes with the name of a field after an @', () => {
    const reader = storeOf([withAttributes({ status: 'ok', level: 3 })]);
    const by = ['status', '@status', 'level', '@level'].map((field) => ({ field }));
    expect(table(group(reader, { by }))).toEqual({ '[null,"ok",null,3]': [1] });
  });

  it('are time steps, named by their begin in milliseconds', () => {
    const times = [0n, 999_999_999n, 1_000_000_000n, 5_000_000_001n];
    const reader = storeOf(times.map((ns) => recordOf({ timeNs: NOON_NS + ns })));
    expect(table(group(reader, { by: [{ stepMs: 1000 }], measures: [COUNT, { op: 'rate' }] }))).toEqual({
      [`[${NOON_MS}]`]: [2, 2],
      [`[${NOON_MS + 1000}]`]: [1, 1],
      [`[${NOON_MS + 5000}]`]: [1, 1],
    });
  });
});

describe('measures', () => {
  it('of a field use the records whose value is a number', () => {
    const values = [4, '5', true, [6], null, 1.5];
    const reader = storeOf([
      ...values.map((tokens) => withAttributes({ tokens })),
      recordOf({ timeNs: NOON_NS, durationNs: 30 }),
    ]);
    const measures = [
      COUNT,
      { op: 'sum', field: 'tokens' },
      { op: 'percentile', p: 0.5, field: 'tokens' },
      { op: 'max', field: 'durationNs' },
      { op: 'mean', field: 'durationNs' },
      { op: 'min', field: 'message' },
      { op: 'percentile', p: 0.5, field: 'missing' },
    ] as const;
    expect(table(group(reader, { measures }))).toEqual({ '[]': [7, 5.5, 2.75, 30, 30, null, null] });
  });
});

describe('a group query', () => {
  it('counts the records that a search finds, for any query, time range and versions of files', () => {
    // Times in three minutes, near their bounds.
    const time = fc.tuple(fc.nat(3), fc.constantFrom(-1n, 0n, 1n, 30_000_000_000n));
    const at = time.map(([minute, ns]) => NOON_NS + BigInt(minute) * MINUTE_NS + ns);
    const records = fc.array(
      fc.tuple(anyRecord, at).map(([record, timeNs]) => ({ ...record, timeNs })),
      { maxLength: 40 },
    );
    const totaled = fc.constantFrom<QueryNode>(
      ALL,
      { op: 'field', name: 'kind', compare: '=', value: 'line' },
      { op: 'not', of: { op: 'exists', name: 'replica' } },
      { op: 'field', name: 'severity', compare: '>=', value: 9 },
    );
    fc.assert(
      fc.property(
        records,
        records,
        fc.oneof(totaled, anyNode),
        fc.tuple(at, at),
        (old, given, node, [one, other]) => {
          const reader = storeOf(given, 5000, old);
          const [fromNs, toNs] = one < other ? [one, other] : [other, one];
          const found = reader.page({
            node,
            fromNs,
            toNs,
            direction: 'up',
            after: undefined,
            limit: Infinity,
          }).records;
          const result = group(reader, { node, fromNs, toNs, by: [{ stepMs: 60_000 }, { field: 'status' }] });
          const expected = Map.groupBy(found, ({ timeNs, status }) =>
            JSON.stringify([Number(timeNs / MINUTE_NS) * 60_000, status === 0 ? null : status]),
          );
          expect(table(result)).toEqual(
            Object.fromEntries(Array.from(expected, ([key, own]) => [key, [own.length]])),
          );
          expect(result.matched).toBe(found.length);
          for (const close of closing.splice(0)) close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reads whole minutes of old files from their totals, and only the rest from records', () => {
    const reader = storeOf(
      [],
      5000,
      Array.from({ length: 240 }, (_, i) => recordOf({ timeNs: NOON_NS + BigInt(i) * 1_000_000_000n })),
    );
    const slices = vi.spyOn(V1FileReader.prototype, 'slice');
    const read = (): number =>
      slices.mock.results.reduce((sum, { value }) => sum + (value as SegmentSlice).records.length, 0);
    const span = { fromNs: NOON_NS + 50_000_000_000n, toNs: NOON_NS + 185_000_000_000n };
    expect(group(reader, span).matched).toBe(136);
    expect(read()).toBe(10 + 6);
    expect(group(reader, { ...span, measures: [{ op: 'sum', field: 'durationNs' }] }).matched).toBe(136);
    expect(read()).toBe(16 + 136);
    slices.mockRestore();
  });

  it('continues over many short steps with exact percentiles', () => {
    const count = 10_000;
    const reader = storeOf(
      Array.from({ length: count }, (_, i) =>
        recordOf({ timeNs: NOON_NS + BigInt(i), durationNs: 1 + ((i * 7919) % count) }),
      ),
      0,
    );
    const measures = [COUNT, { op: 'percentile', p: 0.9, field: 'durationNs' }] as const;
    const result = group(reader, { measures });
    expect(result.groups).toEqual([{ key: [], values: [count, 1 + (count - 1) * 0.9] }]);
    expect(result).toMatchObject({ matched: count, isApproximate: false, isPartial: false });
    expect(result.steps).toBeGreaterThan(2);
  });

  it('returns what was read, the newest records first, with its last step', () => {
    const reader = storeOf(
      Array.from({ length: 80_000 }, (_, i) => recordOf({ timeNs: NOON_NS + BigInt(i), durationNs: i + 1 })),
      0,
    );
    const query: GroupQuery = {
      node: ALL,
      fromNs: 0n,
      toNs: NOON_NS * 2n,
      by: [],
      measures: [COUNT, { op: 'max', field: 'durationNs' }],
    };
    // Without time the first step only finds where to begin.
    const { open } = reader.group(query, undefined, false) as { open: string };
    const { result } = reader.group(query, open, true) as { result: GroupResult };
    const [count, max] = result.groups[0]!.values;
    expect(result.isPartial).toBe(true);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(80_000);
    expect(max).toBe(80_000);
  });

  it('that is invalid is an error and leaves nothing open', () => {
    const reader = storeOf([recordOf({ timeNs: NOON_NS })]);
    for (let i = 0; i < 20; i++) {
      expect(() => group(reader, { by: [{ stepMs: -1 }] })).toThrow('invalid time step -1');
      expect(() => group(reader, { node: { op: 'regex', pattern: '(' } })).toThrow(/\(in \/\(\/\)/);
    }
    expect(group(reader, {}).matched).toBe(1);
  });
});
