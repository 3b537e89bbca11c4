// Families of the replicas' CPU and memory (docs/contracts/serving.md 4.2), and of the source of these values.
// Invariant: a replica without a reading has no series, since 0 would mean that it uses nothing.
import type { ContainerReading } from '../../../collectors/collectors.ts';
import { COMMON_LABELS } from '../deployment-labels.ts';
import type { Family } from '../family.ts';
import type { MetricSources } from '../metric-sources.ts';

const commonLabels = ({ labels }: MetricSources, { deployment, replica }: ContainerReading) =>
  labels.with(deployment, { replica });
const ownLabels = ({ labels }: MetricSources, { deployment, replica }: ContainerReading) => ({
  deployment_id: labels.id(deployment),
  replica,
});

export const containerFamilies: readonly Family[] = [
  {
    name: 'baseten_container_cpu_usage_seconds_total',
    type: 'counter',
    help: 'CPU time that the replica used, in core-seconds, restarts included.',
    labels: [...COMMON_LABELS, 'replica'],
    samples: (sources) =>
      sources.collectors
        .containers()
        .map((reading) => ({ labels: commonLabels(sources, reading), value: reading.cpuSeconds })),
  },
  {
    name: 'baseten_container_cpu_memory_working_set_bytes',
    type: 'gauge',
    help: 'Working set of the replica in bytes: memory in use without inactive file pages.',
    labels: [...COMMON_LABELS, 'replica'],
    samples: (sources) =>
      sources.collectors
        .containers()
        .map((reading) => ({ labels: commonLabels(sources, reading), value: reading.workingSetBytes })),
  },
  {
    name: 'weir_container_cpu_throttled_seconds_total',
    type: 'counter',
    help: 'CPU time the replica was throttled, in seconds. Only if its control group reports it.',
    labels: ['deployment_id', 'replica'],
    samples: (sources) =>
      sources.collectors
        .containers()
        .flatMap((reading) =>
          reading.throttledSeconds === undefined
            ? []
            : [{ labels: ownLabels(sources, reading), value: reading.throttledSeconds }],
        ),
  },
  {
    name: 'weir_container_source_info',
    type: 'gauge',
    help: 'Always 1. `source` is where the CPU and memory of the replica are read: cgroup_v2, cgroup_v1, process_tree or docker.',
    labels: ['deployment_id', 'replica', 'source'],
    samples: (sources) =>
      sources.collectors
        .containers()
        .map((reading) => ({ labels: { ...ownLabels(sources, reading), source: reading.source }, value: 1 })),
  },
];
