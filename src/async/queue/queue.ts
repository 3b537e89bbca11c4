// Queue of asynchronous requests: submit, status, cancel and result, and the worker and outbox behind them.
// Invariant: a submit is acknowledged after the store has stored it.
// The store is opened at the first submit, or at the start if there is one already.
//   submission.ts  body of a submit     task.ts    states of a task    store.ts         interface of the stores
//   worker.ts      runs tasks           outbox.ts  webhooks            task-outcome.ts  response → outcome of a task
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { steadyNow } from '../../core/clock.ts';
import { describe } from '../../core/errors.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { waitAtMost } from '../../core/wait.ts';
import { SqliteStore } from './stores/sqlite-store.ts';
import { MemoryStore } from './stores/memory-store.ts';
import type { QueueOptions } from './options.ts';
import { Outbox, type DeliveryResult, type OutboxOptions } from './outbox.ts';
import { TaskStoreError, type AddFailure, type TaskStore, type TaskStoreEvents } from './store.ts';
import type { Submission } from './submission.ts';
import type {
  CancelResult,
  ClaimedDelivery,
  QueueDepth,
  NewTask,
  TaskFacts,
  TaskPage,
  TaskQuery,
  TaskResult,
  TaskStatus,
  NextToExpire,
} from './task.ts';
import { Worker, type WorkerDeps } from './worker.ts';

export { readSubmission } from './submission.ts';
export type { DeliveryResult } from './outbox.ts';
export { TASK_STATES } from './task.ts';
export type {
  ClaimedDelivery,
  NextToExpire,
  QueueDepth,
  TaskFacts,
  TaskPage,
  TaskQuery,
  TaskStatus,
} from './task.ts';
export type { QueuedSlot } from './worker.ts';

/** Interval of sweeps. */
const SWEEP_MS = 1000;
/** Added to timers, since they may fire this much early by the clock of due times. */
const EARLY_MS = 10;

/** End of a task, for counters. */
export type QueueEvent = 'SUCCEEDED' | 'FAILED' | 'EXPIRED' | 'CANCELED';

export interface QueueDeps extends Pick<WorkerDeps, 'deployments' | 'acquireSlot' | 'started'> {
  /** Folder of the file store. */
  readonly folder: string;
  readonly log: Logger;
  readonly deliver: (delivery: ClaimedDelivery) => Promise<DeliveryResult>;
  readonly ended: (deployment: string, outcome: QueueEvent) => void;
}

/** Result of a submit: the id of the task, or why it was not stored. */
export type Submitted = { readonly id: string } | { readonly failure: AddFailure | 'storage_failed' };

interface OpenQueue {
  readonly store: TaskStore;
  readonly worker: Worker;
  readonly outbox: Outbox;
}

export class Queue implements Component {
  readonly name = 'queue';
  readonly #options: QueueOptions;
  readonly #outboxOptions: Omit<OutboxOptions, 'retentionMs'>;
  readonly #deps: QueueDeps;
  #opening: Promise<OpenQueue> | undefined;
  #openQueue: OpenQueue | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isSweeping = false;
  /** Why the last sweep failed; '' if it succeeded. */
  #sweepProblem = '';
  #isPaused = false;

  constructor(options: QueueOptions, outbox: Omit<OutboxOptions, 'retentionMs'>, deps: QueueDeps) {
    this.#options = options;
    this.#outboxOptions = outbox;
    this.#deps = deps;
  }

