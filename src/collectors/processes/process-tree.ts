// CPU time and memory of a process and its descendants.
// Invariant: no CPU time is counted twice. The time of a child that ended is added to its parent (cutime, cstime), so
// parents are read before their children; at worst a child's time is missing in one reading.
import { readProcess, treeOf, type ProcessTable } from './process-table.ts';
import { readSmall } from '../small-file.ts';
import type { ContainerFigures } from '../containers/cgroup.ts';

/**
 * Anonymous and shared memory of a process in bytes, from /proc/<pid>/status. The whole resident set would count mapped
 * files, such as model weights, once per process, although the kernel can drop them.
 */
async function memoryOf(proc: string, pid: number): Promise<{ anonymous: number; shared: number }> {
  const status = (await readSmall(`${proc}/${pid}/status`, 16 * 1024)) ?? '';
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { anonymous: bytes('RssAnon'), shared: bytes('RssShmem') };
}

/** Returns `undefined` if the root process does not exist. */
export async function readTree(
  proc: string,
  root: number,
  table: ProcessTable,
): Promise<ContainerFigures | undefined> {
  const tree = treeOf(root, table);
  if (tree.length === 0) return undefined;
  let [cpuSeconds, anonymous, shared] = [0, 0, 0];
  for (const { pid } of tree) {
    const process = await readProcess(proc, pid);
    if (process === undefined) continue;
    cpuSeconds += process.cpuSeconds;
    const memory = await memoryOf(proc, process.pid);
    anonymous += memory.anonymous;
    // Workers of one server map the same shared memory, so the largest value is used.
    shared = Math.max(shared, memory.shared);
  }
  return { cpuSeconds, workingSetBytes: anonymous + shared, throttledSeconds: undefined };
}
