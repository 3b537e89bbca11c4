// Families of replica metrics: whether each replica's own metrics page is merged, and what of it is left out.
import type { ReplicaMetricsReading } from '../../../collectors/replica-metrics/replica-metrics.ts';
import type { Family } from '../family.ts';

const LABELS = ['deployment_id', 'replica'];
const labelsOf = ({ deployment, replica }: ReplicaMetricsReading) => ({ deployment_id: deployment, replica });

export const replicaMetricsFamilies: readonly Family[] = [
  {
    name: 'weir_merge_success',
    type: 'gauge',
    help: '1 if the last fetch of the replica’s metrics page succeeded, else 0.',
    labels: LABELS,
    samples: ({ replicaMetrics }) =>
      replicaMetrics
        .readings()
        .filter(({ isSuccess }) => isSuccess !== undefined)
        .map((reading) => ({ labels: labelsOf(reading), value: reading.isSuccess ? 1 : 0 })),
  },
  {
    name: 'weir_merge_series',
    type: 'gauge',
    help: 'Series of the replica’s metrics page that this page includes.',
    labels: LABELS,
    samples: ({ replicaMetrics }) =>
      replicaMetrics.readings().map((reading) => ({ labels: labelsOf(reading), value: reading.series })),
  },
  {
    name: 'weir_merge_errors_total',
    type: 'counter',
    help: 'Pages, lines and families of replicas’ metrics pages that were left out, by reason.',
    labels: [...LABELS, 'reason'],
    samples: ({ replicaMetrics }) =>
      replicaMetrics.readings().flatMap((reading) =>
        Array.from(reading.errors, ([reason, value]) => ({
          labels: { ...labelsOf(reading), reason },
          value,
        })),
      ),
  },
];
