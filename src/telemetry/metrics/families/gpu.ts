// Families of GPU memory and utilization: of each replica's GPUs (docs/contracts/serving.md 4.2), and of each GPU.
// Invariant: a value that nvidia-smi does not report is absent, never 0.
import type { GpuFigures, GpuReading } from '../../../collectors/collectors.ts';
import { COMMON_LABELS } from '../deployment-labels.ts';
import type { Family } from '../family.ts';

const BYTES_PER_MIB = 1024 ** 2;

const perReplica = (
  name: string,
  help: string,
  valueOf: (reading: GpuReading) => number | undefined,
): Family => ({
  name,
  type: 'gauge',
  help,
  labels: [...COMMON_LABELS, 'replica', 'gpu'],
  samples: ({ collectors, labels }) =>
    collectors.gpus().flatMap((reading) => {
      const { deployment, replica, gpu } = reading;
      const value = valueOf(reading);
      return value === undefined ? [] : [{ labels: labels.with(deployment, { replica, gpu }), value }];
    }),
});

const perGpu = (
  name: string,
  help: string,
  valueOf: (figures: GpuFigures) => number | undefined,
): Family => ({
  name,
  type: 'gauge',
  help,
  labels: ['gpu'],
  samples: ({ collectors }) =>
    collectors.gpuFigures().flatMap((figures) => {
      const value = valueOf(figures);
      return value === undefined ? [] : [{ labels: { gpu: figures.gpu }, value }];
    }),
});

export const gpuFamilies: readonly Family[] = [
  perReplica(
    'baseten_gpu_memory_used',
    'GPU memory in use, in MiB: of the whole GPU, or of the replica’s processes if other processes use the GPU too. `gpu` is the index that nvidia-smi prints; under MIG, card and device number, such as 0:1.',
    ({ memoryUsedMiB }) => memoryUsedMiB,
  ),
  perReplica(
    'baseten_gpu_utilization',
    'Time in which the GPU was busy, in percent, 0 to 100. Not available under MIG.',
    ({ utilizationPercent }) => utilizationPercent,
  ),
  perGpu(
    'weir_gpu_memory_used_bytes',
    'GPU memory in use by all processes, in bytes.',
    ({ memoryUsedMiB }) => memoryUsedMiB && memoryUsedMiB * BYTES_PER_MIB,
  ),
  perGpu(
    'weir_gpu_utilization_percent',
    'Time in which the GPU was busy with any process, in percent, 0 to 100.',
    ({ utilizationPercent }) => utilizationPercent,
  ),
];
