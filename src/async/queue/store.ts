// The port of the queue: where tasks are kept. One contract suite (test/contract/store.ts) runs against every store.
// Must stay true: what a store has promised by resolving `add` or `finish` is still so after the process was killed
// (the memory store alone promises nothing); a task is claimed by one at a time, the lowest priority number first, then
// the one that came first.
import type {
  CancelResult,
  ClaimedDelivery,
  ClaimedTask,
  QueueDepth,
  TaskEnding,
  NewTask,
  TaskResult,
  TaskError,
  TaskStatus,
} from './task.ts';

/** What a submit came to. `known`: the same was submitted before, under this id. */
export type AddResult =
  | { readonly kind: 'added' }
  | { readonly kind: 'known'; readonly id: string }
  | { readonly kind: 'conflict' }
  /** There is a task of this id. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'full' }
  /** The store is as large as it may become. */
  | { readonly kind: 'no_room' };

/** A store that cannot do what is asked of it at the moment. `isFull`: there is no room left. */
export class TaskStoreError extends Error {
  readonly isFull: boolean;
  constructor(message: string, isFull: boolean, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreFailure';
    this.isFull = isFull;
  }
}

/** What a store tells the one who uses it. */
export interface TaskStoreEvents {
  /** There may be a task to run for a deployment, or a result to deliver. */
  readonly work: () => void;
  /** Tasks whose time in the queue was over. */
  readonly expired: (deployment: string) => void;
}

/** All times are milliseconds since 1970, and given by the caller: a store has no clock of its own. Methods reject with StoreFailure. */
export interface TaskStore {
  /** Opens it, gives back what was running when it was last closed; rejects with a Fault where it cannot be used. */
  open(nowMs: number): Promise<void>;
  close(): Promise<void>;

  /** Keeps a task; `full` where a deployment has `maxTasks` that wait or run. */
  add(task: NewTask, maxTasks: number): Promise<AddResult>;
  status(id: string): Promise<TaskStatus | undefined>;
  /** Cancels a task that is QUEUED. */
  cancel(id: string, nowMs: number, retentionMs: number): Promise<CancelResult>;
  result(id: string): Promise<TaskResult | undefined>;

  /** The next task of a deployment, which is then running. */
  claim(deployment: string, nowMs: number, retentionMs: number): Promise<ClaimedTask | undefined>;
  /** A run has failed and is to be repeated at `dueMs`. */
  rest(id: string, dueMs: number, error: TaskError): Promise<void>;
  /** A run did not happen, or was cut by us: as if it had not been claimed. */
  giveBack(id: string): Promise<void>;
  /** The task has ended: it is due for delivery at once, or done where it has no webhook. */
  finish(id: string, ending: TaskEnding, nowMs: number, retentionMs: number): Promise<void>;

  /** The next result that is due for delivery, those passed over whose webhook begins with one of `busy`. */
  claimDelivery(nowMs: number, busy?: readonly string[]): Promise<ClaimedDelivery | undefined>;
  /** It was not taken, and is to be sent again at `dueMs`. */
  deliverLater(id: string, dueMs: number): Promise<void>;
  /** It was taken, or will not be sent again. The task is done. */
  delivered(id: string, isDelivered: boolean, nowMs: number, retentionMs: number): Promise<void>;

  /** Expires, wakes and forgets what is due; to be called about once a second. */
  sweep(nowMs: number, retentionMs: number): Promise<void>;

  /** How many wait and run, per deployment, as last known: costs nothing. */
  depth(deployment: string): QueueDepth;
}
