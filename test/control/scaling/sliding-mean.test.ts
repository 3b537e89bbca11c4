import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingMean } from '../../../src/control/scaling/sliding-mean.ts';

/** Changes of the number after some milliseconds. `isRead`: the mean is read. */
const steps = fc.array(
  fc.record({ after: fc.nat({ max: 3000 }), to: fc.nat({ max: 50 }), isRead: fc.boolean() }),
  { maxLength: 200 },
);

/** The exact mean. */
function trueMean(changes: readonly { atMs: number; value: number }[], fromMs: number, toMs: number): number {
  let area = 0;
  changes.forEach(({ atMs, value }, i) => {
    const endMs = Math.min(toMs, changes[i + 1]?.atMs ?? toMs);
    area += value * Math.max(0, endMs - Math.max(fromMs, atMs));
  });
  return area / (toMs - fromMs);
}

describe('the sliding mean', () => {
  it('is exact until the window is full, however seldom it is read', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5000 }), (moves, rest) => {
        const mean = new SlidingMean(3_600_000, 1000);
        const changes = [{ atMs: 1000, value: 0 }];
        let nowMs = 1000;
        for (const { after, to, isRead } of moves) {
          nowMs += after;
          mean.change(to - mean.value, nowMs);
          changes.push({ atMs: nowMs, value: to });
          if (isRead) mean.mean(nowMs);
        }
        nowMs += rest;
        expect(mean.mean(nowMs)).toBeCloseTo(trueMean(changes, 1000, nowMs), 6);
      }),
    );
  });

  it('is off by at most one second of the window when it is read every second', () => {
    fc.assert(
      fc.property(steps, (moves) => {
        const windowMs = 10_000;
        const mean = new SlidingMean(windowMs, 0);
        const changes = [{ atMs: 0, value: 0 }];
        let nowMs = 0;
        let readMs = 1000;
        const read = () => {
          const truth = trueMean(changes, Math.max(0, readMs - windowMs), readMs);
          expect(Math.abs(mean.mean(readMs) - truth)).toBeLessThanOrEqual((50 * 1000) / windowMs);
          readMs += 1000;
        };
        for (const { after, to } of moves) {
          nowMs += after;
          for (let due = Math.floor((nowMs - readMs) / 1000); due >= 0; due--) read();
          mean.change(to - mean.value, nowMs);
          changes.push({ atMs: nowMs, value: to });
        }
        for (let i = 0; i < 15; i++) read();
        // A constant number is its own mean.
        expect(mean.mean(readMs)).toBeCloseTo(mean.value, 6);
      }),
    );
  });

  it('counts requests that begin and end between two readings', () => {
    const mean = new SlidingMean(60_000, 0);
    for (let i = 0; i < 60_000; i += 10) {
      mean.change(3, i);
      mean.change(-3, i + 5);
      if (i % 1000 === 990) mean.mean(i + 10);
    }
    expect(mean.value).toBe(0);
    expect(mean.mean(60_000)).toBeCloseTo(1.5, 6);
  });

  it('is exactly 0 when the window contains no request', () => {
    const mean = new SlidingMean(10_000, 0);
    mean.change(1_000_000, 0);
    mean.mean(1000);
    mean.change(-1_000_000, 1234.567);
    for (let i = 2000; i <= 12_000; i += 1000) mean.mean(i);
    expect(mean.mean(12_000)).toBe(0);
  });

  it('is the present number at the start', () => {
    const mean = new SlidingMean(10_000, 5);
    mean.change(7, 5);
    expect(mean.mean(5)).toBe(7);
  });
});
