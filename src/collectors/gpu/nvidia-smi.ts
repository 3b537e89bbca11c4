// Readings of all cards from one nvidia-smi that prints them over and over (-lms): starting it anew for every reading
// costs a second on machines with many cards and has brought hosts down.
// Must stay true: at most one such process, none after stop; one that falls silent is killed, and the next is started
// only when it is really gone: a process stuck in the driver does not die of SIGKILL at once.
import { spawn, type ChildProcess } from 'node:child_process';
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { OutputLines } from './output-lines.ts';
import type { CollectResult, CollectorStats } from '../runner.ts';

const QUERY = '--query-gpu=index,uuid,memory.used,utilization.gpu';
/** After so many intervals without a line it is given up. */
const SILENT_INTERVALS = 3;
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;
/** One that ran this long begins anew with the smallest wait. */
const STEADY_MS = 60_000;
/** More than any machine has: what prints ever new cards is none. */
const MAX_CARDS = 128;
/** How often to look whether it has been installed meanwhile. */
const MISSING_WAIT_MS = 300_000;

/** What one line tells of a card. */
export interface CardReading {
  /** As nvidia-smi prints it. */
  readonly index: string;
  readonly uuid: string;
  /** `undefined` where nvidia-smi has no figure: [N/A], [Not Supported], ERR!. Under MIG there is no utilization. */
  readonly memoryUsedMiB: number | undefined;
  readonly utilizationPercent: number | undefined;
}

/** One line of `index, uuid, memory.used, utilization.gpu`; `undefined` where it is none. */
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
  /** How long it may take to the first line: without persistence mode the driver wakes up first. */
  readonly timeoutMs: number;
  readonly maxAgeMs: number;
}

export class NvidiaSmiStream {
  readonly #options: SmiStreamOptions;
  readonly #log: Logger;
  readonly #began: () => void;
  readonly #cards = new Map<string, { readonly card: CardReading; readonly atMs: number }>();
  readonly #runs: Record<CollectResult, number> = { success: 0, failure: 0, timeout: 0, missing: 0 };
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #isStopped = true;
  #lastResult: CollectResult | undefined;
  #attempt = 0;
  /** Cards already seen in the round of lines that is being read. */
  #round = new Set<string>();
  #durationSeconds: number | undefined;
  #lastLineMs: number | undefined;
  /** The last thing it said that was no reading: mostly why it does not work. */
  #remark = '';

  /** `began` is called when a new process has given its first reading. */
  constructor(options: SmiStreamOptions, log: Logger, began: () => void) {
    this.#options = options;
    this.#log = log;
    this.#began = began;
  }

  start(): void {
    this.#isStopped = false;
    process.on('exit', this.#kill);
    this.#spawn();
  }

  /** Ends the process; resolves when it is gone, or at `deadlineMs` when even SIGKILL does not end it. */
  stop(deadlineMs: number): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    process.off('exit', this.#kill);
    const child = this.#process;
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const giveUp = setTimeout(resolve, Math.max(0, deadlineMs - performance.now()));
      child.once('close', () => {
        clearTimeout(giveUp);
        resolve();
      });
      this.#kill();
    });
  }

  /** The cards as they were read last, without those whose reading is too old. */
  cards(): CardReading[] {
    const now = performance.now();
    return Array.from(this.#cards.values())
      .filter(({ atMs }) => now - atMs <= this.#options.maxAgeMs)
      .map(({ card }) => card);
  }

  stats(): CollectorStats {
    return {
      sampler: 'gpu',
      // Without the program there is nothing that could succeed or fail.
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
    // A group of its own: where nvidia-smi is a wrapper, what it starts ends with it.
    let child: ReturnType<typeof spawnPiped>;
    try {
      child = spawnPiped('nvidia-smi', args);
    } catch (error) {
      // Thrown only where the machine is out of memory or processes; all else is an 'error' event.
      return this.#gone(error as NodeJS.ErrnoException, null, 0);
    }
    this.#process = child;
    this.#round = new Set();
    this.#remark = '';
    let hasSpoken = false;
    const lines = new OutputLines((line) => {
      const card = parseLine(line);
      if (card === undefined) {
        if (line.trim() !== '') this.#remark = line.trim().slice(0, 200);
        return;
      }
      if (!hasSpoken) this.#durationSeconds = (performance.now() - startedMs) / 1000;
      this.#read(card);
      if (!hasSpoken) this.#began();
      hasSpoken = true;
    });
    child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    const complaints = new OutputLines((line) => (this.#remark = line.trim().slice(0, 200)));
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
    this.#watch(Math.max(this.#options.timeoutMs, SILENT_INTERVALS * this.#options.intervalMs));
    let problem: NodeJS.ErrnoException | undefined;
    child.on('error', (error) => (problem = error));
    // 'close' comes in every case: after an exit, and after a start that failed.
    child.once('close', (code, signal) => {
      // Half a line may look like a whole one with a smaller number: it is no reading.
      this.#remark ||= lines.rest.trim().slice(0, 200);
      this.#gone(problem, signal ?? code, performance.now() - startedMs);
    });
  }

  #read(card: CardReading): void {
    if (this.#cards.size >= MAX_CARDS && !this.#cards.has(card.uuid)) return;
    this.#lastLineMs = performance.now();
    this.#cards.set(card.uuid, { card, atMs: this.#lastLineMs });
    // A card that comes a second time begins a new round.
    if (this.#round.size === 0 || this.#round.has(card.uuid)) {
      this.#round.clear();
      this.#count('success', '');
    }
    this.#round.add(card.uuid);
    this.#watch(SILENT_INTERVALS * this.#options.intervalMs);
  }

  #watch(patienceMs: number): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.#count('timeout', this.#remark || `nvidia-smi printed nothing for ${patienceMs} ms`);
      this.#kill();
    }, patienceMs).unref();
  }

  #kill = (): void => {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      // It may have ended a moment ago; 'close' tells. One that may not be killed keeps its place: no other is started.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') this.#remark = describe(error);
    }
  };

  #gone(problem: NodeJS.ErrnoException | undefined, how: string | number | null, ranMs: number): void {
    clearTimeout(this.#watchdog);
    // What it may have started and left behind.
    this.#kill();
    this.#process = undefined;
    if (this.#isStopped) return;
    const isMissing = problem?.code === 'ENOENT';
    if (isMissing) this.#count('missing', '');
    else if (this.#lastResult !== 'timeout' || how !== 'SIGKILL')
      this.#count(
        'failure',
        problem?.message ?? `nvidia-smi ended (${how})${this.#remark && `: ${this.#remark}`}`,
      );
    if (ranMs >= STEADY_MS) this.#attempt = 0;
    const waitMs = isMissing ? MISSING_WAIT_MS : backoffMs(this.#attempt++, FIRST_WAIT_MS, MAX_WAIT_MS);
    this.#timer = setTimeout(() => this.#spawn(), waitMs).unref();
  }

  /** Counts a round or its failure; the log hears of changes only. */
  #count(result: CollectResult, problem: string): void {
    this.#runs[result]++;
    const before = this.#lastResult;
    this.#lastResult = result;
    if (before === result) return;
    if (result === 'missing') this.#log.info('no GPU figures: nvidia-smi is not installed');
    else if (result === 'success') this.#log.info('nvidia-smi gives readings');
    else if (before === 'success' || before === undefined || before === 'missing')
      this.#log.warn('sampler failed', { sampler: 'gpu', problem });
  }
}
