// A stand-in for nvidia-smi on the PATH, and its running processes.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { folder, write } from './folder.ts';

const BIN = fileURLToPath(new URL('../fixtures/nvidia-smi/bin', import.meta.url));

/** What a call does: prints a recording (`h100x2`, `a100x4-mig`), exits after one round (`die …`), or fails. */
export type NvidiaSmiBehavior = string;

export class FakeNvidiaSmi {
  readonly #folder = folder({ 'replace.json': '{}', started: '' });

  constructor(stream: NvidiaSmiBehavior, inventory: NvidiaSmiBehavior = stream) {
    this.behave(stream, inventory);
  }

  /** Environment variables of a process that uses it. */
  get env(): { PATH: string; STAND_IN: string } {
    return { PATH: `${BIN}:${process.env['PATH']}`, STAND_IN: this.#folder };
  }

  /** Takes effect with the next round. */
  behave(stream: NvidiaSmiBehavior, inventory: NvidiaSmiBehavior = stream): void {
    write(this.#folder, { 'mode.json': JSON.stringify({ stream, inventory }) });
  }

  /** Values for the {{placeholders}} of a recording. */
  replace(words: Record<string, number | string>): void {
    write(this.#folder, { 'replace.json': JSON.stringify(words) });
  }

  /** Number of processes of a kind that were started so far. */
  started(kind: 'stream' | 'inventory'): number {
    return this.#pids(kind).length;
  }

  /** Processes that still run. */
  alive(kind: 'stream' | 'inventory'): number[] {
    return this.#pids(kind).filter(isAlive);
  }

  #pids(kind: string): number[] {
    const text = readFileSync(`${this.#folder}/started`, 'utf8');
    return Array.from(text.matchAll(/^(\w+) (\d+)$/gm)).flatMap(([, of, pid]) =>
      of === kind ? [Number(pid)] : [],
    );
  }
}

/** True while a process runs. A zombie does not run. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
