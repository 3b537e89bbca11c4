// What a process has cost so far, as the operating system counts it.
// Must stay true: user and system time of the whole process, or of the thread that is named, from /proc (Linux).
import { readFileSync } from 'node:fs';

/** Clock ticks per second of /proc/PID/stat: 100 on every Linux that Node runs on. */
const TICKS = 100;

/** Processor time in microseconds. */
export const cpuMicros = (pid: number): number => micros(`/proc/${pid}/stat`);

/** Processor time of the first thread alone, the one that forwards, in microseconds. */
export const firstThreadMicros = (pid: number): number => micros(`/proc/${pid}/task/${pid}/stat`);

function micros(path: string): number {
  const stat = readFileSync(path, 'utf8');
  // The name in parentheses may hold spaces: fields are counted behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}
