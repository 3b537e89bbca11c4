// Reads all cards from one nvidia-smi that runs permanently (-lms). A new process for each reading takes a second on
// machines with many cards and can overload a host.
// Invariant: at most one nvidia-smi runs, and none after `stop`. One that prints nothing is killed, and the next one
// starts after it has ended, since a process that is stuck in the driver does not end at once.
import { spawn, type ChildProcess } from 'node:child_process';
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { waitAtMost } from '../../core/wait.ts';
import { LineSplitter } from '../../core/line-splitter.ts';
import type { CollectResult, CollectorStats } from '../runner.ts';

const QUERY = '--query-gpu=index,uuid,memory.used,utilization.gpu';
/** nvidia-smi is killed after this many intervals without a line. */
const SILENT_INTERVALS = 3;
const MAX_LINE_BYTES = 4096;
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;
/** After a run of this duration the wait before a restart is reset. */
const STEADY_MS = 60_000;
/** More cards than any machine has. Further ones are ignored, so that memory is bounded. */
const MAX_CARDS = 128;
/** Wait before the next try if nvidia-smi is not installed. */
const MISSING_WAIT_MS = 300_000;

/** The values of one line. */
export interface CardReading {
  /** As nvidia-smi prints it. */
  readonly index: string;
  readonly uuid: string;
  /** `undefined` if nvidia-smi has no value: [N/A], [Not Supported], ERR!. Under MIG there is no utilization. */
  readonly memoryUsedMiB: number | undefined;
  readonly utilizationPercent: number | undefined;
}

/** Parses a line of `index, uuid, memory.used, utilization.gpu`. Returns `undefined` if it is another line. */
export function parseLine(line: string): CardReading | undefined {
  const [index, uuid, memory, utilization, ...more] = line.split(',').map((field) => field.trim());
  if (
    more.length > 0 ||
    utilization === undefined ||
    !/^\d{1,4}$/.test(index!) ||
    !/^GPU-[\w-]+$/.test(uuid!)
  )
    return undefined;
  const number = (text: string, max: number) =>
    /^\d{1,9}(\.\d+)?$/.test(text) && Number(text) <= max ? Number(text) : undefined;
  return {
    index: index!,
    uuid: uuid!,
    memoryUsedMiB: number(memory!, Infinity),
    utilizationPercent: number(utilization, 100),
  };
}

const spawnPiped = (program: string, args: readonly string[]) =>
  spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });

export interface SmiStreamOptions {
  readonly intervalMs: number;
  /** Limit for the first line. Without persistence mode the driver has to be loaded first. */
  readonly timeoutMs: number;
  readonly maxAgeMs: number;
}

export class NvidiaSmiStream {
  readonly #options: SmiStreamOptions;
  readonly #log: Logger;
  readonly #onFirstReading: () => void;
  readonly #cards = new Map<string, { readonly card: CardReading; readonly atMs: number }>();
  readonly #runs: Record<CollectResult, number> = { success: 0, failure: 0, timeout: 0, missing: 0 };
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #isStopped = true;
  #lastResult: CollectResult | undefined;
  #attempt = 0;
  /** UUIDs of the cards in the current round: nvidia-smi prints one line per card and interval. */
  #round = new Set<string>();
  #durationSeconds: number | undefined;
  #lastLineMs: number | undefined;
  /** The last line that was not a reading. It usually says what is wrong. */
  #lastMessage = '';

  /** `onFirstReading` is called at the first reading of each nvidia-smi process. */
  constructor(options: SmiStreamOptions, log: Logger, onFirstReading: () => void) {
    this.#options = options;
    this.#log = log;
    this.#onFirstReading = onFirstReading;
  }

