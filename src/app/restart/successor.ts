// The process that replaces this weir: the same command again, with the listening sockets of this one.
// Invariant: exactly one of `serving` and `ended` is called, once.
import { spawn, type ChildProcess } from 'node:child_process';
import { RESTART_VARIABLE } from '../../config/config.ts';
import { describe } from '../../core/errors.ts';
import type { RestartFacts } from './predecessor.ts';
import type { PassedSocket } from './sockets.ts';

/** `ready`: its configuration is valid, and it wants the data folder. `serving`: it accepts connections. */
export interface FromSuccessor {
  readonly step: 'ready' | 'serving';
}
export interface ToSuccessor {
  readonly step: 'released';
}

export interface SuccessorListener {
  ready(): void;
  serving(): void;
  /** It has ended before it accepted connections. `problem`: the end of a sentence. */
  ended(problem: string): void;
}

/** Longest time until it is ready, in milliseconds. */
const READY_MS = 60_000;
/** Descriptors before the passed sockets: those of the terminal, and the channel. */
const FIRST_FD = 4;

/** How this weir was started: `launcher` is what was called, so that a link to a newer version is followed. */
export interface StartCommand {
  readonly launcher: string | undefined;
  /** Arguments of weir. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export class Successor {
  readonly #child: ChildProcess;
  readonly #listener: SuccessorListener;
  readonly #timer: NodeJS.Timeout;
  #isOver = false;

  constructor(
    { launcher, args, env }: StartCommand,
    sockets: readonly PassedSocket[],
    listener: SuccessorListener,
  ) {
    this.#listener = listener;
    const facts: RestartFacts = {
      pid: process.pid,
      sockets: sockets.map((socket, i) => ({ ...socket, fd: FIRST_FD + i })),
    };
    const [command, first] =
      launcher === undefined ? [process.execPath, [...process.execArgv, process.argv[1]!]] : [launcher, []];
    this.#child = spawn(command, [...first, ...args], {
      env: { ...env, [RESTART_VARIABLE]: JSON.stringify(facts) },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...sockets.map(({ fd }) => fd)],
    });
    this.#child.on('message', (message: FromSuccessor) => this.#onMessage(message));
    this.#child.once('error', (error) => this.#ended(`it cannot be started: ${describe(error)}`));
    this.#child.once('exit', (code, signal) =>
      this.#ended(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`),
    );
    this.#timer = setTimeout(() => {
      this.#child.kill('SIGKILL');
      this.#ended(`it was not ready within ${READY_MS / 1000} s`);
    }, READY_MS);
  }

  /** Its process id; 0 if it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The data folder is free. */
  released(): void {
    const message: ToSuccessor = { step: 'released' };
    if (this.#child.connected) this.#child.send(message);
  }

  /** Ends it before it has the data folder. */
  cancel(): void {
    this.#over();
    this.#child.kill('SIGKILL');
  }

  #onMessage({ step }: FromSuccessor): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    if (step === 'ready') return this.#listener.ready();
    this.#over();
    // It outlives this process.
    this.#child.disconnect();
    this.#child.unref();
    this.#listener.serving();
  }

  #ended(problem: string): void {
    if (this.#isOver) return;
    this.#over();
    this.#listener.ended(problem);
  }

  #over(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}
