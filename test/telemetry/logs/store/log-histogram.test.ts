// The log-linear histogram, against the sorted values.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogHistogram } from '../../../../src/telemetry/logs/store/log-histogram.ts';

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const value = fc.oneof(
  fc.nat(2000),
  fc.integer(),
  fc.maxSafeNat(),
  finite,
  fc.constantFrom(0, -0, 2 ** -1000, 1e300),
);
const values = fc.array(value, { minLength: 1, maxLength: 300 });

const histogramOf = (from: readonly number[]): LogHistogram => {
  const histogram = new LogHistogram();
  for (const one of from) histogram.add(one);
  return histogram;
};

const PS = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 1];
const percentiles = (histogram: LogHistogram) => PS.map((p) => histogram.percentile(p));

describe('a histogram', () => {
  it('has percentiles within 1.6 % of the nearest values', () => {
    fc.assert(
      fc.property(values, (given) => {
        const sorted = Float64Array.from(given).sort();
        const histogram = histogramOf(given);
        for (const p of PS) {
          const rank = (sorted.length - 1) * p;
          const [below, above] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
          const found = histogram.percentile(p)!;
          // Subnormal numbers have fewer bits, so their buckets are relatively wider.
          expect(found).toBeGreaterThanOrEqual(below - Math.abs(below) * 0.016 - 1e-307);
          expect(found).toBeLessThanOrEqual(above + Math.abs(above) * 0.016 + 1e-307);
        }
        expect(histogram.count).toBe(given.length);
      }),
    );
  });

  it('has the exact smallest and largest value', () => {
    fc.assert(
      fc.property(values, (given) => {
        const histogram = histogramOf(given);
        // Plus 0, since -0 counts as 0.
        expect(histogram.percentile(0)! + 0).toBe(Math.min(...given) + 0);
        expect(histogram.percentile(1)! + 0).toBe(Math.max(...given) + 0);
      }),
    );
  });

  it('interpolates between two values that are far apart', () => {
    expect(histogramOf([100, 200]).percentile(0.5)).toBe(150);
    expect(histogramOf([-100, 300]).percentile(0.25)).toBe(0);
    expect(histogramOf([7]).percentile(0.99)).toBe(7);
  });

  it('has no percentile without values', () => {
    expect(new LogHistogram().percentile(0.5)).toBeNull();
  });

  it('is the same after a merge as with all values added', () => {
    fc.assert(
      fc.property(values, values, (some, more) => {
        const merged = histogramOf(some);
        merged.merge(histogramOf(more));
        expect(merged.encode()).toEqual(histogramOf([...some, ...more]).encode());
        expect(percentiles(merged)).toEqual(percentiles(histogramOf([...some, ...more])));
      }),
    );
  });

  it('is the same after it was encoded and decoded', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, fc.integer({ min: 1, max: 2 ** 40 }))), (given) => {
        const histogram = new LogHistogram();
        for (const [one, count] of given) histogram.add(one, count);
        const decoded = LogHistogram.decode(histogram.encode());
        expect(percentiles(decoded)).toEqual(percentiles(histogram));
        expect(decoded.count).toBe(histogram.count);
        expect(decoded.encode()).toEqual(histogram.encode());
      }),
    );
  });

  it('takes few bytes for many values of similar size', () => {
    const histogram = histogramOf(Array.from({ length: 100_000 }, (_, i) => 1_000_000 + i * 10));
    expect(histogram.encode().length).toBeLessThan(64 * 4 + 20);
  });

  it('does not decode bytes that are cut, continued or random', () => {
    const bytes = histogramOf([1, 5, 900]).encode();
    for (let length = 0; length < bytes.length; length++)
      expect(() => LogHistogram.decode(bytes.subarray(0, length)), `${length}`).toThrow(/invalid histogram/);
    expect(() => LogHistogram.decode(Uint8Array.of(...bytes, 0))).toThrow(/invalid histogram/);
    expect(() => LogHistogram.decode(new Uint8Array(40).fill(0xff))).toThrow(/invalid histogram/);
  });
});
