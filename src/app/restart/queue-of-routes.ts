// The queue as the routes of clients use it: that of this weir or, after a restart, that of the next one.
import type { Queue, QueueDepth, TaskStatus } from '../../async/queue/queue.ts';
import type { AsyncQueue } from '../../data-plane/server/data-server.ts';

type Operation = keyof AsyncQueue;
type CallNext = (operation: Operation, ...args: readonly unknown[]) => Promise<unknown>;

export class QueueOfRoutes implements AsyncQueue {
  readonly #queue: Queue;
  #next: CallNext | undefined;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** Calls go to the queue of the next weir from here on. */
  handOver(next: CallNext): void {
    this.#next = next;
  }

  submit(...args: Parameters<Queue['submit']>): ReturnType<Queue['submit']> {
    return this.#run('submit', args, () => this.#queue.submit(...args));
  }

  status(id: string): Promise<TaskStatus | undefined> {
    return this.#run('status', [id], () => this.#queue.status(id));
  }

  cancel(id: string): ReturnType<Queue['cancel']> {
    return this.#run('cancel', [id], () => this.#queue.cancel(id));
  }

  result(id: string): ReturnType<Queue['result']> {
    return this.#run('result', [id], () => this.#queue.result(id));
  }

  depth(deployment: string): Promise<QueueDepth> {
    return this.#run('depth', [deployment], () => Promise.resolve(this.#queue.depth(deployment)));
  }

  /** Runs an operation for an earlier weir. */
  runFor(operation: string, args: readonly unknown[]): Promise<unknown> {
    const run: Record<Operation, () => Promise<unknown>> = {
      submit: () => this.submit(...(args as Parameters<Queue['submit']>)),
      status: () => this.status(args[0] as string),
      cancel: () => this.cancel(args[0] as string),
      result: () => this.result(args[0] as string),
      depth: () => this.depth(args[0] as string),
    };
    return run[operation as Operation]();
  }

  #run<T>(operation: Operation, args: readonly unknown[], here: () => Promise<T>): Promise<T> {
    return this.#next === undefined ? here() : (this.#next(operation, ...args) as Promise<T>);
  }
}
