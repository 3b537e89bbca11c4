// A weir that is restarted with SIGUSR2, and the processes that follow each other.
// Invariant: every process is ended by `endRestarts`.
import { folder } from './folder.ts';
import { START_TIMEOUT_MS, until } from './until.ts';
import { startWeir, type Line, type Weir } from './weir.ts';

const started = new Set<number>();

export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Ends all processes that still run. */
export async function endRestarts(): Promise<void> {
  for (const pid of started) {
    await until(`process ${pid} ends`, () => {
      if (isRunning(pid)) process.kill(pid, 'SIGTERM');
      return !isRunning(pid);
    });
    started.delete(pid);
  }
}

export class Restarted {
  readonly weir: Weir;
  /** Process ids, the current one last. */
  readonly pids: number[];
  readonly data: string;

  private constructor(weir: Weir, data: string) {
    this.weir = weir;
    this.data = data;
    this.pids = [weir.process.pid!];
    started.add(weir.process.pid!);
  }

  /** Starts weir with a data folder that outlives its first process. */
  static async start(args: string[], env: Record<string, string> = {}): Promise<Restarted> {
    const data = folder();
    return new Restarted(await startWeir([`--data-dir=${data}`, ...args], { env }), data);
  }

  get pid(): number {
    return this.pids.at(-1)!;
  }

  /** A process has taken the place of the current one. It is ended with the test. */
  follows(pid: number): void {
    this.pids.push(pid);
    started.add(pid);
  }

  /** Sends SIGUSR2, and waits until the new process accepts connections. Returns its log line. */
  async restart(): Promise<Line> {
    const before = this.pid;
    process.kill(before, 'SIGUSR2');
    const lines = this.weir.lines;
    const isNew = ({ event, pid }: Line) => event === 'listening' && !this.pids.includes(pid as number);
    const line = await this.weir.expectLine('a new process', isNew, START_TIMEOUT_MS);
    this.follows(line['pid'] as number);
    await until('the old process is told', () =>
      lines.some(({ event, pid }) => event === 'replaced' && pid === this.pid),
    );
    return line;
  }

  /** Waits until the processes before the current one have ended. */
  async expectOldEnded(timeoutMs?: number): Promise<void> {
    const old = this.pids.slice(0, -1);
    await until('the old processes end', () => old.every((pid) => !isRunning(pid)), timeoutMs);
    if (!isRunning(this.pid)) throw new Error('the current process has ended too');
  }
}
