// Paths of small charts, and heights of bars that stand on each other.
import { expect, it } from 'vitest';
import { barHeights, stepOf } from '../../page/parts/chart-bars.ts';
import { sparkPath } from '../../page/parts/spark-path.ts';

it('draws a line from left to right, with the largest value at the top', () => {
  expect(sparkPath([0, 10, 5], 26)).toEqual({
    line: 'M0.00 25.00L50.00 2.00L100.00 13.50',
    area: 'M0.00 26L0.00 25.00L50.00 2.00L100.00 13.50L100.00 26Z',
  });
});

it('leaves a gap where nothing is known, and draws a value alone as a dash', () => {
  const { line } = sparkPath([1, null, 1, null, null], 26);
  expect(line).toBe('M0.00 2.00L25.00 2.00M50.00 2.00L75.00 2.00');
  expect(sparkPath([null, null], 26)).toEqual({ line: '', area: '' });
});

it('draws small values low if a larger maximum is given', () => {
  expect(sparkPath([1, 1], 26, 100).line).toBe('M0.00 24.77L100.00 24.77');
});

it('adds the parts of a bar; a bar of which nothing is known is none', () => {
  const series = [
    { color: 'bar', points: [1, null, 0] },
    { color: 'err', points: [2, null, null] },
  ];
  expect(barHeights(series, 3)).toEqual([3, null, 0]);
  expect(stepOf([1000, 3000, 5000])).toBe(2000);
});
