// The stand-in for nvidia-smi on the PATH, and which of its processes live.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { folder, write } from './folder.ts';

const BIN = fileURLToPath(new URL('../fixtures/nvidia-smi/bin', import.meta.url));

/** How a call goes: a recording (`h100x2`, `a100x4-mig`), `die …` after one round of it, or a way to fail. */
export type Way = string;

export class StandIn {
  readonly #folder = folder({ 'replace.json': '{}', started: '' });

  constructor(stream: Way, inventory: Way = stream) {
    this.goes(stream, inventory);
  }

  /** What a process needs in its environment to find it. */
  get env(): { PATH: string; STAND_IN: string } {
    return { PATH: `${BIN}:${process.env['PATH']}`, STAND_IN: this.#folder };
  }

  /** From the next round on. */
  goes(stream: Way, inventory: Way = stream): void {
    write(this.#folder, { 'mode.json': JSON.stringify({ stream, inventory }) });
  }

  /** What stands for the {{words}} of a recording. */
  replace(words: Record<string, number | string>): void {
    write(this.#folder, { 'replace.json': JSON.stringify(words) });
  }

  /** How many processes of a kind were started so far. */
  started(kind: 'stream' | 'inventory'): number {
    return this.#pids(kind).length;
  }

  /** Those that have not ended. */
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

/** True while a process runs; one that has ended and was not asked for does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
