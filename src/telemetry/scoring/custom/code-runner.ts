// One process that runs the code of a custom scorer: starts it, asks it, and watches its time and memory.
// Invariant: a question is answered once, also if the process ends, hangs or writes something else; after `end` no process
// is left.
// Node's permission model keeps the process from files, other processes, threads, addons and the inspector. Node 24 has
// no permission for the network: code that breaks out of its JavaScript context could open connections.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LineSplitter } from '../../../core/line-splitter.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import type { RunnerAnswer, RunnerRequest } from './runner-messages.ts';

/** The program of the process. */
const PROGRAM = fileURLToPath(threadFile('code-runner-process', import.meta.url));
/** An answer of 64 KiB, with each of its characters escaped twice. */
const MAX_LINE_BYTES = 1024 * 1024;
/** The process ends calls itself; it is killed if it does not. */
const GRACE_MS = 1000;
const WATCH_MS = 50;
/** Memory of Node itself, beside the heap of the scorer. */
const NODE_MIB = 128;

/** What the process may do: nothing but read its own program. */
export const RUNNER_FLAGS: readonly string[] = [
  '--permission',
  '--disallow-code-generation-from-strings',
  '--experimental-vm-modules',
  '--no-warnings',
];

/**
 * `ended`: why there is no answer, as the end of a sentence: `took longer than …`. The process is gone. `isForeign`: not by
 * the code: it could not be started, or something else ended it.
 */
export type CodeAnswer = RunnerAnswer | { readonly ended: string; readonly isForeign: boolean };

export class CodeRunner {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #memoryMb: number;
  readonly #exited = Promise.withResolvers<void>();
  #answer: ((answer: CodeAnswer) => void) | undefined;
  /** Why it was killed, or could not be started. */
  #reason = '';
  #hasExited = false;

  /** `memoryMb`: of its heap, in MiB. `ended`: called when the process has ended. */
  constructor(memoryMb: number, ended: () => void) {
    this.#memoryMb = memoryMb;
    this.#process = spawn(
      process.execPath,
      [...RUNNER_FLAGS, `--max-old-space-size=${memoryMb}`, PROGRAM],
      // In a folder where no core file can be written.
      { cwd: '/', env: {}, stdio: ['pipe', 'pipe', 'ignore'] },
    );
    const onEnd = (why: string, isForeign: boolean): void => {
      if (this.#hasExited) return;
      this.#hasExited = true;
      this.#give(this.#reason === '' ? { ended: why, isForeign } : { ended: this.#reason, isForeign: false });
      this.#exited.resolve();
      ended();
    };
    this.#process.once('exit', (code, signal) => {
      // V8 aborts when the heap is full.
      const isFull = signal === 'SIGABRT' || signal === 'SIGTRAP' || code === 128 + constants.signals.SIGABRT;
      if (isFull) onEnd(this.#tooMuchMemory(), false);
      else onEnd(`lost its process (${signal ?? `exit code ${code}`})`, true);
    });
    this.#process.once('error', (error) => onEnd(`could not be started: ${error.message}`, true));
    // It reads no more. If it has ended, `exit` has said so.
    this.#process.stdin.on('error', () => this.#process.kill('SIGKILL'));
    const lines = new LineSplitter((line, isCut) => this.#onLine(line, isCut), MAX_LINE_BYTES);
    this.#process.stdout.on('data', (bytes: Buffer) => lines.push(bytes));
    if (this.#process.pid !== undefined) yieldToOthers(this.#process.pid);
  }

  /** True until the process is killed or has ended. */
  get isUsable(): boolean {
    return !this.#hasExited && this.#reason === '';
  }

  /** Sends one question. No other one may be open. `signal` kills the process. */
  async ask(request: RunnerRequest, timeoutMs: number, signal: AbortSignal): Promise<CodeAnswer> {
    if (this.#hasExited) return { ended: this.#reason || 'lost its process', isForeign: true };
    const { promise, resolve } = Promise.withResolvers<CodeAnswer>();
    this.#answer = resolve;
    const stop = (): void => this.#kill('was stopped');
    const timer = setTimeout(() => this.#kill(`took longer than ${timeoutMs} ms`), timeoutMs + GRACE_MS);
    const watch = setInterval(() => this.#watchMemory(), WATCH_MS);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      clearInterval(watch);
      signal.removeEventListener('abort', stop);
    }
  }

  /** Kills the process. Resolves when it has ended. */
  async end(): Promise<void> {
    this.#kill('was ended');
    await this.#exited.promise;
  }

  /** For tests, and to tell the process in a log. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  #kill(reason: string): void {
    this.#reason ||= reason;
    this.#process.kill('SIGKILL');
  }

  #give(answer: CodeAnswer): void {
    const give = this.#answer;
    this.#answer = undefined;
    give?.(answer);
  }

  #onLine(line: string, isCut: boolean): void {
    // A process that is to end may still have written.
    if (this.#reason !== '') return;
    if (isCut || this.#answer === undefined) return this.#kill('wrote something that is not an answer');
    const answer = answerIn(line);
    if (answer === undefined) this.#kill('wrote something that is not an answer');
    else this.#give(answer);
  }

  #watchMemory(): void {
    const used = residentMib(this.#process.pid);
    if (used > this.#memoryMb + NODE_MIB) this.#kill(this.#tooMuchMemory());
  }

  #tooMuchMemory(): string {
    return `used more than ${this.#memoryMb} MiB of memory`;
  }
}

function answerIn(line: string): RunnerAnswer | undefined {
  try {
    const answer: unknown = JSON.parse(line);
    const isOne =
      typeof answer === 'object' &&
      answer !== null &&
      ('text' in answer
        ? typeof answer.text === 'string'
        : ('timeoutCpuMs' in answer && typeof answer.timeoutCpuMs === 'number') ||
          ('problem' in answer && typeof answer.problem === 'string'));
    return isOne ? (answer as RunnerAnswer) : undefined;
  } catch {
    return undefined;
  }
}

/** Resident memory in MiB; 0 if the system does not say it. */
function residentMib(pid: number | undefined): number {
  try {
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    // The process has just ended, or this is not Linux: then only the limit of the heap holds.
    return 0;
  }
}

/** The kernel runs others before it, and ends it first when memory runs out. Returns false if it does not. */
function yieldToOthers(pid: number): boolean {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
    return true;
  } catch {
    return false;
  }
}
