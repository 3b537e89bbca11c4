// Sends queries to the reader thread, from the main thread.
// Invariant: a call starts the thread if it is not running, so a thread that has ended is replaced by the next call.
import { Worker } from 'node:worker_threads';
import { Calls } from './calls.ts';
import type { ReaderMessage, ReaderOperations } from './reader-thread.ts';

type Operation = keyof ReaderOperations;

const THREAD = new URL(`./reader-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

export class ReaderClient {
  readonly #folder: string;
  readonly #damaged: (path: string, problem: string) => void;
  #thread: Worker | undefined;
  #calls: Calls | undefined;

  constructor(folder: string, damaged: (path: string, problem: string) => void) {
    this.#folder = folder;
    this.#damaged = damaged;
  }

  /** Runs an operation in the reader thread. Rejects if it throws there, or if the thread ends. */
  ask<O extends Operation>(
    operation: O,
    ...args: Parameters<ReaderOperations[O]>
  ): Promise<ReturnType<ReaderOperations[O]>> {
    const calls = this.#calls ?? this.#start();
    return calls.ask(operation, ...args) as Promise<ReturnType<ReaderOperations[O]>>;
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    this.#calls?.end('the log store is closed');
    await thread?.terminate();
  }

  #start(): Calls {
    const thread = new Worker(THREAD, { workerData: { folder: this.#folder } });
    thread.unref();
    const calls = new Calls(thread);
    this.#thread = thread;
    this.#calls = calls;
    thread.on('message', (message: ReaderMessage) => {
      if ('damaged' in message) this.#damaged(message.damaged, message.problem);
      else calls.answered(message);
    });
    const end = (reason: string) => {
      calls.end(reason);
      if (this.#calls === calls) this.#calls = undefined;
    };
    thread.on('error', (error) => end(`the reader thread of the log store ended: ${error.message}`));
    thread.on('exit', () => end('the reader thread of the log store ended'));
    return calls;
  }
}
