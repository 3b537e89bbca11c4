// How the samplers do: whoever misses a series finds here which reading failed.
// Must stay true: these are about the reading, not about what was read.
import type { CollectorStats } from '../../../collectors/collectors.ts';
import type { Family } from '../family.ts';

export function collectorFamilies(stats: () => readonly CollectorStats[]): Family[] {
  const gauge = (name: string, help: string, value: (of: CollectorStats) => number | undefined): Family => ({
    name,
    type: 'gauge',
    help,
    labels: ['sampler'],
    samples: () =>
      stats().flatMap((one) => {
        const known = value(one);
        return known === undefined ? [] : [{ labels: { sampler: one.sampler }, value: known }];
      }),
  });
  return [
    gauge('weir_sampler_success', '1 when the last run of the sampler gave a reading, else 0.', (one) =>
      one.isSuccess === undefined ? undefined : Number(one.isSuccess),
    ),
    gauge(
      'weir_sampler_duration_seconds',
      'How long that run took; for gpu, how long nvidia-smi took to its first line.',
      (one) => one.durationSeconds,
    ),
    gauge('weir_sampler_age_seconds', 'Age of the last reading.', (one) => one.ageSeconds),
    {
      name: 'weir_sampler_runs_total',
      type: 'counter',
      help: 'Runs of the sampler by their result: success, failure, timeout, or missing where nvidia-smi is not installed.',
      labels: ['sampler', 'result'],
      samples: () =>
        stats().flatMap(({ sampler, runs }) =>
          Object.entries(runs)
            .filter(
              ([result, value]) => value > 0 || (result !== 'missing' && Object.values(runs).some(Boolean)),
            )
            .map(([result, value]) => ({ labels: { sampler, result }, value })),
        ),
    },
  ];
}
