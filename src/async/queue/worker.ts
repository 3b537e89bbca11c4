// Runs tasks: acquires a slot at a replica, claims the next task, sends it, and stores its end.
// Invariant: a task is claimed only with a slot, and each claimed task is ended, retried or requeued.
// Synchronous requests go first, since a slot is granted only if no request waits for the replica.
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { QueueOptions } from './options.ts';
import { TaskStoreError, type TaskStore } from './store.ts';
import type { ClaimedTask, TaskEnding, TaskError } from './task.ts';
import { settle } from './settle.ts';
import { taskOutcome, type ModelResponse } from './task-outcome.ts';

/** Permission to send one task to a replica. Exactly one method is called, once. */
export interface QueuedSlot {
  /** Sends the task and releases the slot. `wantsBody`: the body of the response is needed. */
  send(task: ClaimedTask, wantsBody: boolean): Promise<ModelResponse>;
  release(): void;
}

export interface WorkerDeps {
  readonly store: TaskStore;
  readonly log: Logger;
  readonly now: () => number;
  /** Ids of the configured deployments. */
  readonly deployments: () => readonly string[];
  /** A slot for the next task of a deployment; `undefined` if no replica is free, or a request waits for one. */
  readonly acquireSlot: (deployment: string) => QueuedSlot | undefined;
  /** Requests a sweep of the store after a delay. */
  readonly sweepAfter: (delayMs: number) => void;
  /** A task has started its first attempt. */
  readonly started: (deployment: string, waitedSeconds: number) => void;
  readonly ended: (deployment: string, status: 'SUCCEEDED' | 'FAILED') => void;
}

/** Pauses of a deployment whose model is busy. They grow each time, up to the maximum. */
const BUSY_MS = 500;
const MAX_BUSY_MS = 30_000;
/** Pause before another claim after the store has failed. */
const STORE_RETRY_MS = 1000;

const NO_SPACE: TaskError = {
  code: 'INTERNAL_SERVER_ERROR',
  message: 'No space to store the response of the model',
};

/** State of one deployment. */
class DeploymentQueue {
  running = 0;
  isClaiming = false;
  /** The last claim found no task, and the store has reported none since. */
  isEmpty = false;
  busyUntilMs = 0;
  busyTimes = 0;
  timer: NodeJS.Timeout | undefined;
}

export class Worker {
  readonly #deps: WorkerDeps;
  readonly #options: QueueOptions;
  readonly #deployments = new Map<string, DeploymentQueue>();
  #isStopped = false;
  /** One timer for all deployments after the store has failed. */
  #retry: NodeJS.Timeout | undefined;
  readonly #runs = new Set<Promise<void>>();
  readonly #claims = new Set<Promise<void>>();

  constructor(deps: WorkerDeps, options: QueueOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Starts tasks of all deployments, if there are any. */
  wakeAll(): void {
    for (const deployment of this.#deps.deployments()) {
      this.#queue(deployment).isEmpty = false;
      this.#start(deployment);
    }
  }

  /** A replica may be free. Called at the end of each request, so it returns at once if no task waits. */
  wake(deployment: string): void {
    const queue = this.#queue(deployment);
    if (!queue.isEmpty && !queue.isClaiming) this.#start(deployment);
  }

  /** Starts no further task. Running tasks continue. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retry);
  }

  /** Resolves when no task runs or is being claimed, and the end of each is stored. */
  async settled(): Promise<void> {
    while (this.#runs.size + this.#claims.size > 0) await Promise.all([...this.#claims, ...this.#runs]);
  }

  #queue(deployment: string): DeploymentQueue {
    let queue = this.#deployments.get(deployment);
    if (queue === undefined) this.#deployments.set(deployment, (queue = new DeploymentQueue()));
    return queue;
  }

  #start(deployment: string): void {
    const claims = this.#work(deployment).finally(() => this.#claims.delete(claims));
    this.#claims.add(claims);
  }

