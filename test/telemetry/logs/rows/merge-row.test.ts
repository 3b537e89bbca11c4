// Rows that are merged into one row.
import { expect, it } from 'vitest';
import { applyChange } from '../../../../src/telemetry/logs/rows/apply-change.ts';
import { mergeRow, Merging } from '../../../../src/telemetry/logs/rows/merge-row.ts';
import { readRows } from '../../../../src/telemetry/logs/rows/read-rows.ts';
import type { StoredRow } from '../../../../src/telemetry/logs/rows/row-record.ts';

it('copies a row once, however many rows of a body are merged into it', () => {
  const base = { created: 'c', metadata: { a: 1, deep: { x: 1 } }, tags: ['t'] };
  const merging = new Merging();
  const first = mergeRow(base, { created: 'd', metadata: { b: 2 }, tags: ['t', 'u'] }, merging);
  const next = { metadata: { deep: { y: 2 } }, tags: ['u', 'v'], created: 'e' };
  const second = mergeRow(first, next, merging);
  expect(second).toBe(first);
  expect(second).toEqual({
    created: 'c',
    metadata: { a: 1, b: 2, deep: { x: 1, y: 2 } },
    tags: ['t', 'u', 'v'],
  });
  expect(base).toEqual({ created: 'c', metadata: { a: 1, deep: { x: 1 } }, tags: ['t'] });
  expect(next.metadata).toEqual({ deep: { y: 2 } });
  const removed = mergeRow(second, { _array_delete: [{ path: ['tags'], delete: ['u'] }] }, merging);
  expect(removed['tags']).toEqual(['t', 'v']);
});

it('leaves the row as it was before a body', () => {
  const row = (fields: object) => ({ id: 'r', project_id: 'p', _is_merge: true, ...fields });
  const body = {
    rows: [
      row({ metadata: { a: 1 }, _audit_source: 'api' }),
      row({ metadata: { a: { b: 1 } }, tags: ['x'], _audit_source: 'app' }),
      row({ metadata: { a: { c: 1 } }, tags: ['y'] }),
      { id: 'c', project_id: 'p', comment: { text: 'hm' }, origin: { id: 'r' } },
      row({ scores: { s: 1 } }),
    ],
  };
  const read = readRows({ bytes: Buffer.from(JSON.stringify(body)) });
  const changes = 'changes' in read ? read.changes : [];
  const before: StoredRow = {
    project: 'p',
    id: 'r',
    content: { metadata: { z: 0 }, tags: ['w'] },
    state: {},
  };
  const copy = structuredClone(before);
  const merging = new Merging();
  let now: StoredRow | undefined = before;
  for (const change of changes) now = applyChange(change, now, undefined, merging);
  expect(before).toEqual(copy);
  expect(now?.content).toMatchObject({
    metadata: { z: 0, a: { b: 1, c: 1 } },
    tags: ['w', 'x', 'y'],
    scores: { s: 1 },
    audit_data: [{ source: 'api' }, { source: 'app' }],
    comments: [{ comment: { text: 'hm' } }],
  });
  expect('changes' in read ? read.changes : []).toHaveLength(5);
});
