// The processes of this machine as /proc/<pid>/stat shows them (man 5 proc_pid_stat).
// Must stay true: a process that ends while the table is read is simply not in it.
import { readdir } from 'node:fs/promises';
import { readSmall } from '../small-file.ts';

/** Ticks per second of the times in /proc: USER_HZ is 100 for user programs on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** So many files are read at a time: enough to be quick, few enough to leave threads of the pool to others. */
const AT_ONCE = 8;

export interface Process {
  readonly pid: number;
  readonly name: string;
  /** `Z`: it has ended, and its parent has not asked for it yet. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** Processor time, its own and that of children it has waited for. */
  readonly cpuSeconds: number;
  /** Ticks after boot: with the pid it tells one process from a later one of the same number. */
  readonly started: string;
}

export type ProcessTable = ReadonlyMap<number, Process>;

/** One process from the text of its stat file; `undefined` where that is none. */
export function parseStat(text: string): Process | undefined {
  // The name may hold spaces and parentheses: the last one closes it.
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

/** One process now, or `undefined` when there is none of that number. */
export async function readProcess(proc: string, pid: number): Promise<Process | undefined> {
  const text = await readSmall(`${proc}/${pid}/stat`, 4096);
  return text === undefined ? undefined : parseStat(text);
}

/** False for what is left of a process when it has ended and its parent has not asked for it yet. */
export const isAlive = ({ state }: Process): boolean => state !== 'Z' && state !== 'X';

/** All processes that can be seen from here. */
export async function readProcesses(proc: string): Promise<ProcessTable> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name)).map(Number);
  const table = new Map<number, Process>();
  const read = async () => {
    for (let pid = pids.pop(); pid !== undefined; pid = pids.pop()) {
      const process = await readProcess(proc, pid);
      if (process) table.set(pid, process);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, read));
  return table;
}

/** A process and all that it started, directly or not. */
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
  // A table read while processes come and go may even hold a circle: nobody is taken twice.
  for (let i = 0; i < tree.length; i++)
    for (const child of children.get(tree[i]!.pid) ?? [])
      if (!seen.has(child.pid)) {
        seen.add(child.pid);
        tree.push(child);
      }
  return tree;
}

/** A process's parents, nearest first. */
export function ancestorsOf(pid: number, table: ProcessTable): number[] {
  const ancestors: number[] = [];
  for (let at = table.get(pid)?.parent; at !== undefined && at > 0; at = table.get(at)?.parent) {
    if (ancestors.includes(at)) break;
    ancestors.push(at);
  }
  return ancestors;
}
