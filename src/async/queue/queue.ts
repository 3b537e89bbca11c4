// The queue of asynchronous requests: what a client may ask of it, and who works on it.
// Must stay true: a submit is acknowledged only when the store has it for good; the store is opened when it is first
// needed, or at the start where there is one already, so that a weir without asynchronous requests carries nothing.
//   submission.ts  what a client sends        task.ts    the states of a task       store.ts   where tasks are kept
//   worker.ts      runs them                  outbox.ts  delivers what came of it   verdict.ts what an answer means
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { steadyNow } from '../../core/clock.ts';
import { describe } from '../../core/errors.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { SqliteStore } from './stores/sqlite-store.ts';
import { MemoryStore } from './stores/memory-store.ts';
import type { QueueOptions } from './options.ts';
import { Outbox, type DeliveryResult, type OutboxOptions } from './outbox.ts';
import { TaskStoreError, type AddFailure, type TaskStore, type TaskStoreEvents } from './store.ts';
import type { Submission } from './submission.ts';
import type { CancelResult, ClaimedDelivery, QueueDepth, NewTask, TaskResult, TaskStatus } from './task.ts';
import { Worker, type WorkerDeps } from './worker.ts';

export { readSubmission } from './submission.ts';
export type { DeliveryResult } from './outbox.ts';
export type { ClaimedDelivery, QueueDepth, TaskStatus } from './task.ts';
export type { QueuedSlot } from './worker.ts';

/** How often the store is looked through for what is due. */
const SWEEP_MS = 1000;
/** A timer may fire that much early by the clock that due times are written in. */
const EARLY_MS = 10;

/** What a task came to, for counters. */
export type QueueEvent = 'SUCCEEDED' | 'FAILED' | 'EXPIRED' | 'CANCELED';

/** What the queue needs of others. */
export interface QueueDeps extends Pick<WorkerDeps, 'deployments' | 'acquireSlot' | 'started'> {
  /** Folder for the store in a file. */
  readonly folder: string;
  readonly log: Logger;
  readonly deliver: (delivery: ClaimedDelivery) => Promise<DeliveryResult>;
  readonly ended: (deployment: string, outcome: QueueEvent) => void;
}

/** Result of a submit: the id of the task, or why it was not stored. */
export type Submitted = { readonly id: string } | { readonly failure: AddFailure | 'storage_failed' };

interface Working {
  readonly store: TaskStore;
  readonly worker: Worker;
  readonly outbox: Outbox;
}

export class Queue implements Component {
  readonly name = 'queue';
  readonly #options: QueueOptions;
  readonly #outboxOptions: Omit<OutboxOptions, 'retentionMs'>;
  readonly #deps: QueueDeps;
  #opening: Promise<Working> | undefined;
  #working: Working | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isSweeping = false;
  /** Why the store could not be looked through the last time; empty: it could. */
  #problem = '';
  #isPaused = false;

  constructor(options: QueueOptions, outbox: Omit<OutboxOptions, 'retentionMs'>, deps: QueueDeps) {
    this.#options = options;
    this.#outboxOptions = outbox;
    this.#deps = deps;
  }