  start(): void {
    this.#isStopped = false;
    process.on('exit', this.#kill);
    this.#spawn();
  }

  /** Kills the process. Resolves when it has ended, at the latest at `deadlineMs` (performance.now()). */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    process.off('exit', this.#kill);
    const child = this.#process;
    if (child === undefined) return;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    this.#kill();
    await waitAtMost(deadlineMs - performance.now(), closed);
  }

  /** The last reading of each card, without readings that are too old. */
  cards(): CardReading[] {
    const now = performance.now();
    return Array.from(this.#cards.values())
      .filter(({ atMs }) => now - atMs <= this.#options.maxAgeMs)
      .map(({ card }) => card);
  }

  stats(): CollectorStats {
    return {
      sampler: 'gpu',
      // If nvidia-smi is not installed, there is no success and no failure.
      isSuccess:
        this.#lastResult === undefined || this.#lastResult === 'missing'
          ? undefined
          : this.#lastResult === 'success',
      durationSeconds: this.#durationSeconds,
      ageSeconds: this.#lastLineMs === undefined ? undefined : (performance.now() - this.#lastLineMs) / 1000,
      runs: this.#runs,
    };
  }

  #spawn(): void {
    const startedMs = performance.now();
    const args = [QUERY, '--format=csv,noheader,nounits', '-lms', String(this.#options.intervalMs)];
    // A process group of its own: nvidia-smi may be a wrapper, whose children are killed with it.
    let child: ReturnType<typeof spawnPiped>;
    try {
      child = spawnPiped('nvidia-smi', args);
    } catch (error) {
      // Thrown only if the machine is out of memory or processes. Other failures are 'error' events.
      return this.#ended(error as NodeJS.ErrnoException, null, 0);
    }
    this.#process = child;
    this.#round = new Set();
    this.#lastMessage = '';
    let hasReading = false;
    const lines = new LineSplitter((line, isCut) => {
      const card = isCut ? undefined : parseLine(line);
      if (card === undefined) {
        if (line.trim() !== '') this.#lastMessage = line.trim().slice(0, 200);
        return;
      }
      if (!hasReading) this.#durationSeconds = (performance.now() - startedMs) / 1000;
      this.#read(card);
      if (!hasReading) this.#onFirstReading();
      hasReading = true;
    }, MAX_LINE_BYTES);
    child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    const errorLines = new LineSplitter((line) => {
      if (line !== '') this.#lastMessage = line.trim().slice(0, 200);
    }, MAX_LINE_BYTES);
    child.stderr.on('data', (chunk: Buffer) => errorLines.push(chunk));
    this.#restartWatchdog(Math.max(this.#options.timeoutMs, SILENT_INTERVALS * this.#options.intervalMs));
    let problem: NodeJS.ErrnoException | undefined;
    child.on('error', (error) => (problem = error));
    // 'close' is emitted after an exit and after a failed start.
    child.once('close', (code, signal) => {
      // An incomplete line may look like a reading with a smaller number, so it is not used as one.
      this.#lastMessage ||= lines.rest.trim().slice(0, 200);
      this.#ended(problem, signal ?? code, performance.now() - startedMs);
    });
  }

  #read(card: CardReading): void {
    if (this.#cards.size >= MAX_CARDS && !this.#cards.has(card.uuid)) return;
    this.#lastLineMs = performance.now();
    this.#cards.set(card.uuid, { card, atMs: this.#lastLineMs });
    // A card that is already in the round starts a new one.
    if (this.#round.size === 0 || this.#round.has(card.uuid)) {
      this.#round.clear();
      this.#count('success', '');
    }
    this.#round.add(card.uuid);
    this.#restartWatchdog(SILENT_INTERVALS * this.#options.intervalMs);
  }

  /** Kills nvidia-smi if it prints no reading for `silenceMs`. */
  #restartWatchdog(silenceMs: number): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.#count('timeout', this.#lastMessage || `nvidia-smi printed nothing for ${silenceMs} ms`);
      this.#kill();
    }, silenceMs).unref();
  }

  #kill = (): void => {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      // ESRCH: it has ended, and 'close' follows. If it cannot be killed, no other one is started.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') this.#lastMessage = describe(error);
    }
  };

  #ended(problem: NodeJS.ErrnoException | undefined, exit: string | number | null, ranMs: number): void {
    clearTimeout(this.#watchdog);
    // Kills children that outlived it.
    this.#kill();
    this.#process = undefined;
    if (this.#isStopped) return;
    const isMissing = problem?.code === 'ENOENT';
    if (isMissing) this.#count('missing', '');
    else if (this.#lastResult !== 'timeout' || exit !== 'SIGKILL')
      this.#count(
        'failure',
        problem?.message ?? `nvidia-smi exited (${exit})${this.#lastMessage && `: ${this.#lastMessage}`}`,
      );
    if (ranMs >= STEADY_MS) this.#attempt = 0;
    const waitMs = isMissing ? MISSING_WAIT_MS : backoffMs(this.#attempt++, FIRST_WAIT_MS, MAX_WAIT_MS);
    this.#timer = setTimeout(() => this.#spawn(), waitMs).unref();
  }

  /** Counts a round or a failure. Logs only changes. */
  #count(result: CollectResult, problem: string): void {
    this.#runs[result]++;
    const before = this.#lastResult;
    this.#lastResult = result;
    if (before === result) return;
    if (result === 'missing') this.#log.info('no GPU metrics: nvidia-smi is not installed');
    else if (result === 'success') this.#log.info('reading GPUs with nvidia-smi');
    else if (before === 'success' || before === undefined || before === 'missing')
      this.#log.warn('collector failed', { sampler: 'gpu', problem });
  }
}
