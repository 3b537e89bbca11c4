// Memory and utilization of the replicas' GPUs (contracts/baseten.md 4.2).
// Must stay true: a figure that nvidia-smi does not have is absent, never 0.
import type { GpuReading } from '../../samplers/samplers.ts';
import type { Family } from '../family.ts';
import { COMMON, type CommonLabels } from './common.ts';

export function gpuFamilies(common: CommonLabels, gpus: () => readonly GpuReading[]): Family[] {
  const family = (
    name: string,
    help: string,
    value: (reading: GpuReading) => number | undefined,
  ): Family => ({
    name,
    type: 'gauge',
    help,
    labels: [...COMMON, 'replica', 'gpu'],
    samples: () =>
      gpus().flatMap((reading) => {
        const { deployment, replica, gpu } = reading;
        const known = value(reading);
        return known === undefined
          ? []
          : [{ labels: common.with(deployment, { replica, gpu }), value: known }];
      }),
  });
  return [
    family(
      'baseten_gpu_memory_used',
      'MiB of GPU memory in use; gpu is the index that nvidia-smi prints, with the device number behind it under MIG.',
      (reading) => reading.memoryUsedMiB,
    ),
    family(
      'baseten_gpu_utilization',
      'Percent of time in which the GPU was at work, 0 to 100; under MIG there is no such figure.',
      (reading) => reading.utilizationPercent,
    ),
  ];
}
