// Task store in a SQLite file. sqlite-thread.ts owns the file, so that this thread never waits for the disk.
// Invariant: after the thread has ended, pending and later calls reject until `sweep` starts another one. Tasks that
// this process has claimed stay claimed.
import { Worker } from 'node:worker_threads';
import { describe, WeirError } from '../../../core/errors.ts';
import { threadFile, WorkerCalls } from '../../../core/worker-rpc.ts';
import type { TaskOperation, QueueThreadEvent, QueueThreadData } from './sqlite-thread.ts';
import { TaskStoreError, type AddResult, type TaskStore, type TaskStoreEvents } from '../store.ts';
import type {
  CancelResult,
  ClaimedDelivery,
  ClaimedTask,
  QueueDepth,
  TaskEnding,
  NewTask,
  NextToExpire,
  TaskResult,
  TaskError,
  TaskFacts,
  TaskPage,
  TaskQuery,
  TaskStatus,
} from '../task.ts';

export type SqliteStoreOptions = Omit<QueueThreadData, 'nowMs' | 'held'>;

/** First and longest pause before an ended thread is replaced. */
const REOPEN_FIRST_MS = 1000;
const REOPEN_LONGEST_MS = 60_000;

const NOTHING: QueueDepth = { queued: 0, inProgress: 0 };
const THREAD = threadFile('sqlite-thread', import.meta.url);

export class SqliteStore implements TaskStore {
  readonly #data: SqliteStoreOptions;
  readonly #events: TaskStoreEvents;
  #thread: Worker | undefined;
  #calls: WorkerCalls | undefined;
  #depths: Record<string, QueueDepth> = {};
  /** Why calls reject; `undefined` while the thread works. */
  #failure: string | undefined;
  #isClosed = false;
  /** Tasks that this process runs, and tasks whose results it delivers. */
  readonly #runs = new Set<string>();
  readonly #deliveries = new Set<string>();
  #reopenings = 0;
  #reopenMs = 0;

  constructor(data: SqliteStoreOptions, events: TaskStoreEvents) {
    this.#data = data;
    this.#events = events;
  }

