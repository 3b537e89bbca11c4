// The main thread's side of one data thread: starts it, calls it, and tells when it has ended.
// Invariant: `ended` is called once; calls that have no result then are rejected.
import { Worker, type Transferable } from 'node:worker_threads';
import { threadFile, WorkerCalls } from '../../core/worker-rpc.ts';
import type { FromDataThread } from './from-thread.ts';
import type { ThreadStart } from './thread-start.ts';
import type { ThreadOperations, ToDataThread } from './to-thread.ts';

export interface ThreadListener {
  /** A message that is not a result of a call. */
  received(message: FromDataThread): void;
  /** The thread runs no more. `problem`: why. */
  ended(problem: string): void;
}

export class RunningThread {
  readonly #worker: Worker;
  readonly #calls: WorkerCalls;

  /** `transfer`: ports in `start`, which are moved to the thread. */
  constructor(start: ThreadStart, transfer: Transferable[], listener: ThreadListener) {
    const worker = new Worker(threadFile('data-thread', import.meta.url), {
      name: `weir data ${start.thread}`,
      workerData: start,
      transferList: transfer,
    });
    this.#worker = worker;
    this.#calls = new WorkerCalls({ postMessage: (calls) => this.send({ kind: 'calls', calls }) });
    let problem = 'it was ended';
    worker.on('message', (message: FromDataThread) => {
      if (message.kind === 'result') this.#calls.settle(message.result);
      else listener.received(message);
    });
    worker.on('error', (error) => (problem = error.stack ?? String(error)));
    worker.on('exit', () => {
      this.#calls.end(problem);
      listener.ended(problem);
    });
  }

  send(message: ToDataThread, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Asks the thread to do something. Rejects if that fails, or if the thread ends. */
  call<O extends keyof ThreadOperations>(
    operation: O,
    ...args: Parameters<ThreadOperations[O]>
  ): Promise<unknown> {
    return this.#calls.call(operation, ...args);
  }

  /** Ends the thread now. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}
