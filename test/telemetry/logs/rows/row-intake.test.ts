// Rows of large bodies, and of rows that grow.
import { afterEach, expect, it, vi } from 'vitest';
import { Redactor } from '../../../../src/telemetry/logs/ingest/redact.ts';
import { encodeRow } from '../../../../src/telemetry/logs/rows/encode-row.ts';
import { RowIntake } from '../../../../src/telemetry/logs/rows/row-intake.ts';
import { rowOf } from '../../../../src/telemetry/logs/rows/row-record.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { closeStores, line, OwnStore } from '../../../kit/own-store.ts';

afterEach(() => {
  vi.useRealTimers();
  closeStores();
  removeFolders();
});

const intakeOf = (store: OwnStore): RowIntake =>
  new RowIntake(
    store.path,
    { pod: 'p', modelId: 'm' },
    new Redactor({ builtIn: true, custom: [] }),
    store.writer,
  );

const bytesOf = (rows: readonly object[]): Buffer => Buffer.from(JSON.stringify({ rows }));

it('stores each row of a body whose records are more than may wait for the disk', () => {
  const store = new OwnStore();
  const rows = intakeOf(store);
  const text = 'x'.repeat(46_000);
  // Three blocks are full of characters, not of records, and the last one has begun.
  for (let i = 0; i < 3 * 183 + 1; i++) store.writer.add(line(`${i} ${text}`));
  const ids = Array.from({ length: 250 }, (_, i) => `r${i}`);
  const hasRoom = (count: number): boolean => {
    if (store.writer.room < count) store.writer.store();
    return store.writer.room >= count;
  };
  const body = ids.map((id) => ({ id, project_id: 'p1', input: text }));
  expect(rows.add({ bytes: bytesOf(body) }, hasRoom)).toMatchObject({ rows: { ids, rejected: [] } });
  expect(store.writer.store()).toEqual({ kind: 'stored' });
  expect(
    store
      .all('kind:span')
      .map(({ requestId }) => requestId)
      .toSorted(),
  ).toEqual(ids.toSorted());
  rows.close();
});

it('stores no more rows of a body after records were lost', () => {
  const store = new OwnStore();
  const rows = intakeOf(store);
  let calls = 0;
  const body = Array.from({ length: 5 }, (_, i) => ({ id: `r${i}`, project_id: 'p1' }));
  expect(rows.add({ bytes: bytesOf(body) }, () => ++calls < 4)).toBe('no room');
  store.writer.store();
  expect(
    store
      .all('kind:span')
      .map(({ requestId }) => requestId)
      .toSorted(),
  ).toEqual(['r0', 'r1']);
  expect(rows.add({ bytes: bytesOf(body) }, () => true)).toMatchObject({ count: 3 });
  rows.close();
});

it('finds each of many rows that are no longer in memory', () => {
  const store = new OwnStore();
  const ids = Array.from({ length: 1100 }, (_, i) => `r${i}`);
  const rows = intakeOf(store);
  rows.add({ bytes: bytesOf(ids.map((id) => ({ id, project_id: 'p1', input: id }))) }, () => true);
  // A block is full with 8 million characters.
  for (let i = 0; i < 131; i++) store.writer.add(line(`${i} ${'x'.repeat(64_000)}`));
  store.writer.store();
  rows.close();
  const again = intakeOf(store);
  const merges = ids.map((id) => ({ id, project_id: 'p1', _is_merge: true, output: id }));
  expect(again.add({ bytes: bytesOf(merges) }, () => true)).toMatchObject({ count: 1100 });
  store.writer.store();
  const seen = store.all('kind:span').map((record) => rowOf(record)!);
  expect(seen.map(({ input, output }) => `${String(input)} ${String(output)}`).toSorted()).toEqual(
    ids.map((id) => `${id} ${id}`).toSorted(),
  );
  again.close();
});

it('does not keep what was cut from a row that grows', () => {
  const row = { project: 'p1', id: 'r', state: { awaits_base: true } } as const;
  const redactor = new Redactor({ builtIn: true, custom: [] });
  const part = 'y'.repeat(3 * 1024 ** 2);
  const metadata = { a: part, b: part };
  const small = encodeRow({ ...row, content: { metadata } }, redactor, 1n);
  expect(small.row.content['metadata']).toBe(metadata);
  const content = { span_id: 's', root_span_id: 't', metadata: { ...metadata, c: part, d: part } };
  const { row: kept } = encodeRow({ ...row, content }, redactor, 1n);
  expect(JSON.stringify(kept.content).length).toBeLessThan(9 * 1024 ** 2);
  expect(kept).toMatchObject({ ...row, content: { span_id: 's', root_span_id: 't' } });
  expect(kept.content['metadata']).toMatchObject({ a: part, b: part, _weir_truncated: true });
});

