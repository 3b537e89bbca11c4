// Histograms of asynchronous requests: bounds and counts.
import { expect, it } from 'vitest';
import { AsyncTotals, taskWaitBounds } from '../../../src/telemetry/metrics/async-totals.ts';

const BOUNDS = [0.1, 1, 600, 1200];

it('has bounds up to the longest allowed time in the queue', () => {
  expect(taskWaitBounds(BOUNDS)).toEqual([
    ...BOUNDS,
    1800,
    3600,
    7200,
    14_400,
    28_800,
    43_200,
    86_400,
    172_800,
    259_200,
  ]);
});

it('keeps the configured bounds and adds only longer ones', () => {
  expect(taskWaitBounds([1, 50_000])).toEqual([1, 50_000, 86_400, 172_800, 259_200]);
  expect(taskWaitBounds([300_000])).toEqual([300_000]);
});

it('separates waits of hours, and counts deliveries with the configured bounds', () => {
  const totals = new AsyncTotals(2, BOUNDS, (id) => ['a', 'b'].indexOf(id));
  for (const seconds of [0.5, 5000, 100_000, 259_200, 300_000]) totals.started('b', seconds);
  totals.delivered('b', 5000);
  const { bounds, cumulative, count, sum } = totals.waited(1);
  const below = (bound: number) => cumulative[bounds.indexOf(bound)];
  expect([below(1), below(3600), below(7200), below(86_400), below(172_800), below(259_200)]).toEqual([
    1, 1, 2, 2, 3, 4,
  ]);
  expect([count, sum]).toEqual([5, 0.5 + 5000 + 100_000 + 259_200 + 300_000]);
  expect(Array.from(totals.latency(1).bounds)).toEqual(BOUNDS);
  expect(totals.latency(1).count).toBe(1);
  expect(totals.waited(0).count).toBe(0);
});
