// Runs tasks: takes a place at a replica, then the next task, sends it, and settles what came of it.
// Must stay true: no task is claimed without a place for it, so none waits claimed; synchronous requests come first,
// because a place is taken only where nobody waits for it; whatever happens to a run, its task is settled or comes back.
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { QueueOptions } from './options.ts';
import { TaskStoreError, type TaskStore } from './store.ts';
import type { ClaimedTask, TaskEnding, TaskError } from './task.ts';
import { settle } from './settle.ts';
import { taskOutcome, type ModelResponse } from './task-outcome.ts';

/** A place at a replica for one run. One of the two is called, once. */
export interface QueuedSlot {
  /** Sends the task and gives the place back. `wantsBody`: the answer's body is needed. */
  send(task: ClaimedTask, wantsBody: boolean): Promise<ModelResponse>;
  release(): void;
}

/** What the worker needs of others. */
export interface WorkerDeps {
  readonly store: TaskStore;
  readonly log: Logger;
  readonly now: () => number;
  /** Ids of the deployments that there are. */
  readonly deployments: () => readonly string[];
  /** A place for a deployment's next task, if nobody else wants it. */
  readonly acquireSlot: (deployment: string) => QueuedSlot | undefined;
  /** Something of the store is due after so many milliseconds. */
  readonly due: (delayMs: number) => void;
  /** A task has left the queue for its first run, after so many seconds. */
  readonly started: (deployment: string, waitedSeconds: number) => void;
  readonly ended: (deployment: string, status: 'SUCCEEDED' | 'FAILED') => void;
}

/** How long a deployment's tasks rest when its model says that it is busy; longer each time. */
const BUSY_MS = 500;
const MAX_BUSY_MS = 30_000;
/** How soon the store is asked again that could not be asked. */
const STORE_RETRY_MS = 1000;

const NO_ROOM: TaskError = {
  code: 'INTERNAL_SERVER_ERROR',
  message: 'There was no room to keep the model’s answer',
};

class Lane {
  running = 0;
  isClaiming = false;
  /** The store had nothing at the last claim, and nothing has been said to have come since. */
  isEmpty = false;
  busyUntilMs = 0;
  busyTimes = 0;
  timer: NodeJS.Timeout | undefined;
}

export class Worker {
  readonly #deps: WorkerDeps;
  readonly #options: QueueOptions;
  readonly #lanes = new Map<string, Lane>();
  #isStopped = false;
  /** The one timer for asking a store again that could not be asked. */
  #retry: NodeJS.Timeout | undefined;
  #runs = new Set<Promise<void>>();

  constructor(deps: WorkerDeps, options: QueueOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** There may be tasks. */
  wakeAll(): void {
    for (const deployment of this.#deps.deployments()) {
      this.#lane(deployment).isEmpty = false;
      void this.#work(deployment);
    }
  }

  /** There may be a place. Called whenever a request ends: returns at once where there is nothing to do. */
  wake(deployment: string): void {
    const lane = this.#lane(deployment);
    if (!lane.isEmpty && !lane.isClaiming) void this.#work(deployment);
  }

  /** No further task begins; those that run go on. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retry);
  }

  /** Resolves when no task runs and all that ran are settled. */
  async settled(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }

  #lane(deployment: string): Lane {
    let lane = this.#lanes.get(deployment);
    if (lane === undefined) this.#lanes.set(deployment, (lane = new Lane()));
    return lane;
  }

  /** Claims and begins as many as there are places for. */
  async #work(deployment: string): Promise<void> {
    const lane = this.#lane(deployment);
    if (lane.isClaiming) return;
    lane.isClaiming = true;
    while (!this.#isStopped && !lane.isEmpty && lane.running < this.#options.concurrency) {
      if (performance.now() < lane.busyUntilMs) {
        this.#wakeLater(deployment, lane);
        break;
      }
      const slot = this.#deps.acquireSlot(deployment);
      if (slot === undefined) break;
      // Set before asking: what comes while the answer is on its way is not to be overlooked.
      lane.isEmpty = true;
      const task = await this.#claim(deployment);
      if (task === undefined) {
        slot.release();
        continue;
      }
      lane.isEmpty = false;
      lane.running++;
      const run = this.#run(task, slot, lane).finally(() => {
        lane.running--;
        this.#runs.delete(run);
        this.wake(deployment);
      });
      this.#runs.add(run);
    }
    lane.isClaiming = false;
  }

  /** A timer may fire a little early: whoever comes too early waits again. */
  #wakeLater(deployment: string, lane: Lane): void {
    lane.timer ??= setTimeout(() => {
      lane.timer = undefined;
      this.wake(deployment);
    }, lane.busyUntilMs - performance.now()).unref();
  }

  async #claim(deployment: string): Promise<ClaimedTask | undefined> {
    const { store, log, now } = this.#deps;
    try {
      return await store.claim(deployment, now(), this.#options.retention);
    } catch (error) {
      log.warn('tasks cannot be claimed', { deployment, problem: describe(error) });
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.wakeAll();
      }, STORE_RETRY_MS).unref();
      return undefined;
    }
  }

  async #run(task: ClaimedTask, slot: QueuedSlot, lane: Lane): Promise<void> {
    const { now, started } = this.#deps;
    const { id, deployment, attempts, retry, hasWebhook, createdMs } = task;
    if (attempts === 1) started(deployment, Math.max(0, now() - createdMs) / 1000);
    const answer = await slot.send(task, hasWebhook || this.#options.keep_results);
    const verdict = taskOutcome(answer);
    if (verdict.kind === 'busy') {
      lane.busyUntilMs = performance.now() + backoffMs(lane.busyTimes++, BUSY_MS, MAX_BUSY_MS);
    } else if (verdict.kind !== 'unsent') lane.busyTimes = 0;
    if (verdict.kind === 'busy' || verdict.kind === 'unsent') {
      await this.#settle(id, (store) => store.giveBack(id));
      lane.isEmpty = false;
      return;
    }
    if (verdict.kind === 'failed' && verdict.isRetryable && attempts < retry.max_attempts) {
      const delayMs = Math.min(retry.max_delay_ms, retry.initial_delay_ms * 2 ** (attempts - 1));
      await this.#settle(id, (store) => store.rest(id, now() + delayMs, verdict.error));
      this.#deps.due(delayMs);
      return;
    }
    const ending: TaskEnding =
      verdict.kind === 'failed'
        ? { status: 'FAILED', errors: [verdict.error], result: undefined, keepResult: false }
        : {
            status: 'SUCCEEDED',
            errors: [],
            result: { contentType: answer.contentType, body: answer.body },
            keepResult: this.#options.keep_results,
          };
    const ended = await this.#finish(id, ending);
    this.#deps.ended(deployment, ended.status);
  }

  /** Ends a task; one whose result there is no room for has failed, rather than to hold its place until there is. */
  async #finish(id: string, ending: TaskEnding): Promise<TaskEnding> {
    let written = ending;
    await this.#settle(id, async (store) => {
      try {
        await store.finish(id, written, this.#deps.now(), this.#options.retention);
      } catch (error) {
        if (error instanceof TaskStoreError && error.isFull && written.result !== undefined)
          written = { status: 'FAILED', errors: [NO_ROOM], result: undefined, keepResult: false };
        throw error;
      }
    });
    return written;
  }

  #settle(id: string, write: (store: TaskStore) => Promise<void>): Promise<void> {
    const { store, log } = this.#deps;
    return settle(
      () => write(store),
      (problem) => log.error('the end of a run cannot be written yet', { request_id: id, problem }),
      () => this.#isStopped,
    );
  }
}
