// Collects what the stream of readings does not contain: MIG slices, and the processes on each GPU.
// Invariant: at most one child process runs; it and its descendants have ended before the next one starts.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { threadFile } from '../../core/worker-rpc.ts';
import type { InventoryCard } from './nvidia-cards.ts';
import type { InventoryOutput } from './nvidia-inventory-process.ts';
import { isAlive, readProcesses } from '../processes/process-table.ts';
import type { CollectorReading, Collector } from '../runner.ts';

/** The program of the child process. */
const PROGRAM = fileURLToPath(threadFile('nvidia-inventory-process', import.meta.url));
/** Normal output has a few hundred bytes per card. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

export class NvidiaInventory implements Collector<readonly InventoryCard[]> {
  readonly name = 'gpu_inventory';
  readonly #proc: string;
  readonly #isUseful: () => boolean;
  /** Process group of the last child, while some of its processes may still run. */
  #group: number | undefined;

  /** `isUseful` returns false while the driver does not respond, since another nvidia-smi would hang too. */
  constructor(proc: string, isUseful: () => boolean) {
    this.#proc = proc;
    this.#isUseful = isUseful;
  }

  async collect(signal: AbortSignal): Promise<CollectorReading<readonly InventoryCard[]>> {
    const nothing = (problem: string) => ({ value: undefined, problem, retrySoon: false });
    if (!this.#isUseful()) return nothing('');
    if (await this.#isRunning()) return nothing('the previous nvidia-smi is still running');
    const text = await this.#run(signal);
    if (text === undefined) return nothing('the output of nvidia-smi -q -x is too long or cut off');
    const output = JSON.parse(text) as InventoryOutput;
    return 'cards' in output
      ? { value: output.cards, problem: '', retrySoon: false }
      : nothing(output.problem);
  }

  /** Kills the child process and its descendants. */
  kill = (): void => {
    if (this.#group === undefined) return;
    try {
      process.kill(-this.#group, 'SIGKILL');
    } catch (error) {
      // ESRCH: it has ended. After another error, the next run reports that it still runs.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') this.#group = undefined;
    }
  };

  #run(signal: AbortSignal): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      // A process group of its own, so that the shell and nvidia-smi are killed with it.
      const child = spawn(process.execPath, [PROGRAM], {
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      });
      this.#group = child.pid;
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.length > MAX_OUTPUT_BYTES) this.kill();
      });
      signal.addEventListener('abort', this.kill, { once: true });
      child.on('error', reject);
      child.once('close', () => {
        // An nvidia-smi that hangs outlives its parent.
        this.kill();
        resolve(text.endsWith('\n') ? text : undefined);
      });
    });
  }

  /** True while a process of the last group runs. One that is stuck in the driver may take long to end. */
  async #isRunning(): Promise<boolean> {
    this.kill();
    if (this.#group === undefined) return false;
    // Zombies do not count: process 1 of a container may never wait for them.
    for (const process of (await readProcesses(this.#proc)).values())
      if (process.group === this.#group && isAlive(process)) return true;
    this.#group = undefined;
    return false;
  }
}
