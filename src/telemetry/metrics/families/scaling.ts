// The families of autoscaling: weir's own.
// Must stay true: they are what the last decision was made of, and what it was.
import type { ScaleReading } from '../../../control/scaling/autoscaler.ts';
import type { Family, Sample } from '../family.ts';

export function scaleFamilies(readings: () => readonly ScaleReading[]): Family[] {
  const each = (valueOf: (reading: ScaleReading) => number | null) => (): Sample[] =>
    readings().flatMap((reading) => {
      const value = valueOf(reading);
      return value === null ? [] : [{ labels: { deployment_id: reading.id }, value }];
    });
  return [
    {
      name: 'weir_replicas_desired',
      type: 'gauge',
      help: 'Replicas that there should be for the requests that come through this weir.',
      labels: ['deployment_id'],
      samples: each(({ desired }) => desired),
    },
    {
      name: 'weir_in_flight_mean',
      type: 'gauge',
      help: 'Mean of the requests in flight over scale.autoscaling_window; sum it where several weirs serve a deployment.',
      labels: ['deployment_id'],
      samples: each(({ mean_in_flight }) => mean_in_flight),
    },
    {
      name: 'weir_in_flight_per_replica_target',
      type: 'gauge',
      help: 'Requests in flight that each replica is wanted to have: concurrency target times target utilization.',
      labels: ['deployment_id'],
      samples: each(({ in_flight_per_replica }) => in_flight_per_replica),
    },
  ];
}
