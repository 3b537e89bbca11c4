// CPU time and memory of a process, from /proc (Linux).
// Invariant: CPU time is user time plus system time.
import { readFileSync } from 'node:fs';

/** Clock ticks per second in /proc/PID/stat. 100 on every Linux that Node supports. */
const TICKS = 100;

/** CPU time of the whole process, in microseconds. */
export const cpuMicros = (pid: number): number => micros(`/proc/${pid}/stat`);

/** CPU time of the main thread, which forwards requests, in microseconds. */
export const firstThreadMicros = (pid: number): number => micros(`/proc/${pid}/task/${pid}/stat`);

function micros(path: string): number {
  const stat = readFileSync(path, 'utf8');
  // The process name in parentheses may contain spaces, so fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}
