// The processes of this machine, read from /proc/<pid>/stat (man 5 proc_pid_stat).
// Invariant: a process that ends while the table is read is not in the table.
import { readdir } from 'node:fs/promises';
import { readSmall } from '../small-file.ts';

/** Clock ticks per second in /proc: USER_HZ, which is 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;
/** Files that are read in parallel. Kept low, since other reads share Node's thread pool. */
const PARALLEL_READS = 8;

export interface Process {
  readonly pid: number;
  readonly name: string;
  /** One letter. `Z`: a zombie, which has ended and was not waited for by its parent. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** CPU time of the process and of children that it has waited for. */
  readonly cpuSeconds: number;
  /** Start time in ticks after boot. Distinguishes a process from a later one with the same pid. */
  readonly started: string;
}

export type ProcessTable = ReadonlyMap<number, Process>;

/** Parses a stat file. Returns `undefined` if it is malformed. */
export function parseStat(text: string): Process | undefined {
  // The name may contain spaces and parentheses, so it ends at the last one.
  const [open, close] = [text.indexOf('('), text.lastIndexOf(')')];
  if (open === -1 || close < open) return undefined;
  const pid = Number(text.slice(0, open));
  // Field 3 (state) is the first after the name.
  const fields = text
    .slice(close + 2)
    .trim()
    .split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  const cpuTicks = field(14) + field(15) + field(16) + field(17);
  if (!Number.isInteger(pid) || !Number.isFinite(cpuTicks) || fields[19] === undefined) return undefined;
  return {
    pid,
    name: text.slice(open + 1, close),
    state: fields[0]!,
    parent: field(4),
    group: field(5),
    cpuSeconds: cpuTicks / TICKS_PER_SECOND,
    started: fields[19],
  };
}

/** Reads one process. Returns `undefined` if it does not exist. */
export async function readProcess(proc: string, pid: number): Promise<Process | undefined> {
  const text = await readSmall(`${proc}/${pid}/stat`, 4096);
  return text === undefined ? undefined : parseStat(text);
}

/** False for zombies and dead processes. */
export const isAlive = ({ state }: Process): boolean => state !== 'Z' && state !== 'X';

/** Reads all visible processes. */
export async function readProcesses(proc: string): Promise<ProcessTable> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name)).map(Number);
  const table = new Map<number, Process>();
  const read = async () => {
    for (let pid = pids.pop(); pid !== undefined; pid = pids.pop()) {
      const process = await readProcess(proc, pid);
      if (process) table.set(pid, process);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_READS }, read));
  return table;
}

/** A process and all its descendants. */
export function treeOf(root: number, table: ProcessTable): Process[] {
  const children = new Map<number, Process[]>();
  for (const process of table.values()) {
    const siblings = children.get(process.parent);
    if (siblings) siblings.push(process);
    else children.set(process.parent, [process]);
  }
  const first = table.get(root);
  const tree = first ? [first] : [];
  const seen = new Set(tree.map(({ pid }) => pid));
  // A table that was read while processes start and end may contain a cycle.
  for (let i = 0; i < tree.length; i++)
    for (const child of children.get(tree[i]!.pid) ?? [])
      if (!seen.has(child.pid)) {
        seen.add(child.pid);
        tree.push(child);
      }
  return tree;
}

/** Ids of a process's ancestors, nearest first. */
export function ancestorsOf(pid: number, table: ProcessTable): number[] {
  const ancestors: number[] = [];
  for (let at = table.get(pid)?.parent; at !== undefined && at > 0; at = table.get(at)?.parent) {
    if (ancestors.includes(at)) break;
    ancestors.push(at);
  }
  return ancestors;
}
