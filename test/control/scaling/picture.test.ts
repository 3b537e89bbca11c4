import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { draw, simulate } from '../../../examples/autoscale.ts';
import { ROOT } from '../../kit/weir.ts';

it('draws the picture of the autoscaling guide from the algorithm (npm run docs)', () => {
  const moments = simulate();
  expect(draw(moments)).toBe(readFileSync(`${ROOT}docs/autoscale.svg`, 'utf8'));
  // The picture shows zero replicas at night, the first request at once, and the limit.
  expect(moments[4 * 3600]).toEqual({ inFlight: 0, desired: 0 });
  expect(moments.find(({ inFlight }) => inFlight > 0)!.desired).toBeGreaterThan(0);
  expect(moments.at(-1)).toEqual({ inFlight: 0, desired: 0 });
  expect(Math.max(...moments.map(({ desired }) => desired))).toBeLessThanOrEqual(12);
});
