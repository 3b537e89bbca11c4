// Families of the autoscaler: its last decision for each deployment, and the load that it is based on.
import type { Family, Sample } from '../family.ts';
import type { MetricSources, ScalingFigures } from '../metric-sources.ts';

const each =
  (valueOf: (figures: ScalingFigures) => number | null) =>
  ({ autoscaler }: MetricSources): Sample[] =>
    autoscaler.readings().flatMap((figures) => {
      const value = valueOf(figures);
      return value === null ? [] : [{ labels: { deployment_id: figures.id }, value }];
    });

export const scalingFamilies: readonly Family[] = [
  {
    name: 'weir_replicas_desired',
    type: 'gauge',
    help: 'Number of replicas that the requests through this weir need.',
    labels: ['deployment_id'],
    samples: each(({ desired }) => desired),
  },
  {
    name: 'weir_in_flight_mean',
    type: 'gauge',
    help: 'Mean number of requests in flight over scale.autoscaling_window. Sum it if several weirs serve a deployment.',
    labels: ['deployment_id'],
    samples: each(({ mean_in_flight }) => mean_in_flight),
  },
  {
    name: 'weir_in_flight_per_replica_target',
    type: 'gauge',
    help: 'Target of requests in flight per replica: concurrency target times target utilization.',
    labels: ['deployment_id'],
    samples: each(({ in_flight_per_replica }) => in_flight_per_replica),
  },
];
