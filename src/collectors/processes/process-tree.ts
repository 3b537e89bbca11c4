// Processor time and memory of a process and all that it started.
// Must stay true: a child that ends takes nothing away: its time is then in its parent's (cutime, cstime). Parents are
// read before their children, so that no time is found in both places; at worst it is in neither for one reading.
import { readProcess, treeOf, type ProcessTable } from './process-table.ts';
import { readSmall } from '../small-file.ts';
import type { ContainerFigures } from '../containers/cgroup.ts';

/**
 * Anonymous and shared memory of a process in bytes, from /proc/<pid>/status. Not the whole resident set: that counts
 * mapped files, model weights above all, once for every process and though the kernel may drop them.
 */
async function memoryOf(proc: string, pid: number): Promise<{ anonymous: number; shared: number }> {
  const status = (await readSmall(`${proc}/${pid}/status`, 16 * 1024)) ?? '';
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { anonymous: bytes('RssAnon'), shared: bytes('RssShmem') };
}

/** The figures of a tree, or `undefined` when its root is not there. */
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
    // Workers of one server map the same segments: the largest share stands for all.
    shared = Math.max(shared, memory.shared);
  }
  return { cpuSeconds, workingSetBytes: anonymous + shared, throttledSeconds: undefined };
}
