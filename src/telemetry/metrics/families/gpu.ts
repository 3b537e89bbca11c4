// Memory and utilization of the replicas' GPUs (contracts/baseten.md 4.2), and of the GPUs themselves.
// Must stay true: a figure that nvidia-smi does not have is absent, never 0.
import type { GpuFigures, GpuReading } from '../../../collectors/collectors.ts';
import type { Family } from '../family.ts';
import { COMMON_LABELS, type CommonLabels } from './labels.ts';

const BYTES_PER_MIB = 1024 ** 2;

/** `gpus`: the GPUs of each replica. `figures`: the GPUs themselves, each once. */
export function gpuFamilies(
  common: CommonLabels,
  gpus: () => readonly GpuReading[],
  figures: () => readonly GpuFigures[],
): Family[] {
  const family = (
    name: string,
    help: string,
    value: (reading: GpuReading) => number | undefined,
  ): Family => ({
    name,
    type: 'gauge',
    help,
    labels: [...COMMON_LABELS, 'replica', 'gpu'],
    samples: () =>
      gpus().flatMap((reading) => {
        const { deployment, replica, gpu } = reading;
        const known = value(reading);
        return known === undefined
          ? []
          : [{ labels: common.with(deployment, { replica, gpu }), value: known }];
      }),
  });
  const ofGpu = (name: string, help: string, value: (reading: GpuFigures) => number | undefined): Family => ({
    name,
    type: 'gauge',
    help,
    labels: ['gpu'],
    samples: () =>
      figures().flatMap((reading) => {
        const known = value(reading);
        return known === undefined ? [] : [{ labels: { gpu: reading.gpu }, value: known }];
      }),
  });
  return [
    family(
      'baseten_gpu_memory_used',
      'MiB of GPU memory in use: of the GPU, or of the replica’s own processes where others are on it too. gpu is the index that nvidia-smi prints, with the device number behind it under MIG.',
      (reading) => reading.memoryUsedMiB,
    ),
    family(
      'baseten_gpu_utilization',
      'Percent of time in which the GPU was at work, 0 to 100; under MIG there is no such figure.',
      (reading) => reading.utilizationPercent,
    ),
    ofGpu(
      'weir_gpu_memory_used_bytes',
      'Memory of the GPU in use by all processes, in bytes.',
      ({ memoryUsedMiB }) => memoryUsedMiB && memoryUsedMiB * BYTES_PER_MIB,
    ),
    ofGpu(
      'weir_gpu_utilization_percent',
      'Percent of time in which the GPU was busy with any process, 0 to 100.',
      ({ utilizationPercent }) => utilizationPercent,
    ),
  ];
}
