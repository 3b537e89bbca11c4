// How merging the replicas' own pages goes: a page that is left out, in part or whole, is seen here.
// Must stay true: no series where nothing is merged.
import type { MergeReading } from '../../../collectors/replica-metrics/replica-metrics.ts';
import type { Family } from '../family.ts';

export function mergeFamilies(readings: () => readonly MergeReading[]): Family[] {
  const LABELS = ['deployment_id', 'replica'];
  const labelsOf = ({ deployment, replica }: MergeReading) => ({ deployment_id: deployment, replica });
  return [
    {
      name: 'weir_merge_success',
      type: 'gauge',
      help: '1 when the last fetch of the replica’s own metrics page gave one, else 0.',
      labels: LABELS,
      samples: () =>
        readings()
          .filter(({ isWell }) => isWell !== undefined)
          .map((reading) => ({ labels: labelsOf(reading), value: reading.isWell ? 1 : 0 })),
    },
    {
      name: 'weir_merge_series',
      type: 'gauge',
      help: 'Series of the replica’s own page that are merged into this one now.',
      labels: LABELS,
      samples: () => readings().map((reading) => ({ labels: labelsOf(reading), value: reading.series })),
    },
    {
      name: 'weir_merge_errors_total',
      type: 'counter',
      help: 'Pages, lines and families of replicas that were left out, by what was wrong with them.',
      labels: [...LABELS, 'reason'],
      samples: () =>
        readings().flatMap((reading) =>
          Array.from(reading.faults, ([reason, value]) => ({
            labels: { ...labelsOf(reading), reason },
            value,
          })),
        ),
    },
  ];
}
