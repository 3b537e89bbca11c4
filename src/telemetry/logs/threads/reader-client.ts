// The forwarding thread's side of the reader: questions to the record, one promise each.
// Must stay true: the thread is started by the first question, and by the first one after it has ended.
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

  /** Asks the reader; rejects with what went wrong there. */
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
    this.#calls?.end('the record is closed');
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
    thread.on('error', (error) => end(`the thread that reads the record ended: ${error.message}`));
    thread.on('exit', () => end('the thread that reads the record ended'));
    return calls;
  }
}
