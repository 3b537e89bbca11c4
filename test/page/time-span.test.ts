import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moved, stepFor, ticks } from '../../page/pages/logs/time-span.ts';

const HOUR = { fromMs: 3_600_000, toMs: 7_200_000 };

describe('steps of the histogram', () => {
  it('are round, and not more than wanted', () => {
    expect(stepFor(HOUR, 120)).toBe(30_000);
    expect(stepFor({ fromMs: 0, toMs: 400 * 86_400_000 }, 120)).toBe(4 * 86_400_000);
  });

  it('have labels at round times', () => {
    expect(ticks(HOUR, 4)).toEqual([3_600_000, 4_500_000, 5_400_000, 6_300_000, 7_200_000]);
  });
});

describe('a brush that keys move', () => {
  it('begins as the last step', () => {
    expect(moved(undefined, HOUR, 30_000, -1, false)).toEqual({ fromMs: 7_170_000, toMs: 7_200_000 });
  });

  it('moves by a step, and widens by one', () => {
    const brush = { fromMs: 5_000_000, toMs: 5_100_000 };
    expect(moved(brush, HOUR, 30_000, -1, false)).toEqual({ fromMs: 4_970_000, toMs: 5_070_000 });
    expect(moved(brush, HOUR, 30_000, -1, true)).toEqual({ fromMs: 4_970_000, toMs: 5_100_000 });
    expect(moved(brush, HOUR, 30_000, 1, true)).toEqual({ fromMs: 5_000_000, toMs: 5_130_000 });
  });

  it('stays in its range', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(-1, 1), fc.boolean()), { maxLength: 200 }), (keys) => {
        let brush = moved(undefined, HOUR, 600_000, 1, false);
        for (const [by, isWidened] of keys) brush = moved(brush, HOUR, 600_000, by, isWidened);
        expect(brush.fromMs).toBeGreaterThanOrEqual(HOUR.fromMs);
        expect(brush.toMs).toBeLessThanOrEqual(HOUR.toMs);
        expect(brush.toMs).toBeGreaterThan(brush.fromMs);
      }),
    );
  });
});
