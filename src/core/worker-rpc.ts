// Calls to a worker thread and their results.
// Invariant: every call settles once, also if the thread ends. The calls of one turn go over in one message.
import type { Worker } from 'node:worker_threads';
import { describe } from './errors.ts';

/** A message to the thread is a list of these. */
export interface Call {
  readonly n: number;
  readonly operation: string;
  readonly args: readonly unknown[];
}

/** What the thread sends back for the call with the same `n`. */
export interface CallResult {
  readonly n: number;
  readonly value?: unknown;
  readonly failure?: WorkerFailure;
}

export interface WorkerFailure {
  readonly message: string;
  /** Machine name of the failure, if the thread knows one. */
  readonly code: string;
}

interface PendingCall {
  readonly settled: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * URL of the file of a thread or process, beside the module `base` (its import.meta.url), in the sources and in the bundle.
 * `scripts/build-bundle.ts` finds these files by the calls.
 */
export const threadFile = (name: string, base: string): URL =>
  new URL(`./${name}${base.endsWith('.ts') ? '.ts' : '.js'}`, base);

/** The calling side of one thread. */
export class WorkerCalls {
  readonly #thread: Pick<Worker, 'postMessage'>;
  readonly #errorOf: (failure: WorkerFailure) => Error;
  readonly #pending = new Map<number, PendingCall>();
  #unsent: Call[] = [];
  #n = 0;
  #end: Error | undefined;

  /** `errorOf`: a failure as the error that the call rejects with. */
  constructor(
    thread: Pick<Worker, 'postMessage'>,
    errorOf: (failure: WorkerFailure) => Error = ({ message }) => new Error(message),
  ) {
    this.#thread = thread;
    this.#errorOf = errorOf;
  }

  /** Resolves to the value that the thread returns; rejects with its failure, or if the thread ends. */
  call(operation: string, ...args: readonly unknown[]): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const n = ++this.#n;
    if (this.#unsent.length === 0) setImmediate(() => this.#send());
    this.#unsent.push({ n, operation, args });
    const { promise: settled, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(n, { settled, resolve, reject });
    return settled;
  }

  /** Receives a result from the thread. */
  settle({ n, value, failure }: CallResult): void {
    const call = this.#pending.get(n);
    this.#pending.delete(n);
    if (failure === undefined) call?.resolve(value);
    else call?.reject(this.#errorOf(failure));
  }

  /** Sends what is not sent yet; resolves when all calls up to now have settled. */
  async settled(): Promise<void> {
    this.#send();
    await Promise.allSettled(Array.from(this.#pending.values(), ({ settled }) => settled));
  }

  /** The thread has ended: rejects all pending calls and all later ones. */
  end(reason: string): void {
    this.#end ??= this.#errorOf({ message: reason, code: '' });
    for (const { reject } of this.#pending.values()) reject(this.#end);
    this.#pending.clear();
    this.#unsent = [];
  }

  #send(): void {
    const calls = this.#unsent;
    if (calls.length === 0) return;
    this.#unsent = [];
    this.#post(calls);
  }

  /** If an argument cannot be copied to the thread, only its call fails. */
  #post(calls: readonly Call[]): void {
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#thread.postMessage(calls);
    } catch (error) {
      if (calls.length > 1) for (const call of calls) this.#post([call]);
      else this.settle({ n: calls[0]!.n, failure: { message: describe(error), code: '' } });
    }
  }
}

/** Runs a call on the thread's side. Its value may be a promise (`answer`). */
function resultOf(
  { n, operation, args }: Call,
  run: (operation: string, args: readonly unknown[]) => unknown,
): CallResult {
  try {
    return { n, value: run(operation, args) };
  } catch (error) {
    return { n, failure: { message: describe(error), code: '' } };
  }
}

/**
 * Runs a call on the thread's side and sends its result: at once, or when the promise that it returned settles. Calls that
 * came later may be answered first.
 */
export function answer(
  call: Call,
  run: (operation: string, args: readonly unknown[]) => unknown,
  send: (result: CallResult) => void,
): void {
  const result = resultOf(call, run);
  if (!(result.value instanceof Promise)) return send(result);
  const { n } = call;
  result.value.then(
    (value: unknown) => send({ n, value }),
    (error: unknown) => send({ n, failure: { message: describe(error), code: '' } }),
  );
}
