// Counts of the last hour in slots, and percentiles of durations.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, BUCKETS, percentileMs } from '../../../../src/control/admin/overview/duration-buckets.ts';
import {
  columnOf,
  FigureSlots,
  HOUR_BEFORE,
  HOUR_SLOTS,
  LAST_HOUR,
  LAST_MINUTE,
  STEP_MS,
} from '../../../../src/control/admin/overview/figure-slots.ts';

/** A time at which a slot begins. */
const T = Math.ceil(Date.UTC(2026, 10, 28) / STEP_MS) * STEP_MS;

/** Slots with this number of requests each, 15 seconds apart; the last one is the current one. */
function slotsOf(counts: readonly number[]): { slots: FigureSlots; nowMs: number } {
  const slots = new FigureSlots(T);
  counts.forEach((count, i) => {
    slots.advance(T + i * STEP_MS);
    for (let n = 0; n < count; n++) slots.add(columnOf('2xx'), 1);
  });
  return { slots, nowMs: T + (counts.length - 1) * STEP_MS };
}

describe('percentiles', () => {
  it('are at most 12 % away from the exact ones', () => {
    const duration = fc.double({ min: 1, max: 500_000, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(duration, { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.5, 0.95, 0.99),
        (all, p) => {
          const counts = new Uint32Array(BUCKETS);
          for (const ms of all) counts[bucketOf(ms)]!++;
          const sorted = all.toSorted((a, b) => a - b);
          const exact = sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!;
          const found = percentileMs(counts, p)!;
          expect(found).toBeGreaterThanOrEqual(exact / 1.13);
          expect(found).toBeLessThanOrEqual(exact * 1.13);
        },
      ),
    );
  });

  it('are null without a duration', () => {
    expect(percentileMs(new Uint32Array(BUCKETS), 0.95)).toBeNull();
  });

  it('have a bucket for every duration', () => {
    for (const ms of [0, 1e-9, 0.125, 1e9, Infinity]) expect(bucketOf(ms)).toBeLessThan(BUCKETS);
    expect(bucketOf(0)).toBe(0);
  });
});

describe('the slots of the last hour', () => {
  it('add up the last minute with the slot that has just begun', () => {
    const { slots, nowMs } = slotsOf([100, 1, 2, 3, 4, 5]);
    expect(slots.sum('2xx', LAST_MINUTE)).toBe(1 + 2 + 3 + 4 + 5);
    expect(slots.sum('2xx', HOUR_BEFORE)).toBe(100);
    expect(slots.seconds(LAST_MINUTE, nowMs + 3000)).toBe(63);
    expect(slots.seconds(HOUR_BEFORE, nowMs)).toBe(15);
  });

  it('forget what is older than an hour and a minute', () => {
    const slots = new FigureSlots(T);
    slots.add(columnOf('5xx'), 7);
    slots.advance(T + (HOUR_SLOTS + 4) * STEP_MS);
    expect(slots.sum('5xx', HOUR_BEFORE)).toBe(7);
    slots.advance(T + (HOUR_SLOTS + 5) * STEP_MS);
    expect(slots.sum('5xx', HOUR_BEFORE)).toBe(0);
  });

  it('show no value for the time before the start, and 0 for a time without requests', () => {
    const { slots } = slotsOf([3, 0, 0]);
    const points = slots.points((value) => value('2xx'));
    expect(points).toHaveLength(HOUR_SLOTS);
    expect(points.slice(-3)).toEqual([null, 3, 0]);
  });

  it('count the part of the first slot in which weir ran', () => {
    const slots = new FigureSlots(T + 5000);
    for (let n = 0; n < 20; n++) slots.add(columnOf('2xx'), 1);
    expect(slots.seconds(LAST_MINUTE, T + 9000)).toBe(4);
    slots.advance(T + STEP_MS);
    expect(slots.points((value, seconds) => value('2xx') / seconds).at(-1)).toBe(2);
  });

  it('show no value for a time that the clock jumped over', () => {
    const slots = new FigureSlots(T);
    slots.add(columnOf('2xx'), 1);
    slots.advance(T + 3 * STEP_MS);
    expect(slots.points((value) => value('2xx')).slice(-3)).toEqual([1, null, null]);
  });

  it('stay as they are when the clock goes back', () => {
    const { slots, nowMs } = slotsOf([1, 2]);
    slots.advance(nowMs - 10 * STEP_MS);
    slots.add(columnOf('2xx'), 1);
    expect(slots.sum('2xx', LAST_HOUR)).toBe(4);
    expect(slots.seconds(LAST_MINUTE, nowMs - 10 * STEP_MS)).toBe(15);
  });

  it('keep the p95 of each slot', () => {
    const slots = new FigureSlots(T);
    for (let n = 0; n < 100; n++) slots.addLatency(200);
    slots.advance(T + STEP_MS);
    slots.advance(T + 2 * STEP_MS);
    const [full, empty] = slots.points((value) => value('latencyP95')).slice(-2);
    expect(full).toBeCloseTo(200, -2);
    expect(empty).toBeNaN();
    expect(slots.percentile('latency', 0.5, LAST_MINUTE)).toBeGreaterThan(150);
  });

  it('find since when something has been true, over slots without requests', () => {
    const { slots } = slotsOf([10, 10, 0, 10]);
    expect(slots.since((value) => value('2xx') > 5)).toBe(T);
    slots.add(columnOf('5xx'), 1);
    expect(slots.since((value) => value('5xx') > 0)).toBe(T + 3 * STEP_MS);
    expect(slots.since((value) => value('4xx') > 0)).toBeUndefined();
  });

  it('find nothing that has been true since before weir ran', () => {
    const slots = new FigureSlots(T + 10_000);
    slots.add(columnOf('5xx'), 1);
    expect(slots.since((value) => value('5xx') > 0)).toBe(T + 10_000);
    for (const steps of [1, 2]) slots.advance(T + steps * STEP_MS);
    expect(slots.since((value) => value('5xx') > 0)).toBe(T + 10_000);
  });

  it('give the mean of measured values, without those that are not known', () => {
    const slots = new FigureSlots(T);
    for (let i = 0; i < 7; i++) {
      slots.set('inFlight', i);
      slots.advance(T + (i + 1) * STEP_MS);
    }
    expect(slots.mean('inFlight', HOUR_BEFORE)).toBe(1);
    expect(new FigureSlots(T).mean('inFlight', HOUR_BEFORE)).toBeNull();
  });
});
