// CPU time, threads and memory of processes, from /proc (Linux).
// Invariant: CPU time is user time plus system time.
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second in /proc/PID/stat. 100 on every Linux that Node supports. */
const TICKS = 100;

/** CPU time of all threads of the process, also of those that have ended, in microseconds. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The process name in parentheses may contain spaces, so fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
}

/** Id of the newest thread of this process with a name. Throws if there is none. */
export function threadNamed(name: string): number {
  const id = readdirSync('/proc/self/task')
    .map(Number)
    .toSorted((a, b) => b - a)
    .find((one) => readFileSync(`/proc/self/task/${one}/comm`, 'utf8').trim() === name);
  if (id === undefined) throw new Error(`no thread is named "${name}"`);
  return id;
}

/** CPU time of a thread of this process, in microseconds, as exactly as the scheduler counts it. */
export const threadMicros = (id: number): number =>
  Number(readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8').split(' ')[0]) / 1000;

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}
