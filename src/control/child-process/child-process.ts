// Runs the replica's process: starts it, passes signals on, starts it again when it dies, ends it last.
// Must stay true: at most one process at a time, and none is left when stop returns.
//
//   start ─► running ─► died ─► waiting (backoff) ─► running …
//               └────── stop: SIGTERM ─► gone, or SIGKILL after stop_timeout
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { backoffMs } from '../../core/backoff.ts';
import { WeirError } from '../../core/errors.ts';
import type { EventTable } from '../../core/events.ts';
import type { Logger } from '../../core/logger.ts';
import type { ChildOptions } from './options.ts';

export { OutputRelay } from './output-relay.ts';
export { replicaOf, supervised, type NamedReplica, type Supervised } from './supervised-replicas.ts';

/** What a process writes, piece by piece; `undefined` when the process has ended. */
export type ChildOutput = (stream: 'stdout' | 'stderr', bytes: Uint8Array | undefined) => void;

/** The exit code of a process that a signal ended is 128 plus the signal's number, as shells and Kubernetes report it. */
const exitCode = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

export class ChildSupervisor {
  readonly name = 'child';
  readonly #command: readonly string[];
  readonly #options: ChildOptions;
  readonly #log: Logger;
  readonly #restarted: () => void;
  readonly #output: ChildOutput | undefined;
  readonly #about: () => EventTable;
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #quickDeaths = 0;
  #isStopping = false;
  /** Processes started after the first. */
  restarts = 0;
  /** Called when the process has ended, before another one is started in its place. */
  ended: () => void = () => undefined;

  /**
   * `restarted` is called when a new process has taken the place of one that died. `output` hears what it writes;
   * without it, it writes where weir does. `about` names the replica of the process, for its events.
   */
  constructor(
    command: readonly string[],
    options: ChildOptions,
    log: Logger,
    restarted: () => void,
    output?: ChildOutput,
    about: () => EventTable = () => ({}),
  ) {
    this.#command = command;
    this.#options = options;
    this.#log = log;
    this.#restarted = restarted;
    this.#output = output;
    this.#about = about;
    // Whatever ends us, short of SIGKILL: a replica that nobody watches must not stay behind.
    process.once('exit', () => this.signal('SIGKILL'));
  }

  /** Starts the process; rejects with a Fault when the command cannot be run at all. */
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

  /** The process that runs now, if one does. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Passes a signal on to the process and what it has started. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // It may have died a moment ago; 'exit' tells.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    return this.#end();
  }

  /** Ends the process, as it does not do its work any more; its death has another one started. */
  restart(): void {
    void this.#end();
  }

  /** SIGTERM, SIGKILL when that does not help in time; resolves when the process is gone. */
  #end(): Promise<void> {
    const child = this.#process;
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const kill = setTimeout(() => this.signal('SIGKILL'), this.#options.stop_timeout);
      child.once('exit', () => {
        clearTimeout(kill);
        resolve();
      });
      this.signal('SIGTERM');
    });
  }

  /** `pauseMs`: the pause before this restart; `undefined`: it is the first start. */
  #spawn(pauseMs: number | undefined): ChildProcess {
    const startedMs = performance.now();
    const child = spawn(this.#command[0]!, this.#command.slice(1), {
      stdio: this.#output ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      // Python holds back what it prints where nobody looks; lines are wanted when they are written.
      env: this.#output ? { PYTHONUNBUFFERED: '1', ...process.env } : process.env,
      // A group of its own: Ctrl-C in a terminal is for us, who drain first and then end the replica.
      detached: true,
    });
    child.once('spawn', () => {
      this.#process = child;
      // The program alone: arguments may hold keys.
      const started = { ...this.#about(), pid: child.pid, program: this.#command[0] };
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
    // What it left behind in its group must not hold the port that the next one needs.
    this.signal('SIGKILL');
    this.#process = undefined;
    this.ended();
    const facts = {
      ...this.#about(),
      code: code ?? undefined,
      exit_code: exitCode(code, signal),
      signal: signal ?? undefined,
      ran_ms: Math.round(ranMs),
    };
    if (this.#isStopping) return this.#log.event('process_stopped', facts);
    if (ranMs >= this.#options.steady_after) this.#quickDeaths = 0;
    const restart_in_ms = this.#restartLater();
    this.#log.event('process_died', { ...facts, restart_in_ms, restart_count: this.restarts + 1 });
  }

  /** Starts the process again after a pause, which grows with each quick death. Returns the pause in milliseconds. */
  #restartLater(): number {
    const waitMs = backoffMs(
      this.#quickDeaths++,
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
      this.#log.event('process_not_started', { ...this.#about(), error: error.message, restart_in_ms });
    });
    this.#restarted();
  }
}
