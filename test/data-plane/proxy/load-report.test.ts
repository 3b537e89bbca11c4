import { expect, it } from 'vitest';
import { loadReport } from '../../../src/data-plane/proxy/load-report.ts';

const load = (concurrency_target: number, outstanding: number[], waiting: number) => ({
  options: { concurrency_target },
  replicas: outstanding.map((count) => ({ outstanding: count })),
  waiting,
  count: outstanding.length,
});

it('reports the share of the replicas’ capacity, above 1 while requests wait', () => {
  expect(loadReport('TEXT', load(4, [2, 4], 0))).toBe(
    'TEXT application_utilization=0.75, named_metrics.running=6, named_metrics.waiting=0',
  );
  expect(loadReport('JSON', load(2, [2, 2], 2))).toBe(
    'JSON {"application_utilization":1.5,"named_metrics":{"running":4,"waiting":2}}',
  );
  expect(loadReport('TEXT', load(0, [3], 0))).toBe('TEXT named_metrics.running=3, named_metrics.waiting=0');
  expect(loadReport('PROTO', load(1, [0], 0))).toBeUndefined();
});