  /** Opens what there is already; rejects with a Fault where that cannot be used. */
  async start(): Promise<void> {
    const { store } = this.#options;
    const isThere =
      store === 'file' ? existsSync(join(this.#deps.folder, 'queue.sqlite')) : store !== 'memory';
    if (isThere) await this.#open();
  }

  /** From now on no task begins; what runs goes on. */
  pause(): void {
    this.#isPaused = true;
    this.#working?.worker.stop();
    this.#working?.outbox.stop();
  }

  /** What still runs by then has been cut by the proxy and is given back. */
  async stop(deadlineMs: number): Promise<void> {
    this.pause();
    clearInterval(this.#timer);
    // It may only just be opening.
    const working = await this.#opening?.catch(() => undefined);
    if (working === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise((resolve) => {
      timer = setTimeout(resolve, Math.max(0, Math.min(deadlineMs - performance.now(), 15_000)));
    });
    await Promise.race([Promise.all([working.worker.settled(), working.outbox.settled()]), timeIsUp]);
    clearTimeout(timer);
    await working.store.close();
  }

  /** A place at a replica of this deployment is free, and no synchronous request waits for it. */
  freed(deployment: string): void {
    this.#working?.worker.wake(deployment);
  }

  /**
   * Keeps a task. `digest` tells a repeated submit with an `idempotencyKey` from another one with the same; `origin` is
   * what the submit leaves to its runs.
   */
  async submit(
    id: string,
    deployment: string,
    { input, webhook, priority, maxQueueMs, retry }: Submission,
    idempotencyKey: string,
    digest: string,
    { traceparent, isPrivate }: Pick<NewTask, 'traceparent' | 'isPrivate'>,
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
    };
    try {
      const { store } = await this.#open();
      const added = await store.add(task, this.#options.max_tasks);
      if (added.kind === 'added') return { id };
      if (added.kind === 'known') return { id: added.id };
      return { failure: added.kind };
    } catch (error) {
      this.#deps.log.error('a task cannot be kept', { request_id: id, problem: describe(error) });
      return { failure: error instanceof TaskStoreError && error.isFull ? 'storage_full' : 'storage_failed' };
    }
  }

  /** Rejects with StoreFailure where the store cannot be asked; so do the next two. */
  async status(id: string): Promise<TaskStatus | undefined> {
    return (await this.#opened())?.store.status(id);
  }

  async cancel(id: string): Promise<CancelResult> {
    const working = await this.#opened();
    if (working === undefined) return undefined;
    const cancelled = await working.store.cancel(id, this.#now(), this.#options.retention);
    if (cancelled?.isCanceled === true) {
      const task = await working.store.status(id);
      if (task) this.#deps.ended(task.deployment, 'CANCELED');
    }
    return cancelled;
  }

  async result(id: string): Promise<TaskResult | undefined> {
    return (await this.#opened())?.store.result(id);
  }

  depth(deployment: string): QueueDepth {
    return this.#working?.store.depth(deployment) ?? { queued: 0, inProgress: 0 };
  }

  /** The store, where it is open or about to be; it is not opened to be asked for what it cannot have. */
  #opened(): Promise<Working | undefined> {
    return this.#opening ?? Promise.resolve(undefined);
  }

  #open(): Promise<Working> {
    this.#opening ??= this.#openStore().catch((error: unknown) => {
      // The next one tries again.
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openStore(): Promise<Working> {
    const { log, deliver, ended, ...others } = this.#deps;
    let working: Working | undefined;
    const store = await this.#makeStore({
      work() {
        working?.worker.wakeAll();
        working?.outbox.wake();
      },
      expired: (deployment) => ended(deployment, 'EXPIRED'),
    });
    await store.open(this.#now());
    const now = () => this.#now();
    const due = (delayMs: number) => void setTimeout(() => void this.#sweep(), delayMs + EARLY_MS).unref();
    const worker = new Worker({ ...others, store, log, now, due, ended }, this.#options);
    const outboxOptions = { ...this.#outboxOptions, retentionMs: this.#options.retention };
    const outbox = new Outbox({ store, log, now, due, deliver }, outboxOptions);
    working = { store, worker, outbox };
    this.#working = working;
    if (this.#isPaused) this.pause();
    else {
      this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS).unref();
      worker.wakeAll();
      outbox.wake();
    }
    return working;
  }

  async #makeStore(events: TaskStoreEvents): Promise<TaskStore> {
    const { store, fsync, max_store_bytes, retention, redis_prefix } = this.#options;
    if (store === 'memory') return new MemoryStore(max_store_bytes, events);
    if (store === 'file')
      return new SqliteStore(
        { folder: this.#deps.folder, fsync, maxBytes: max_store_bytes, retentionMs: retention },
        events,
      );
    // Loaded when it is wanted: what it brings along is as large as all of weir.
    const { RedisStore } = await import('./stores/redis-store.ts');
    return new RedisStore(store, redis_prefix, events);
  }

  async #sweep(): Promise<void> {
    const store = this.#working?.store;
    if (store === undefined || this.#isSweeping || this.#isPaused) return;
    this.#isSweeping = true;
    try {
      await store.sweep(this.#now(), this.#options.retention);
      this.#said('');
    } catch (error) {
      this.#said(describe(error));
    }
    this.#isSweeping = false;
  }

  /** Once for each change: a disk that is away for a day has one line, not one for each second. */
  #said(problem: string): void {
    if (problem === this.#problem) return;
    const wasLost = this.#problem !== '';
    this.#problem = problem;
    if (problem === '') this.#deps.log.event('queue_store_back', {});
    else if (!wasLost) this.#deps.log.event('queue_store_lost', { problem });
    // The store was lost before; only the reason is new.
    else this.#deps.log.warn('the queue cannot be looked through', { problem });
  }

  #now(): number {
    return Math.floor(steadyNow());
  }
}