  open(nowMs: number): Promise<void> {
    const held = [...this.#runs, ...this.#deliveries];
    const workerData: QueueThreadData = { ...this.#data, nowMs, held };
    const thread = new Worker(THREAD, { name: 'weir queue', workerData });
    const calls = new WorkerCalls(
      thread,
      ({ message, code }) => new TaskStoreError(message, code === 'full'),
    );
    this.#thread = thread;
    this.#calls = calls;
    // The thread does not keep the process alive.
    thread.unref();
    return new Promise((resolve, reject) => {
      thread.once('message', ({ opened, depths }: QueueThreadEvent) => {
        if (opened !== '') {
          void thread.terminate();
          reject(new WeirError('store_unusable', opened!));
          return;
        }
        this.#depths = depths;
        this.#failure = undefined;
        thread.on('message', (event: QueueThreadEvent) => this.#onEvent(event, calls));
        resolve();
      });
      thread.on('error', (error) => {
        reject(new WeirError('store_unusable', 'the thread of the queue ended', { cause: error }));
        this.#die(`the thread of the queue ended: ${error.message}`, calls);
      });
      thread.on('exit', () => {
        reject(new WeirError('store_unusable', 'the thread of the queue ended'));
        this.#die(this.#isClosed ? 'the queue is closed' : 'the thread of the queue ended', calls);
      });
    });
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#isClosed = true;
    if (thread === undefined || this.#failure !== undefined) {
      this.#failure = 'the queue is closed';
      return;
    }
    thread.ref();
    // It may end by itself before all calls have settled.
    const exited = new Promise((resolve) => thread.once('exit', resolve));
    await this.#calls!.settled();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage('close');
    await exited;
  }

  add(task: NewTask, maxTasks: number): Promise<AddResult> {
    return this.#call('add', task, maxTasks).then((added) => {
      this.#events.added();
      return added as AddResult;
    });
  }

  status = (id: string) => this.#call('status', id) as Promise<TaskStatus | undefined>;

  cancel = (id: string, nowMs: number, retentionMs: number) =>
    this.#call('cancel', id, nowMs, retentionMs) as Promise<CancelResult>;

  result = (id: string) => this.#call('result', id) as Promise<TaskResult | undefined>;

  facts = (id: string) => this.#call('facts', id) as Promise<TaskFacts | undefined>;

  nextToExpire = () => this.#call('nextToExpire') as Promise<NextToExpire | undefined>;

  list = (query: TaskQuery) => this.#call('list', query) as Promise<TaskPage>;

  async claim(deployment: string, nowMs: number, retentionMs: number): Promise<ClaimedTask | undefined> {
    const task = (await this.#call('claim', deployment, nowMs, retentionMs)) as ClaimedTask | undefined;
    if (task !== undefined) this.#runs.add(task.id);
    return task;
  }

  retryLater = (id: string, dueMs: number, error: TaskError) =>
    this.#end(this.#runs, 'retryLater', id, dueMs, error);

  giveBack = (id: string) => this.#end(this.#runs, 'giveBack', id);

  async finish(id: string, ending: TaskEnding, nowMs: number, retentionMs: number): Promise<void> {
    await this.#end(this.#runs, 'finish', id, ending, nowMs, retentionMs);
    this.#events.work();
  }

  async claimDelivery(nowMs: number, busy?: readonly string[]): Promise<ClaimedDelivery | undefined> {
    const delivery = (await this.#call('claimDelivery', nowMs, busy)) as ClaimedDelivery | undefined;
    if (delivery !== undefined) this.#deliveries.add(delivery.id);
    return delivery;
  }

  deliverLater = (id: string, dueMs: number) => this.#end(this.#deliveries, 'deliverLater', id, dueMs);

  finishDelivery = (id: string, isDelivered: boolean, nowMs: number, retentionMs: number) =>
    this.#end(this.#deliveries, 'finishDelivery', id, isDelivered, nowMs, retentionMs);

  async sweep(nowMs: number, retentionMs: number): Promise<void> {
    if (this.#failure !== undefined) await this.#reopen(nowMs);
    if (await this.#call('sweep', nowMs, retentionMs)) this.#events.work();
  }

  depth(deployment: string): QueueDepth {
    return this.#depths[deployment] ?? NOTHING;
  }

  /** Replaces an ended thread, if its pause is over. */
  async #reopen(nowMs: number): Promise<void> {
    // A clock that was set back must not delay this.
    if (this.#isClosed || (nowMs < this.#reopenMs && this.#reopenMs - nowMs <= REOPEN_LONGEST_MS)) return;
    this.#reopenMs = nowMs + Math.min(REOPEN_LONGEST_MS, REOPEN_FIRST_MS * 2 ** this.#reopenings++);
    try {
      await this.open(nowMs);
    } catch (error) {
      this.#failure = describe(error);
      return;
    }
    this.#reopenings = 0;
    this.#events.work();
  }

  /** Ends a claim of this process. If the call fails, the claim stays. */
  async #end(held: Set<string>, operation: TaskOperation, id: string, ...args: unknown[]): Promise<void> {
    await this.#call(operation, id, ...args);
    held.delete(id);
  }

  #call(operation: TaskOperation, ...args: unknown[]): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(new TaskStoreError(this.#failure, false));
    return this.#calls!.call(operation, ...args);
  }

  #onEvent({ results, expired, depths }: QueueThreadEvent, calls: WorkerCalls): void {
    this.#depths = depths;
    for (const deployment of expired) this.#events.expired(deployment);
    for (const result of results) calls.settle(result);
  }

  #die(reason: string, calls: WorkerCalls): void {
    this.#failure ??= reason;
    calls.end(reason);
  }
}
