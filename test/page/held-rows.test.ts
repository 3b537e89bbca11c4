import { describe, expect, it } from 'vitest';
import { HeldRows, isGap, isRecord, type Gap } from '../../page/pages/logs/held-rows.ts';
import type { LogJson } from '../../page/pages/logs/record.ts';

const record = (seq: number): LogJson => ({
  timestamp: '',
  timestamp_ns: '0',
  seq,
  kind: 'line',
  message: 'x',
});
const records = (from: number, count: number): LogJson[] =>
  Array.from({ length: count }, (_, i) => record(from - i));

/** Numbers of the rows, `undefined` for those that were let go. */
const seqs = (rows: HeldRows): (number | undefined)[] =>
  Array.from({ length: rows.count }, (_, i) => {
    const row = rows.at(i);
    return isRecord(row) ? row.seq : undefined;
  });

describe('rows of the list', () => {
  it('has live rows above pages, the newest first', () => {
    const rows = new HeldRows();
    rows.addPage('', records(10, 3), 0);
    rows.addPage('a', records(7, 2), 0);
    rows.addLive([record(11), record(12)], 0);
    expect(seqs(rows)).toEqual([12, 11, 10, 9, 8, 7, 6]);
    expect(rows.indexOf(8)).toBe(4);
    expect(rows.indexOf(99)).toBe(-1);
  });

  it('lets pages go that are far away, and keeps their places', () => {
    const rows = new HeldRows(6);
    for (const [i, cursor] of ['', 'a', 'b', 'c', 'd'].entries())
      rows.addPage(cursor, records(100 - 2 * i, 2), i * 2);
    expect(rows.count).toBe(10);
    expect(rows.heldCount).toBe(6);
    // The first page stays, since it has no cursor; the farthest others went.
    expect(seqs(rows)).toEqual([100, 99, undefined, undefined, undefined, undefined, 94, 93, 92, 91]);
  });

  it('asks for the first page in sight that was let go, and puts it back', () => {
    const rows = new HeldRows(6);
    for (const [i, cursor] of ['', 'a', 'b', 'c', 'd'].entries())
      rows.addPage(cursor, records(100 - 2 * i, 2), i * 2);
    expect(rows.missing(0, 1)).toBeUndefined();
    const missing = rows.missing(1, 3);
    expect(missing).toEqual({ page: 1, cursor: 'a', size: 2 });
    rows.restore(missing!.page, records(98, 2), 2);
    expect(seqs(rows).slice(0, 4)).toEqual([100, 99, 98, 97]);
    expect(rows.heldCount).toBe(6);
  });

  it('puts records in the place of a gap', () => {
    const rows = new HeldRows();
    const gap: Gap = { afterPlace: '1', count: 2, isCounted: true, nextSeq: 4 };
    rows.addLive([record(1), gap, record(4)], 0);
    expect(isGap(rows.at(1))).toBe(true);
    rows.fillGap(gap, [record(2), record(3)], undefined);
    expect(seqs(rows)).toEqual([4, 3, 2, 1]);
  });

  it('lets the oldest live rows go when they alone are too many', () => {
    const rows = new HeldRows(3);
    rows.addLive([1, 2, 3, 4, 5].map(record), 0);
    expect(seqs(rows)).toEqual([5, 4, 3]);
  });
});
