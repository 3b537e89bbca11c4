// Questions to a thread, and its answers. Must stay true: every call is answered once, also when the thread is gone.
import type { Worker } from 'node:worker_threads';

export interface Call {
  readonly n: number;
  readonly operation: string;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly n: number;
  readonly value?: unknown;
  /** What went wrong, in words. */
  readonly failure?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The asking side. */
export class Calls {
  readonly #thread: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #n = 0;
  #end: Error | undefined;

  constructor(thread: Worker) {
    this.#thread = thread;
  }

  /** Rejects with what the thread said went wrong, or that it has ended. `transfer`: moved instead of copied. */
  ask(operation: string, ...args: unknown[]): Promise<unknown> {
    if (this.#end) return Promise.reject(this.#end);
    const n = ++this.#n;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call: Call = { n, operation, args };
    // It throws for what cannot go to another thread: then nobody waits.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#thread.postMessage(call);
    this.#waiting.set(n, { resolve, reject });
    return promise;
  }

  answered({ n, value, failure }: Answer): void {
    const waiting = this.#waiting.get(n);
    this.#waiting.delete(n);
    if (failure === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(failure));
  }

  /** Nobody will answer any more. */
  end(reason: string): void {
    this.#end = new Error(reason);
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}
