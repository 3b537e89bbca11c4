// Reads CPU time and memory of a control group, version 2 or 1.
// https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
// Invariant: a reading is complete; if one value is missing there is no reading.
import { readNumber, readTable } from '../small-file.ts';

/** CPU and memory of a replica, from any source. */
export interface ContainerFigures {
  /** CPU time of all cores since the replica started. */
  readonly cpuSeconds: number;
  /** Memory in use minus inactive file pages, which the kernel can drop. */
  readonly workingSetBytes: number;
  /** CPU time the replica was throttled; `undefined` if the source does not report it. */
  readonly throttledSeconds: number | undefined;
}

/** The directories of a group. Version 1 has one per controller; `cpu` may be missing. */
export type CgroupDirectories =
  | { readonly version: 2; readonly unified: string }
  | {
      readonly version: 1;
      readonly cpuacct: string;
      readonly memory: string;
      readonly cpu: string | undefined;
    };

/** Returns `undefined` if the group does not exist or its controllers are off. */
export const readCgroup = (directories: CgroupDirectories): Promise<ContainerFigures | undefined> =>
  directories.version === 2 ? readV2(directories.unified) : readV1(directories);

async function readV2(directory: string): Promise<ContainerFigures | undefined> {
  const [cpu, usage, memory] = await Promise.all([
    readTable(`${directory}/cpu.stat`),
    readNumber(`${directory}/memory.current`),
    readTable(`${directory}/memory.stat`),
  ]);
  const usageMicros = cpu?.get('usage_usec');
  const inactive = memory?.get('inactive_file');
  if (usageMicros === undefined || usage === undefined || inactive === undefined) return undefined;
  const throttledMicros = cpu?.get('throttled_usec');
  return {
    cpuSeconds: usageMicros / 1e6,
    // The two files are not read at the same moment, so the difference may be negative.
    workingSetBytes: Math.max(0, usage - inactive),
    throttledSeconds: throttledMicros === undefined ? undefined : throttledMicros / 1e6,
  };
}

async function readV1(
  directories: CgroupDirectories & { version: 1 },
): Promise<ContainerFigures | undefined> {
  const [cpuNanos, usage, memory, cpu] = await Promise.all([
    readNumber(`${directories.cpuacct}/cpuacct.usage`),
    readNumber(`${directories.memory}/memory.usage_in_bytes`),
    readTable(`${directories.memory}/memory.stat`),
    directories.cpu === undefined ? undefined : readTable(`${directories.cpu}/cpu.stat`),
  ]);
  // total_: includes child groups, as usage_in_bytes does.
  const inactive = memory?.get('total_inactive_file');
  if (cpuNanos === undefined || usage === undefined || inactive === undefined) return undefined;
  const throttledNanos = cpu?.get('throttled_time');
  return {
    cpuSeconds: cpuNanos / 1e9,
    workingSetBytes: Math.max(0, usage - inactive),
    throttledSeconds: throttledNanos === undefined ? undefined : throttledNanos / 1e9,
  };
}
