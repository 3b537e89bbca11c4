// Processor time and memory of replicas (contracts/baseten.md 4.2), and where the figures come from.
// Must stay true: a replica that was not read has no series; 0 would say that it costs nothing.
import type { ContainerReading } from '../../../collectors/collectors.ts';
import type { Family } from '../family.ts';
import { COMMON_LABELS, type CommonLabels } from './labels.ts';

export function containerFamilies(
  common: CommonLabels,
  containers: () => readonly ContainerReading[],
): Family[] {
  const labels = ({ deployment, replica }: ContainerReading) => common.with(deployment, { replica });
  const own = ({ deployment, replica }: ContainerReading) => ({
    deployment_id: common.id(deployment),
    replica,
  });
  return [
    {
      name: 'baseten_container_cpu_usage_seconds_total',
      type: 'counter',
      help: 'Core-seconds that the replica has used, restarts included.',
      labels: [...COMMON_LABELS, 'replica'],
      samples: () => containers().map((reading) => ({ labels: labels(reading), value: reading.cpuSeconds })),
    },
    {
      name: 'baseten_container_cpu_memory_working_set_bytes',
      type: 'gauge',
      help: 'Memory of the replica without file pages that can be dropped.',
      labels: [...COMMON_LABELS, 'replica'],
      samples: () =>
        containers().map((reading) => ({ labels: labels(reading), value: reading.workingSetBytes })),
    },
    {
      name: 'weir_container_cpu_throttled_seconds_total',
      type: 'counter',
      help: 'Time the replica was held back by its processor limit, where its control group tells.',
      labels: ['deployment_id', 'replica'],
      samples: () =>
        containers().flatMap((reading) =>
          reading.throttledSeconds === undefined
            ? []
            : [{ labels: own(reading), value: reading.throttledSeconds }],
        ),
    },
    {
      name: 'weir_container_source_info',
      type: 'gauge',
      help: 'Always 1; source is where the figures of the replica come from: cgroup_v2, cgroup_v1, process_tree or docker.',
      labels: ['deployment_id', 'replica', 'source'],
      samples: () =>
        containers().map((reading) => ({ labels: { ...own(reading), source: reading.source }, value: 1 })),
    },
  ];
}
