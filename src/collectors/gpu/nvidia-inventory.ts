// Asks now and then for what the stream of readings does not tell: MIG slices, and which process sits on which GPU.
// Must stay true: at most one such process; it and all that it started are gone before the next one is started.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { InventoryCard } from './nvidia-cards.ts';
import type { InventoryOutput } from './nvidia-inventory-process.ts';
import { isAlive, readProcesses } from '../processes/process-table.ts';
import type { CollectorReading, Collector } from '../runner.ts';

/** Its neighbour, with the extension that this file has: .ts from source, .js from the build. */
const PROGRAM = fileURLToPath(import.meta.url).replace(/(\.\w+)$/, '-process$1');
/** A full answer has a few hundred bytes for every card. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export class NvidiaInventory implements Collector<readonly InventoryCard[]> {
  readonly name = 'gpu_inventory';
  readonly #proc: string;
  readonly #isUseful: () => boolean;
  /** The group of the last process, while something of it may be left. */
  #group: number | undefined;

  /** `isUseful` is false while the driver does not answer: asking it more would only hang too. */
  constructor(proc: string, isUseful: () => boolean) {
    this.#proc = proc;
    this.#isUseful = isUseful;
  }

  async sample(signal: AbortSignal): Promise<CollectorReading<readonly InventoryCard[]>> {
    const nothing = (problem: string) => ({ value: undefined, problem, askSoon: false });
    if (!this.#isUseful()) return nothing('');
    if (await this.#isLeft()) return nothing('the last nvidia-smi does not end');
    const text = await this.#ask(signal);
    if (text === undefined) return nothing('the answer was too long or cut off');
    const answer = JSON.parse(text) as InventoryOutput;
    return 'cards' in answer ? { value: answer.cards, problem: '', askSoon: false } : nothing(answer.problem);
  }

  /** Ends what runs. */
  kill = (): void => {
    if (this.#group === undefined) return;
    try {
      process.kill(-this.#group, 'SIGKILL');
    } catch (error) {
      // Ended by itself. Whatever else is wrong, the next run finds it still there and says so.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') this.#group = undefined;
    }
  };

  #ask(signal: AbortSignal): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      // A group of its own, so that the shell and the nvidia-smi below it end with it.
      const child = spawn(process.execPath, [PROGRAM], {
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      });
      this.#group = child.pid;
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.length > MAX_ANSWER_BYTES) this.kill();
      });
      signal.addEventListener('abort', this.kill, { once: true });
      child.on('error', reject);
      child.once('close', () => {
        // Whatever it left behind: an nvidia-smi that hangs outlives the process that asked.
        this.kill();
        resolve(text.endsWith('\n') ? text : undefined);
      });
    });
  }

  /** True while a process of the last group is there; one stuck in the driver may take its time to die. */
  async #isLeft(): Promise<boolean> {
    this.kill();
    if (this.#group === undefined) return false;
    // What has ended and waits for a parent that never asks (process 1 of a container) hangs no more.
    for (const process of (await readProcesses(this.#proc)).values())
      if (process.group === this.#group && isAlive(process)) return true;
    this.#group = undefined;
    return false;
  }
}
