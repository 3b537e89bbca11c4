import fc from 'fast-check';
import { expect, it } from 'vitest';
import { WeightedPicker } from '../../../src/data-plane/routing/weighted-picker.ts';

const next = (picker: WeightedPicker): number => {
  const deployment = picker.peek();
  // `peek` does not count a request.
  expect(picker.peek()).toBe(deployment);
  picker.take(deployment);
  return deployment;
};

const shares = fc
  .array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 5 })
  .filter((weights) => weights.some((weight) => weight > 0));

it('gives each deployment its share of any number of requests, to within one', () => {
  fc.assert(
    fc.property(shares, fc.nat(300), (weights, requests) => {
      const picker = new WeightedPicker(
        weights.map((weight, deployment) => ({ deployment, weight })),
        () => true,
      );
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const counts = weights.map(() => 0);
      for (let i = 1; i <= requests; i++) {
        counts[next(picker)]!++;
        for (const [deployment, weight] of weights.entries())
          expect(Math.abs(counts[deployment]! - (i * weight) / total)).toBeLessThanOrEqual(
            weights.length === 1 ? 0 : weights.length - 1,
          );
      }
      for (const [deployment, weight] of weights.entries())
        if (weight === 0 && weights.length > 1) expect(counts[deployment]).toBe(0);
    }),
  );
});

it('gives each deployment exactly its weight in a whole round', () => {
  const weights = [5, 1, 1];
  const picker = new WeightedPicker(
    weights.map((weight, deployment) => ({ deployment, weight })),
    () => true,
  );
  const round = Array.from({ length: 7 }, () => next(picker));
  // The example of nginx: a a b a c a a.
  expect(round).toEqual([0, 0, 1, 0, 2, 0, 0]);
});

it('gives nothing to a deployment without a ready replica, unless none has one', () => {
  const ready = [true, false];
  const picker = new WeightedPicker(
    [
      { deployment: 0, weight: 50 },
      { deployment: 1, weight: 50 },
    ],
    (deployment) => ready[deployment]!,
  );
  const sent = (count: number) => new Set(Array.from({ length: count }, () => next(picker)));
  expect(sent(10)).toEqual(new Set([0]));
  ready[0] = false;
  expect(sent(10)).toEqual(new Set([0, 1]));
  ready[1] = true;
  expect(sent(10)).toEqual(new Set([1]));
});
