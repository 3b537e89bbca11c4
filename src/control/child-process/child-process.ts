// Supervises the process of `weir run`: starts it, passes signals on, and restarts it after it has exited.
// Invariant: at most one process runs at a time, and none is left when `stop` returns.
//
//   start ─► running ─► exited ─► waiting (backoff) ─► running …
//               └────── stop: SIGTERM ─► exited, or SIGKILL after stop_timeout
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { backoffMs } from '../../core/backoff.ts';
import { WeirError } from '../../core/errors.ts';
import type { EventSubject } from '../../core/event-table.ts';
import type { Logger } from '../../core/logger.ts';
import { TIMED_OUT, waitAtMost } from '../../core/wait.ts';
import type { ChildOptions } from './options.ts';

export { OutputRelay } from './output-relay.ts';
export { replicaOf, supervised, type NamedReplica, type Supervised } from './supervised-replicas.ts';

/** Receives the output of the process in chunks; `undefined` at its end. */
export type ChildOutput = (stream: 'stdout' | 'stderr', bytes: Uint8Array | undefined) => void;

/** Exit code; after a signal 128 plus its number, as shells and Kubernetes report it. */
const exitCode = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

export class ChildSupervisor {
  readonly name = 'child';
  readonly #command: readonly string[];
  readonly #options: ChildOptions;
  readonly #log: Logger;
  readonly #restarted: () => void;
  readonly #output: ChildOutput | undefined;
  readonly #eventFields: () => EventSubject;
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #quickExits = 0;
  #isStopping = false;
  /** Number of restarts. */
  restarts = 0;
  /** Called after the process has exited, before it is restarted. */
  ended: () => void = () => undefined;

  /**
   * `restarted` is called after each restart. `output` receives the output of the process; without it, the process
   * writes to weir's own output. `eventFields` names the replica in events.
   */
  constructor(
    command: readonly string[],
    options: ChildOptions,
    log: Logger,
    restarted: () => void,
    output?: ChildOutput,
    eventFields: () => EventSubject = () => ({}),
  ) {
    this.#command = command;
    this.#options = options;
    this.#log = log;
    this.#restarted = restarted;
    this.#output = output;
    this.#eventFields = eventFields;
    // Also after a crash of weir, since an unsupervised replica must not stay behind.
    process.once('exit', () => this.signal('SIGKILL'));
  }

  /** Starts the process. Rejects with a WeirError if the command cannot be run. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: Error) => {
        this.#isStopping = true;
        const detail = `cannot run ${JSON.stringify(this.#command[0])}: ${error.message}`;
        reject(new WeirError('child_failed', detail, { cause: error }));
      };
      let child: ChildProcess;
      try {
        child = this.#spawn(undefined);
      } catch (error) {
        return refuse(error as Error);
      }
      child.once('spawn', resolve);
      child.once('error', refuse);
    });
  }

  /** Process id; `undefined` while no process runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Sends a signal to the process and its children. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // The process has just exited; the event 'exit' follows.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    return this.#end();
  }

  /** Ends the process. Its exit starts another one. */
  restart(): void {
    void this.#end();
  }

  /** Sends SIGTERM, and SIGKILL after `stop_timeout`. Resolves when the process has exited. */
  async #end(): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.signal('SIGTERM');
    if ((await waitAtMost(this.#options.stop_timeout, exited)) !== TIMED_OUT) return;
    this.signal('SIGKILL');
    await exited;
  }

  /** `pauseMs`: pause before this restart; `undefined` for the first start. */
  #spawn(pauseMs: number | undefined): ChildProcess {
    const startedMs = performance.now();
    const child = spawn(this.#command[0]!, this.#command.slice(1), {
      stdio: this.#output ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      // Python buffers output to a pipe; lines are needed as soon as they are written.
      env: this.#output ? { PYTHONUNBUFFERED: '1', ...process.env } : process.env,
      // Its own process group, so that Ctrl-C in a terminal reaches only weir, which drains first.
      detached: true,
    });
    child.once('spawn', () => {
      this.#process = child;
      // Without the arguments, since they may contain keys.
      const started = { ...this.#eventFields(), pid: child.pid, program: this.#command[0] };
      if (pauseMs === undefined) return this.#log.event('process_started', started);
      const restart_count = ++this.restarts;
      this.#log.event('process_restarted', { ...started, restart_count, pause_ms: Math.round(pauseMs) });
    });
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('data', (bytes: Buffer) => this.#output?.(stream, bytes));
      child[stream]?.once('close', () => this.#output?.(stream, undefined));
    }
    child.once('exit', (code, signal) => this.#onExit(code, signal, performance.now() - startedMs));
    return child;
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null, ranMs: number): void {
    // Ends remaining children, since they may hold the port that the next process needs.
    this.signal('SIGKILL');
    this.#process = undefined;
    this.ended();
    const facts = {
      ...this.#eventFields(),
      code: code ?? undefined,
      exit_code: exitCode(code, signal),
      signal: signal ?? undefined,
      ran_ms: Math.round(ranMs),
    };
    if (this.#isStopping) return this.#log.event('process_stopped', facts);
    if (ranMs >= this.#options.steady_after) this.#quickExits = 0;
    const restart_in_ms = this.#restartLater();
    this.#log.event('process_died', { ...facts, restart_in_ms, restart_count: this.restarts + 1 });
  }

  /** Restarts the process after a pause that grows with each quick exit. Returns the pause in milliseconds. */
  #restartLater(): number {
    const waitMs = backoffMs(
      this.#quickExits++,
      this.#options.restart_delay,
      this.#options.restart_delay_max,
    );
    this.#timer = setTimeout(() => this.#restart(waitMs), waitMs);
    return Math.round(waitMs);
  }

  #restart(pauseMs: number): void {
    const child = this.#spawn(pauseMs);
    child.once('error', (error) => {
      const restart_in_ms = this.#isStopping ? undefined : this.#restartLater();
      this.#log.event('process_not_started', { ...this.#eventFields(), error: error.message, restart_in_ms });
    });
    this.#restarted();
  }
}