  /** Claims and starts tasks while there are slots. */
  async #work(deployment: string): Promise<void> {
    const queue = this.#queue(deployment);
    if (queue.isClaiming) return;
    queue.isClaiming = true;
    while (!this.#isStopped && !queue.isEmpty && queue.running < this.#options.concurrency) {
      if (performance.now() < queue.busyUntilMs) {
        this.#wakeLater(deployment, queue);
        break;
      }
      const slot = this.#deps.acquireSlot(deployment);
      if (slot === undefined) break;
      // Set before the claim, so that a task that arrives meanwhile resets it.
      queue.isEmpty = true;
      const task = await this.#claim(deployment);
      if (task === undefined) {
        slot.release();
        continue;
      }
      queue.isEmpty = false;
      if (this.#isStopped) {
        slot.release();
        await this.#settle(task.id, (store) => store.giveBack(task.id));
        break;
      }
      queue.running++;
      const run = this.#run(task, slot, queue).finally(() => {
        queue.running--;
        this.#runs.delete(run);
        this.wake(deployment);
      });
      this.#runs.add(run);
    }
    queue.isClaiming = false;
  }

  /** Wakes the deployment after its pause. A timer that fires early is set again. */
  #wakeLater(deployment: string, queue: DeploymentQueue): void {
    queue.timer ??= setTimeout(() => {
      queue.timer = undefined;
      this.wake(deployment);
    }, queue.busyUntilMs - performance.now()).unref();
  }

  async #claim(deployment: string): Promise<ClaimedTask | undefined> {
    const { store, log, now } = this.#deps;
    try {
      return await store.claim(deployment, now(), this.#options.retention);
    } catch (error) {
      log.warn('queue store failed; no task is started', { deployment, problem: describe(error) });
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.wakeAll();
      }, STORE_RETRY_MS).unref();
      return undefined;
    }
  }

  async #run(task: ClaimedTask, slot: QueuedSlot, queue: DeploymentQueue): Promise<void> {
    const { now, started } = this.#deps;
    const { id, deployment, attempts, retry, hasWebhook, createdMs } = task;
    if (attempts === 1) started(deployment, Math.max(0, now() - createdMs) / 1000);
    const response = await slot.send(task, hasWebhook || this.#options.keep_results);
    const outcome = taskOutcome(response);
    if (outcome.kind === 'busy') {
      queue.busyUntilMs = performance.now() + backoffMs(queue.busyTimes++, BUSY_MS, MAX_BUSY_MS);
    } else if (outcome.kind !== 'unsent') queue.busyTimes = 0;
    if (outcome.kind === 'busy' || outcome.kind === 'unsent') {
      await this.#settle(id, (store) => store.giveBack(id));
      queue.isEmpty = false;
      return;
    }
    if (outcome.kind === 'failed' && outcome.isRetryable && attempts < retry.max_attempts) {
      const delayMs = Math.min(retry.max_delay_ms, retry.initial_delay_ms * 2 ** (attempts - 1));
      await this.#settle(id, (store) => store.retryLater(id, now() + delayMs, outcome.error));
      this.#deps.sweepAfter(delayMs);
      return;
    }
    const ending: TaskEnding =
      outcome.kind === 'failed'
        ? { status: 'FAILED', errors: [outcome.error], result: undefined, keepResult: false }
        : {
            status: 'SUCCEEDED',
            errors: [],
            result: { contentType: response.contentType, body: response.body },
            keepResult: this.#options.keep_results,
          };
    const ended = await this.#finish(id, ending);
    this.#deps.ended(deployment, ended.status);
  }

  /** Ends a task. If there is no space for its result, the task fails, since waiting for space would block its slot. */
  async #finish(id: string, ending: TaskEnding): Promise<TaskEnding> {
    let written = ending;
    await this.#settle(id, async (store) => {
      try {
        await store.finish(id, written, this.#deps.now(), this.#options.retention);
      } catch (error) {
        if (error instanceof TaskStoreError && error.isFull && written.result !== undefined)
          written = { status: 'FAILED', errors: [NO_SPACE], result: undefined, keepResult: false };
        throw error;
      }
    });
    return written;
  }

  #settle(id: string, write: (store: TaskStore) => Promise<void>): Promise<void> {
    const { store, log } = this.#deps;
    return settle(
      () => write(store),
      (problem) => log.error('end of a task not stored yet; trying again', { request_id: id, problem }),
      () => this.#isStopped,
    );
  }
}
