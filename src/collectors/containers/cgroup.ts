// Processor time and memory of a control group, version 2 or 1.
// https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
// Must stay true: a group whose figures are not all there gives nothing rather than half of them.
// Does not belong here: which group is whose (cgroup-path.ts).
import { readNumber, readTable } from '../small-file.ts';

/** What any source tells of a replica. */
export interface ContainerFigures {
  /** Since the replica's start, of all cores together. */
  readonly cpuSeconds: number;
  /** Memory that cannot be taken away without harm: usage minus inactive file pages. */
  readonly workingSetBytes: number;
  /** How long it would have run but for its processor limit; `undefined` where the source does not know. */
  readonly throttledSeconds: number | undefined;
}

/** The directories of one group. Version 1 has one for each controller; `cpu` may be missing. */
export type CgroupDirectories =
  | { readonly version: 2; readonly unified: string }
  | {
      readonly version: 1;
      readonly cpuacct: string;
      readonly memory: string;
      readonly cpu: string | undefined;
    };

/** The figures of a group, or `undefined` when it is not there or its controllers are off. */
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
    // The two files are read a moment apart.
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
  // total_: with the groups below, as usage_in_bytes counts them too.
  const inactive = memory?.get('total_inactive_file');
  if (cpuNanos === undefined || usage === undefined || inactive === undefined) return undefined;
  const throttledNanos = cpu?.get('throttled_time');
  return {
    cpuSeconds: cpuNanos / 1e9,
    workingSetBytes: Math.max(0, usage - inactive),
    throttledSeconds: throttledNanos === undefined ? undefined : throttledNanos / 1e9,
  };
}
