import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingMean } from '../../../src/control/scaling/sliding-mean.ts';

/** What happens to the number: after so many milliseconds it changes by so much, and perhaps somebody asks. */
const steps = fc.array(
  fc.record({ after: fc.nat({ max: 3000 }), to: fc.nat({ max: 50 }), isAsked: fc.boolean() }),
  { maxLength: 200 },
);

/** The mean by the definition: every millisecond of the window looked at. */
function trueMean(changes: readonly { atMs: number; value: number }[], fromMs: number, toMs: number): number {
  let area = 0;
  changes.forEach(({ atMs, value }, i) => {
    const endMs = Math.min(toMs, changes[i + 1]?.atMs ?? toMs);
    area += value * Math.max(0, endMs - Math.max(fromMs, atMs));
  });
  return area / (toMs - fromMs);
}

describe('the sliding mean', () => {
  it('is exact as long as the window is not full, however seldom anybody asks', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5000 }), (moves, rest) => {
        const mean = new SlidingMean(3_600_000, 1000);
        const changes = [{ atMs: 1000, value: 0 }];
        let nowMs = 1000;
        for (const { after, to, isAsked } of moves) {
          nowMs += after;
          mean.change(to - mean.value, nowMs);
          changes.push({ atMs: nowMs, value: to });
          if (isAsked) mean.mean(nowMs);
        }
        nowMs += rest;
        expect(mean.mean(nowMs)).toBeCloseTo(trueMean(changes, 1000, nowMs), 6);
      }),
    );
  });

  it('is off by what can happen in one second of the window at most once that slides, asked every second', () => {
    fc.assert(
      fc.property(steps, (moves) => {
        const windowMs = 10_000;
        const mean = new SlidingMean(windowMs, 0);
        const changes = [{ atMs: 0, value: 0 }];
        let nowMs = 0;
        let askMs = 1000;
        const ask = () => {
          const truth = trueMean(changes, Math.max(0, askMs - windowMs), askMs);
          expect(Math.abs(mean.mean(askMs) - truth)).toBeLessThanOrEqual((50 * 1000) / windowMs);
          askMs += 1000;
        };
        for (const { after, to } of moves) {
          nowMs += after;
          for (let due = Math.floor((nowMs - askMs) / 1000); due >= 0; due--) ask();
          mean.change(to - mean.value, nowMs);
          changes.push({ atMs: nowMs, value: to });
        }
        for (let i = 0; i < 15; i++) ask();
        // A constant number is its own mean, to the last digit that matters, after however much has gone before.
        expect(mean.mean(askMs)).toBeCloseTo(mean.value, 6);
      }),
    );
  });

  it('sees requests that begin and end between two looks', () => {
    const mean = new SlidingMean(60_000, 0);
    for (let i = 0; i < 60_000; i += 10) {
      mean.change(3, i);
      mean.change(-3, i + 5);
      if (i % 1000 === 990) mean.mean(i + 10);
    }
    expect(mean.value).toBe(0);
    expect(mean.mean(60_000)).toBeCloseTo(1.5, 6);
  });

  it('forgets what is older than the window: 0 is 0', () => {
    const mean = new SlidingMean(10_000, 0);
    mean.change(1_000_000, 0);
    mean.mean(1000);
    mean.change(-1_000_000, 1234.567);
    for (let i = 2000; i <= 12_000; i += 1000) mean.mean(i);
    expect(mean.mean(12_000)).toBe(0);
  });

  it('gives what is there to whoever asks at the start', () => {
    const mean = new SlidingMean(10_000, 5);
    mean.change(7, 5);
    expect(mean.mean(5)).toBe(7);
  });
});