it.each([{}, { created: 'yesterday' }, { created: '9999-12-31T00:00:00Z', metrics: { start: -1e300 } }])(
  'keeps the time of arrival of a row with %o when others are merged into it',
  (fields) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 10, 28, 1) });
    const store = new OwnStore();
    const rows = intakeOf(store);
    const row = { id: 'r', project_id: 'p1' };
    rows.add({ bytes: bytesOf([{ ...row, ...fields }]) }, () => true);
    vi.setSystemTime(Date.UTC(2026, 10, 28, 2));
    rows.add({ bytes: bytesOf([{ ...row, _is_merge: true, scores: { a: 1 } }]) }, () => true);
    store.writer.store();
    const [record] = store.all('kind:span');
    expect(rowOf(record!)).toMatchObject({ created: '2026-11-28T01:00:00.000Z', scores: { a: 1 } });
    expect(record!.timeNs).toBe(BigInt(Date.UTC(2026, 10, 28, 1)) * 1_000_000n);
    rows.close();
  },
);

it('reads and stores few large rows at a time', () => {
  const store = new OwnStore();
  const ids = Array.from({ length: 20 }, (_, i) => `r${i}`);
  const input = 'z'.repeat(2 * 1024 ** 2);
  const saves: number[] = [];
  const add = (rows: RowIntake, body: readonly object[]): unknown =>
    rows.add(
      { bytes: bytesOf(body) },
      () => true,
      () => {
        const isStored = store.writer.store().kind === 'stored';
        rows.stored(store.writer.headSeq);
        saves.push(store.writer.headSeq);
        return isStored;
      },
    );
  const rows = intakeOf(store);
  expect(
    add(
      rows,
      ids.map((id) => ({ id, project_id: 'p1', input })),
    ),
  ).toMatchObject({ count: 20 });
  expect(saves).toEqual([16]);
  store.writer.store();
  rows.close();
  const again = intakeOf(store);
  const merges = ids.map((id) => ({ id, project_id: 'p1', _is_merge: true, output: 'o' }));
  expect(add(again, merges)).toMatchObject({ count: 20, rows: { ids } });
  expect(saves).toEqual([16, 36]);
  store.writer.store();
  const seen = store.all('kind:span').map(({ requestId }) => requestId);
  expect(seen.toSorted()).toEqual(ids.toSorted());
  again.close();
});

const scoreOf = (rule: string, scores: object, id = 'r') => ({
  id,
  project_id: 'p1',
  _scored_by: rule,
  scores,
});

it('adds the scores of a rule to a row once', () => {
  const store = new OwnStore();
  const rows = intakeOf(store);
  const add = (row: object, isOwn = true): number => {
    const added = rows.add({ bytes: bytesOf([row]), isOwn }, () => true);
    store.writer.store();
    return (added as { count: number }).count;
  };
  const seen = () => store.all('kind:span').map((record) => rowOf(record)!['scores']);
  add({ id: 'r', project_id: 'p1', output: 'x', scores: { own: 1 } });
  expect(add(scoreOf('rule1', { a: 0.5 }))).toBe(1);
  expect(seen()).toEqual([{ own: 1, a: 0.5 }]);
  // The same again, as after a crash, and what a client sends in between.
  expect(add(scoreOf('rule1', { a: 0.9 }))).toBe(0);
  expect(add({ id: 'r', project_id: 'p1', _is_merge: true, metadata: { late: true } })).toBe(1);
  expect(add(scoreOf('rule1', { a: 0.9 }))).toBe(0);
  expect(add(scoreOf('rule2', {}))).toBe(1);
  expect(add(scoreOf('rule2', { b: 1 }))).toBe(0);
  expect(seen()).toEqual([{ own: 1, a: 0.5 }]);
  // Another row with this id is another span.
  expect(add({ id: 'r', project_id: 'p1', output: 'y' })).toBe(1);
  expect(add(scoreOf('rule1', { a: 0.7 }))).toBe(1);
  expect(seen()).toEqual([{ a: 0.7 }]);
  rows.close();
});

it('takes no scores of a rule for a row that is not there, and none from clients', () => {
  const store = new OwnStore();
  const rows = intakeOf(store);
  expect(rows.add({ bytes: bytesOf([scoreOf('rule1', { a: 1 })]), isOwn: true }, () => true)).toMatchObject({
    count: 0,
  });
  rows.add({ bytes: bytesOf([{ ...scoreOf('rule1', { a: 1 }), output: 'x' }]) }, () => true);
  store.writer.store();
  const [row] = store.all('kind:span').map((record) => rowOf(record)!);
  expect(row).toMatchObject({ scores: { a: 1 }, output: 'x' });
  expect(row).not.toHaveProperty('_scored_by');
  expect(rows.add({ bytes: bytesOf([scoreOf('rule1', { a: 0.2 })]), isOwn: true }, () => true)).toMatchObject(
    { count: 1 },
  );
  rows.close();
});
