import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isGap, isRecord } from '../../page/pages/logs/held-rows.ts';
import { LiveQueue } from '../../page/pages/logs/live-queue.ts';
import type { LogJson } from '../../page/pages/logs/record.ts';

const record = (seq: number): LogJson => ({
  timestamp: '',
  timestamp_ns: '0',
  seq,
  kind: 'line',
  message: '',
});

describe('records that wait for the live list', () => {
  it('are taken in order, a part at a time', () => {
    const queue = new LiveQueue('0');
    for (const seq of [1, 2, 3]) queue.push(record(seq), String(seq));
    expect(queue.take(2).map((row) => isRecord(row) && row.seq)).toEqual([1, 2]);
    expect(queue.size).toBe(1);
    expect(queue.hasRows).toBe(true);
    expect(queue.take(2).map((row) => isRecord(row) && row.seq)).toEqual([3]);
    expect(queue.hasRows).toBe(false);
  });

  it('are left out when there are too many, the oldest first, as a gap at their place', () => {
    const queue = new LiveQueue('7', 2);
    for (const seq of [8, 9, 10, 11]) queue.push(record(seq), String(seq));
    expect(queue.leftOut).toBe(2);
    expect(queue.size).toBe(4);
    expect(queue.take(9)).toEqual([
      { afterPlace: '7', count: 2, isCounted: true, nextSeq: 10 },
      record(10),
      record(11),
    ]);
  });

  it('stand behind what weir dropped, whose end is the next record', () => {
    const queue = new LiveQueue('1');
    queue.push(record(2), '2');
    expect(queue.take(1)).toEqual([record(2)]);
    queue.drop(40, false);
    expect(queue.take(5)).toEqual([]);
    queue.push(record(50), '50');
    expect(queue.take(5)).toEqual([
      { afterPlace: '2', count: 40, isCounted: false, nextSeq: 50 },
      record(50),
    ]);
  });

  it('are all taken or counted, in order, whatever the reader does', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant('push' as const), fc.nat(5)), { maxLength: 200 }), (acts) => {
        const queue = new LiveQueue('0', 8);
        let seq = 0;
        let counted = 0;
        const seen: number[] = [];
        const take = (count: number): void => {
          for (const row of queue.take(count)) {
            if (isGap(row)) {
              expect(row.afterPlace).toBe(String(seen.at(-1) ?? 0));
              counted += row.count;
            } else seen.push(row.seq);
          }
        };
        for (const act of acts) {
          if (act === 'push') {
            seq++;
            queue.push(record(seq), String(seq));
          } else take(act);
        }
        take(1000);
        expect(seen.length + counted).toBe(seq);
        expect(seen).toEqual([...seen].sort((a, b) => a - b));
      }),
    );
  });
});
