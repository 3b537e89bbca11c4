// Percentiles by partial sorting, against sorted values.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { percentilesOf, type NumberArray } from '../../../../src/telemetry/logs/store/order-statistic.ts';

/** Sorts, and interpolates between the two nearest values, as percentile_cont does. */
const bySorting = (values: NumberArray, ps: readonly number[]): number[] => {
  const sorted = values.slice().sort();
  return ps.map((p) => {
    const rank = (sorted.length - 1) * p;
    const [below, above] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
    return below + (rank - Math.floor(rank)) * (above - below);
  });
};

const p = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.5, 0.99, 1));
const ps = fc.array(p, { minLength: 1, maxLength: 5 });

const listOf = (value: fc.Arbitrary<number>) =>
  fc.array(value, { minLength: 1, maxLength: 3000, size: 'max' });
it.each([
  ['few different values', listOf(fc.nat(20)).map((all) => Uint32Array.from(all))],
  // -0 + 0 is 0.
  [
    'fractions',
    listOf(fc.double({ noNaN: true, min: -1e9, max: 1e9 }).map((value) => value + 0)).map((all) =>
      Float64Array.from(all),
    ),
  ],
])('percentiles of %s are those of the sorted values', (_, arbitrary: fc.Arbitrary<NumberArray>) => {
  fc.assert(
    fc.property(arbitrary, ps, (values, wanted) => {
      const expected = bySorting(values, wanted);
      expect(percentilesOf(values, values.length, wanted)).toEqual(expected);
    }),
  );
});

it('percentiles of a part of an array do not depend on the rest', () => {
  expect(percentilesOf(Uint32Array.of(3, 1, 2, 0, 0), 3, [0, 0.5, 1])).toEqual([1, 2, 3]);
});

const length = 200_000;
it.each([
  ['rising', (i: number) => i],
  ['falling', (i: number) => length - i],
  ['equal', () => 5],
  ['like an organ pipe', (i: number) => Math.min(i, length - i)],
  ['rising with a small end', (i: number) => (i === length - 1 ? 0 : i)],
  ['alternating', (i: number) => (i % 2 === 0 ? i : length - i)],
  ['of two kinds', (i: number) => i % 2],
])('percentiles of many values that are %s are right', (_, of) => {
  const values = Uint32Array.from({ length }, (__, i) => of(i));
  const wanted = [0.001, 0.5, 0.99, 0.999];
  const expected = bySorting(values, wanted);
  expect(percentilesOf(values, length, wanted)).toEqual(expected);
});