  /** Opens an existing store. Rejects with a WeirError if it cannot be used. */
  async start(): Promise<void> {
    const { store } = this.#options;
    const isThere =
      store === 'file' ? existsSync(join(this.#deps.folder, 'queue.sqlite')) : store !== 'memory';
    if (isThere) await this.#open();
  }

  /** Starts no further task or delivery. Running ones continue. */
  pause(): void {
    this.#isPaused = true;
    this.#openQueue?.worker.stop();
    this.#openQueue?.outbox.stop();
  }

  /** Waits for running tasks until `deadlineMs`. The proxy has cut those that still run then, and they are requeued. */
  async stop(deadlineMs: number): Promise<void> {
    this.pause();
    clearInterval(this.#timer);
    // The store may still be opening.
    const openQueue = await this.#opening?.catch(() => undefined);
    if (openQueue === undefined) return;
    await waitAtMost(
      Math.min(deadlineMs - performance.now(), 15_000),
      Promise.all([openQueue.worker.settled(), openQueue.outbox.settled()]),
    );
    await openQueue.store.close();
  }

  /** True if its tasks are in the data folder, so that only one weir can have them. */
  get isInFolder(): boolean {
    return this.#options.store === 'file';
  }

  /** Starts no further task or delivery, and waits until none runs, at most `ms` milliseconds. */
  async settle(ms: number): Promise<void> {
    this.pause();
    const openQueue = await this.#opening?.catch(() => undefined);
    if (openQueue === undefined) return;
    await waitAtMost(ms, Promise.all([openQueue.worker.settled(), openQueue.outbox.settled()]));
  }

  /** A replica of this deployment is free, and no synchronous request waits for it. */
  capacityFreed(deployment: string): void {
    this.#openQueue?.worker.wake(deployment);
  }

  /** Stores a task. `digest` of the body tells a repeated submit from another body with the same `idempotencyKey`. */
  async submit(
    id: string,
    deployment: string,
    { input, webhook, priority, maxQueueMs, retry }: Submission,
    idempotencyKey: string,
    digest: string,
    { traceparent, isPrivate, client }: Pick<NewTask, 'traceparent' | 'isPrivate' | 'client'>,
  ): Promise<Submitted> {
    const createdMs = Math.floor(steadyNow());
    const expiresMs = createdMs + maxQueueMs;
    const task = {
      id,
      deployment,
      input,
      webhook,
      priority,
      createdMs,
      expiresMs,
      retry,
      idempotencyKey,
      digest,
      traceparent,
      isPrivate,
      client,
    };
    try {
      const { store } = await this.#open();
      const added = await store.add(task, this.#options.max_tasks);
      if (added.kind === 'added') return { id };
      if (added.kind === 'known') return { id: added.id };
      return { failure: added.kind };
    } catch (error) {
      this.#deps.log.error('task not stored', { request_id: id, problem: describe(error) });
      return { failure: error instanceof TaskStoreError && error.isFull ? 'storage_full' : 'storage_failed' };
    }
  }

  // These five reject with a TaskStoreError if the store cannot be read.

  async status(id: string): Promise<TaskStatus | undefined> {
    return (await this.#opened())?.store.status(id);
  }

  async cancel(id: string): Promise<CancelResult> {
    const openQueue = await this.#opened();
    if (openQueue === undefined) return undefined;
    const cancelled = await openQueue.store.cancel(id, this.#now(), this.#options.retention);
    if (cancelled?.isCanceled === true) {
      const task = await openQueue.store.status(id);
      if (task) this.#deps.ended(task.deployment, 'CANCELED');
    }
    return cancelled;
  }

  async result(id: string): Promise<TaskResult | undefined> {
    return (await this.#opened())?.store.result(id);
  }

  /** All facts of a task, for operators. */
  async facts(id: string): Promise<TaskFacts | undefined> {
    return (await this.#opened())?.store.facts(id);
  }

  /** A page of tasks, the newest first, for operators (store.ts). */
  async list(query: TaskQuery): Promise<TaskPage> {
    const openQueue = await this.#opened();
    return openQueue === undefined ? { tasks: [], next: '' } : openQueue.store.list(query);
  }

  /** The queued task whose time in the queue ends first (store.ts). */
  async nextToExpire(): Promise<NextToExpire | undefined> {
    return (await this.#opened())?.store.nextToExpire();
  }

  /** Queued and running tasks of a deployment, as last known. */
  depth(deployment: string): QueueDepth {
    return this.#openQueue?.store.depth(deployment) ?? { queued: 0, inProgress: 0 };
  }

  /** The store, if it is open or opening. A store that was never opened has no tasks. */
  #opened(): Promise<OpenQueue | undefined> {
    return this.#opening ?? Promise.resolve(undefined);
  }

  #open(): Promise<OpenQueue> {
    this.#opening ??= this.#openStore().catch((error: unknown) => {
      // The next call tries again.
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openStore(): Promise<OpenQueue> {
    const { log, deliver, ended, ...others } = this.#deps;
    let openQueue: OpenQueue | undefined;
    const store = await this.#makeStore({
      added: () => openQueue?.worker.wakeAll(),
      work() {
        openQueue?.worker.wakeAll();
        openQueue?.outbox.wake();
      },
      expired: (deployment) => ended(deployment, 'EXPIRED'),
    });
    await store.open(this.#now());
    const now = () => this.#now();
    const sweepAfter = (delayMs: number) =>
      void setTimeout(() => void this.#sweep(), delayMs + EARLY_MS).unref();
    const worker = new Worker({ ...others, store, log, now, sweepAfter, ended }, this.#options);
    const outboxOptions = { ...this.#outboxOptions, retentionMs: this.#options.retention };
    const outbox = new Outbox({ store, log, now, sweepAfter, deliver }, outboxOptions);
    openQueue = { store, worker, outbox };
    this.#openQueue = openQueue;
    if (this.#isPaused) this.pause();
    else {
      this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS).unref();
      worker.wakeAll();
      outbox.wake();
    }
    return openQueue;
  }

  async #makeStore(events: TaskStoreEvents): Promise<TaskStore> {
    const { store, fsync, max_store_bytes, retention, redis_prefix } = this.#options;
    if (store === 'memory') return new MemoryStore(max_store_bytes, events);
    if (store === 'file')
      return new SqliteStore(
        { folder: this.#deps.folder, fsync, maxBytes: max_store_bytes, retentionMs: retention },
        events,
      );
    // Loaded only if configured, since its libraries are as large as weir.
    const { RedisStore } = await import('./stores/redis-store.ts');
    return new RedisStore(store, redis_prefix, events);
  }

  async #sweep(): Promise<void> {
    const store = this.#openQueue?.store;
    if (store === undefined || this.#isSweeping || this.#isPaused) return;
    this.#isSweeping = true;
    try {
      await store.sweep(this.#now(), this.#options.retention);
      this.#reportSweep('');
    } catch (error) {
      this.#reportSweep(describe(error));
    }
    this.#isSweeping = false;
  }

  /** Logs a change of the problem only, so that a failing disk does not log a line per second. */
  #reportSweep(problem: string): void {
    if (problem === this.#sweepProblem) return;
    const wasLost = this.#sweepProblem !== '';
    this.#sweepProblem = problem;
    if (problem === '') this.#deps.log.event('queue_store_back', {});
    else if (!wasLost) this.#deps.log.event('queue_store_lost', { problem });
    else this.#deps.log.warn('queue store still fails', { problem });
  }

  #now(): number {
    return Math.floor(steadyNow());
  }
}
