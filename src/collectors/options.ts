// Settings of the collectors (section `samplers`).
import { duration, flag, section, type Settings } from '../core/settings.ts';

export const collectorsOptions = section({
  container: flag({ default: true, doc: 'Collect CPU time and memory of replicas on this machine.' }),
  container_interval: duration({ default: 10_000, min: 100, doc: 'Interval of these readings.' }),
  gpu: flag({
    default: true,
    doc: 'Collect GPU memory and utilization with nvidia-smi, if it is installed.',
  }),
  gpu_interval: duration({
    default: 5000,
    min: 100,
    doc: 'Interval in which the running nvidia-smi prints them.',
  }),
  gpu_inventory_interval: duration({
    default: 30_000,
    min: 100,
    doc: 'Interval of a second nvidia-smi that lists MIG slices and the processes on each GPU.',
  }),
  process_interval: duration({
    default: 1000,
    doc: 'Interval of checks that the processes of replicas on this machine still run. A replica whose process ended is probed at once. 0 means no checks.',
  }),
  timeout: duration({
    default: 10_000,
    min: 50,
    doc: 'Maximum duration of one reading, and of the wait for the first line of nvidia-smi.',
  }),
  max_age: duration({
    default: 60_000,
    min: 200,
    doc: 'Maximum age of a reading. The series of an older one are removed.',
  }),
});
export type CollectorsOptions = Settings<typeof collectorsOptions>;
