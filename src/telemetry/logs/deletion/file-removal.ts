// Writes the files of the log store anew, one after the other, without the records that were deleted.
// Invariant: a file is not written anew while records are being hidden in it. A file whose removal was interrupted is
// written anew from the beginning.
import { describe } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { waitAtMost } from '../../../core/wait.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import type { LogReader } from '../logs.ts';
import type { DeletionJob, DeletionJobs } from './deletion-job.ts';
import type { RemovalFile } from './deletion-operations.ts';
import type { DeletedLogs } from './deletions.ts';

/** When files are written anew. */
export interface RemovalPace {
  /** How long to wait for further deletions, so that a file is written anew once for all of them, in milliseconds. */
  readonly delayMs: number;
  /** Pause before the next attempt after an error. */
  readonly retryMs: number;
}

export const REMOVAL_PACE: RemovalPace = { delayMs: 3_600_000, retryMs: 600_000 };

const REMOVAL_OPERATIONS = threadFile('removal-thread', import.meta.url).href;

/** Runs one piece of work at a time. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result;
    return result;
  }
}

export class FileRemoval {
  readonly #logs: DeletedLogs;
  readonly #jobs: DeletionJobs;
  readonly #mutex: Mutex;
  readonly #log: Logger;
  readonly #pace: RemovalPace;
  readonly #bodiesDay: () => string;
  readonly #removed: (job: DeletionJob) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  readonly #stopped = Promise.withResolvers<void>();
  #isStopped = false;

  /**
   * `mutex`: held while records are hidden. `bodiesDay`: bodies of requests of earlier days are to be deleted, `20261121`;
   * empty: none. `removed`: called for each job whose records are in no file any more.
   */
  constructor(
    logs: DeletedLogs,
    jobs: DeletionJobs,
    mutex: Mutex,
    log: Logger,
    pace: RemovalPace,
    bodiesDay: () => string,
    removed: (job: DeletionJob) => void,
  ) {
    this.#logs = logs;
    this.#jobs = jobs;
    this.#mutex = mutex;
    this.#log = log;
    this.#pace = pace;
    this.#bodiesDay = bodiesDay;
    this.#removed = removed;
  }

  /** Goes on with what was interrupted. */
  start(): void {
    this.wake();
  }

  /** A job may have been hidden. */
  wake(): void {
    if (this.#isStopped || this.#running !== undefined) return;
    const jobs = this.#waiting();
    if (jobs.length === 0 && this.#bodiesDay() === '') return;
    clearTimeout(this.#timer);
    const sinceMs = Math.min(Date.now(), ...jobs.map(({ hidden_ms: hiddenMs = 0 }) => hiddenMs));
    const isUrgent = jobs.some(({ is_urgent: one }) => one);
    const delayMs = isUrgent ? 0 : Math.max(0, sinceMs + this.#pace.delayMs - Date.now());
    this.#timer = setTimeout(() => this.#begin(), Math.min(delayMs, this.#pace.delayMs)).unref();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopped.resolve();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #waiting(): DeletionJob[] {
    return this.#jobs.all.filter(({ state }) => state === 'hidden');
  }

  #begin(): void {
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      // Jobs that were hidden meanwhile.
      this.wake();
    });
  }

  async #run(): Promise<void> {
    const jobs = this.#waiting();
    const reader = this.#logs.openReader(REMOVAL_OPERATIONS, 'weir removal');
    const done = new Map<string, number>();
    try {
      for (;;) {
        const file = await this.#nextFile(reader, done);
        if (file === undefined) break;
        await this.#rewrite(reader, file);
        if (this.#isStopped) return;
      }
      for (const job of jobs) await this.#finished(job);
    } catch (error) {
      if (this.#isStopped) return;
      const problem = describe(error);
      this.#log.error('removal of deleted records failed', { problem, again_in_ms: this.#pace.retryMs });
      for (const job of jobs) await this.#jobs.put({ ...job, problem });
      await waitAtMost(this.#pace.retryMs, this.#stopped.promise);
    } finally {
      await reader.close();
    }
  }

  async #finished(job: DeletionJob): Promise<void> {
    const { problem: _, ...rest } = job;
    const removed: DeletionJob = { ...rest, state: 'removed', removed_ms: Date.now() };
    await this.#jobs.put(removed);
    this.#removed(removed);
  }

  /** A file that is to be written anew. `done`: those of this run, with their records that were left out. */
  async #nextFile(reader: LogReader, done: Map<string, number>): Promise<RemovalFile | undefined> {
    const files = (await this.#mutex.run(() => reader.run('files', this.#bodiesDay()))) as RemovalFile[];
    const [file] = files;
    if (file === undefined) return undefined;
    const name = file.path.replace(/-r\d+(?=\.sqlite$)/, '');
    if (done.get(name) === file.leftOut) throw new Error(`${file.path} still has deleted records`);
    done.set(name, file.leftOut);
    return file;
  }

  async #rewrite(reader: LogReader, { path, isWithoutBodies }: RemovalFile): Promise<void> {
    const ended = await this.#logs.endFile(path);
    // Then the folder may be in use by another weir.
    if ('problem' in ended) throw new Error(`the log store cannot be used: ${ended.problem}`);
    if ((await this.#mutex.run(() => reader.run('begin', path, isWithoutBodies))) !== true) return;
    try {
      for (;;) {
        const from = performance.now();
        if ((await reader.run('step')) === true) break;
        if (this.#isStopped) {
          await reader.run('abort');
          return;
        }
        // Half of the time is left to others.
        await waitAtMost(performance.now() - from, this.#stopped.promise);
      }
      await this.#mutex.run(() => reader.run('finish'));
      // The recorder closes the old file.
      await this.#logs.endFile('');
    } catch (error) {
      await reader.run('abort');
      throw error;
    }
  }
}
