// Families of the collectors themselves: they show which one fails when a series is missing.
import type { CollectorStats } from '../../../collectors/collectors.ts';
import type { Family } from '../family.ts';

const gauge = (
  name: string,
  help: string,
  valueOf: (stats: CollectorStats) => number | undefined,
): Family => ({
  name,
  type: 'gauge',
  help,
  labels: ['sampler'],
  samples: ({ collectors }) =>
    collectors.stats().flatMap((stats) => {
      const value = valueOf(stats);
      return value === undefined ? [] : [{ labels: { sampler: stats.sampler }, value }];
    }),
});

export const collectorFamilies: readonly Family[] = [
  gauge('weir_sampler_success', '1 if the last run of the collector succeeded, else 0.', ({ isSuccess }) =>
    isSuccess === undefined ? undefined : Number(isSuccess),
  ),
  gauge(
    'weir_sampler_duration_seconds',
    'Duration of the last run of the collector, in seconds. For gpu: time until nvidia-smi printed its first line.',
    ({ durationSeconds }) => durationSeconds,
  ),
  gauge(
    'weir_sampler_age_seconds',
    'Age of the last reading of the collector, in seconds.',
    ({ ageSeconds }) => ageSeconds,
  ),
  {
    name: 'weir_sampler_runs_total',
    type: 'counter',
    help: 'Runs of the collector by result: success, failure, timeout, or missing if nvidia-smi is not installed.',
    labels: ['sampler', 'result'],
    samples: ({ collectors }) =>
      collectors.stats().flatMap(({ sampler, runs }) =>
        Object.entries(runs)
          .filter(
            ([result, value]) => value > 0 || (result !== 'missing' && Object.values(runs).some(Boolean)),
          )
          .map(([result, value]) => ({ labels: { sampler, result }, value })),
      ),
  },
];
