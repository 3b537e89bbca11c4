// Sends queries to the reader thread, from the main thread.
// Invariant: a call starts the thread if it is not running, so a thread that has ended is replaced by the next call.
import { Worker } from 'node:worker_threads';
import { threadFile, WorkerCalls } from '../../../core/worker-rpc.ts';
import type { ReaderMessage, ReaderOperations, ReaderThreadData } from './reader-thread.ts';

type Operation = keyof ReaderOperations;

const THREAD = threadFile('reader-thread', import.meta.url);
/** Without limits the heap of a thread grows far before it is collected. */
const HEAP = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 16 };

/** Is told of a damaged file or, with `place`, of a damaged page in it (DayFile). */
type DamageListener = (path: string, problem: string, place: number | undefined) => void;

export class ReaderClient {
  readonly #data: ReaderThreadData;
  readonly #damaged: DamageListener;
  readonly #name: string;
  #thread: Worker | undefined;
  #calls: WorkerCalls | undefined;

  /** `name`: of the thread. */
  constructor(data: ReaderThreadData, damaged: DamageListener, name = 'weir reader') {
    this.#data = data;
    this.#damaged = damaged;
    this.#name = name;
  }

  /** Runs an operation in the reader thread. Rejects if it throws there, or if the thread ends. */
  ask<O extends Operation>(
    operation: O,
    ...args: Parameters<ReaderOperations[O]>
  ): Promise<ReturnType<ReaderOperations[O]>> {
    return this.run(operation, ...args) as Promise<ReturnType<ReaderOperations[O]>>;
  }

  /** Like `ask`, for an operation of the module that the thread has loaded. */
  run(operation: string, ...args: readonly unknown[]): Promise<unknown> {
    return (this.#calls ?? this.#start()).call(operation, ...args);
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    this.#calls?.end('the log store is closed');
    await thread?.terminate();
  }

  #start(): WorkerCalls {
    const thread = new Worker(THREAD, {
      name: this.#name,
      workerData: this.#data,
      resourceLimits: HEAP,
    });
    thread.unref();
    const calls = new WorkerCalls(thread);
    this.#thread = thread;
    this.#calls = calls;
    thread.on('message', (message: ReaderMessage) => {
      if ('damaged' in message) this.#damaged(message.damaged, message.problem, message.place);
      else calls.settle(message);
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
