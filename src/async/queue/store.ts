// Interface of the task stores. test/contract/store.ts tests every store against it.
// Invariant: a task is claimed by one worker at a time, and a resolved `add` or `finish` survives a crash, except in
// the memory store.
import type { Failure } from '../../core/errors.ts';
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
} from './task.ts';

/** Result of adding a task. `known`: a task with the same idempotency key and body exists, and this is its id. */
export type AddResult =
  | { readonly kind: 'added' }
  | { readonly kind: 'known'; readonly id: string }
  | { readonly kind: AddFailure };

/**
 * idempotency_conflict: the key was used with another body. id_in_use: a task with this id exists. queue_full: the
 * deployment has `maxTasks` tasks. storage_full: the store has reached its size limit.
 */
export type AddFailure = Extract<
  Failure,
  'idempotency_conflict' | 'id_in_use' | 'queue_full' | 'storage_full'
>;

/** An operation that the store cannot do now. `isFull`: the storage is full. */
export class TaskStoreError extends Error {
  readonly isFull: boolean;
  constructor(message: string, isFull: boolean, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TaskStoreError';
    this.isFull = isFull;
  }
}

/** Notifications of a store. */
export interface TaskStoreEvents {
  /** A task was stored, which may be run. */
  readonly added: () => void;
  /** There may be a task to run, or a result to deliver. */
  readonly work: () => void;
  /** A task of this deployment has exceeded its time in the queue. */
  readonly expired: (deployment: string) => void;
}

/**
 * Times are milliseconds since the epoch of the caller's clock; a store reads no clock. Methods reject with a
 * TaskStoreError.
 */
export interface TaskStore {
  /** Opens the store and requeues tasks of a crashed process. Rejects with a WeirError if the store cannot be used. */
  open(nowMs: number): Promise<void>;
  close(): Promise<void>;

  /** Stores a task. `maxTasks`: most queued and running tasks of a deployment. */
  add(task: NewTask, maxTasks: number): Promise<AddResult>;
  status(id: string): Promise<TaskStatus | undefined>;
  /** Cancels a task in state QUEUED. */
  cancel(id: string, nowMs: number, retentionMs: number): Promise<CancelResult>;
  result(id: string): Promise<TaskResult | undefined>;

  /** All facts of a task, for operators. */
  facts(id: string): Promise<TaskFacts | undefined>;
  /** Tasks that are kept, the newest first. A call looks at a limited number of tasks, so a page may be short. */
  list(query: TaskQuery): Promise<TaskPage>;
  /** Of the tasks that have not run yet, the one whose time in the queue ends first; `undefined` if there is none. */
  nextToExpire(): Promise<NextToExpire | undefined>;

  /** Claims the next task of a deployment: lowest priority number first, then oldest first. */
  claim(deployment: string, nowMs: number, retentionMs: number): Promise<ClaimedTask | undefined>;
  /** Schedules another run of a claimed task at `dueMs`. `error`: why this run failed. */
  retryLater(id: string, dueMs: number, error: TaskError): Promise<void>;
  /** Undoes a claim whose run did not happen. The attempt does not count. */
  giveBack(id: string): Promise<void>;
  /** Ends a claimed task. Its result is due for delivery at once, or the task is done if it has no webhook. */
  finish(id: string, ending: TaskEnding, nowMs: number, retentionMs: number): Promise<void>;

  /** Claims the next due delivery. Skips webhooks whose URL begins with one of `busy`. */
  claimDelivery(nowMs: number, busy?: readonly string[]): Promise<ClaimedDelivery | undefined>;
  /** Schedules another attempt of a claimed delivery at `dueMs`. */
  deliverLater(id: string, dueMs: number): Promise<void>;
  /** Ends a claimed delivery, successful or not. The task is done. */
  finishDelivery(id: string, isDelivered: boolean, nowMs: number, retentionMs: number): Promise<void>;

  /** Expires, requeues and deletes due tasks. Call it about once a second. */
  sweep(nowMs: number, retentionMs: number): Promise<void>;

  /** Queued and running tasks of a deployment, as last known. Reads memory only. */
  depth(deployment: string): QueueDepth;
}
