import fc from 'fast-check';
import { expect, it } from 'vitest';
import { WeightedPicker } from '../../../src/data-plane/routing/weighted-picker.ts';

const next = (split: WeightedPicker): number => {
  const deployment = split.peek();
  // Looking alone takes no turn.
  expect(split.peek()).toBe(deployment);
  split.take(deployment);
  return deployment;
};

const shares = fc
  .array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 5 })
  .filter((weights) => weights.some((weight) => weight > 0));

it('each deployment has its share after any number of requests, to within one', () => {
  fc.assert(
    fc.property(shares, fc.nat(300), (weights, requests) => {
      const split = new WeightedPicker(
        weights.map((weight, deployment) => ({ deployment, weight })),
        () => true,
      );
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const counts = weights.map(() => 0);
      for (let i = 1; i <= requests; i++) {
        counts[next(split)]!++;
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

it('a whole round gives each exactly its weight', () => {
  const weights = [5, 1, 1];
  const split = new WeightedPicker(
    weights.map((weight, deployment) => ({ deployment, weight })),
    () => true,
  );
  const round = Array.from({ length: 7 }, () => next(split));
  // The method's own example: a a b a c a a.
  expect(round).toEqual([0, 0, 1, 0, 2, 0, 0]);
});

it('a deployment without a ready replica gets nothing while another has one, and its share when none has', () => {
  const ready = [true, false];
  const split = new WeightedPicker(
    [
      { deployment: 0, weight: 50 },
      { deployment: 1, weight: 50 },
    ],
    (deployment) => ready[deployment]!,
  );
  const sent = (count: number) => new Set(Array.from({ length: count }, () => next(split)));
  expect(sent(10)).toEqual(new Set([0]));
  ready[0] = false;
  expect(sent(10)).toEqual(new Set([0, 1]));
  ready[1] = true;
  expect(sent(10)).toEqual(new Set([1]));
});
