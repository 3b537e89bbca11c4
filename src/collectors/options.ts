// Settings of the samplers: what is read beside the traffic, how often, and how long a reading counts.
import { duration, flag, section, type Settings } from '../core/settings.ts';

export const collectorsOptions = section({
  container: flag({ default: true, doc: 'Read processor time and memory of the replicas on this machine.' }),
  container_interval: duration({ default: 10_000, min: 100, doc: 'How often that is read.' }),
  gpu: flag({
    default: true,
    doc: 'Read GPU memory and utilization from nvidia-smi, where it is installed.',
  }),
  gpu_interval: duration({
    default: 5000,
    min: 100,
    doc: 'How often the one nvidia-smi that runs prints them.',
  }),
  gpu_inventory_interval: duration({
    default: 30_000,
    min: 100,
    doc: 'How often a second nvidia-smi is asked for MIG slices and for which process sits on which GPU.',
  }),
  process_interval: duration({
    default: 1000,
    doc: 'How often weir checks whether the processes of replicas on this machine still run; a replica whose process has ended is probed at once. 0: never.',
  }),
  timeout: duration({
    default: 10_000,
    min: 50,
    doc: 'How long one reading may take, and nvidia-smi may take to its first line.',
  }),
  max_age: duration({
    default: 60_000,
    min: 200,
    doc: 'A reading older than this is shown no more: its series disappear.',
  }),
});
export type CollectorsOptions = Settings<typeof collectorsOptions>;
