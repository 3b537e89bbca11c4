// Runs one export job after the other on a reader thread: gives it steps, and stores how far it has come.
// Invariant: what a stored job says is on disk. A job ends once: with its file, with an error, or stopped.
import type { Logger } from '../../core/logger.ts';
import { describe } from '../../core/errors.ts';
import { threadFile } from '../../core/worker-rpc.ts';
import type { LogReader } from '../logs/logs.ts';
import type { StoredExportJob } from './export-job.ts';
import type { FileOperations } from './export-operations.ts';
import type { RunningJobs } from './running-jobs.ts';

/** To be loaded by the thread. */
export const EXPORT_OPERATIONS = threadFile('export-thread', import.meta.url).href;

/** Times in milliseconds. */
export interface RunnerPace {
  /** Time of one step. Longer steps delay a cancel, shorter ones cost the main thread more. */
  readonly stepMs: number;
  /** Interval of checkpoints: what was done since the last one is done again after a crash. */
  readonly checkpointMs: number;
}

export const USUAL_PACE: RunnerPace = { stepMs: 250, checkpointMs: 2000 };

export class JobRunner {
  readonly #openReader: () => LogReader;
  readonly #jobs: RunningJobs;
  readonly #log: Logger;
  readonly #pace: RunnerPace;
  #running: Promise<void> | undefined;
  #isStopping = false;

  /** `openReader`: opens a reader thread that has loaded EXPORT_OPERATIONS. */
  constructor(openReader: () => LogReader, jobs: RunningJobs, log: Logger, pace: RunnerPace) {
    this.#pace = pace;
    this.#openReader = openReader;
    this.#jobs = jobs;
    this.#log = log;
  }

  /** Runs the jobs that wait, if none runs. */
  wake(): void {
    if (this.#isStopping || this.#running !== undefined) return;
    this.#running = this.#runAll().finally(() => {
      this.#running = undefined;
      if (this.#jobs.next() !== undefined) this.wake();
    });
  }

  /** Resolves when the current job has stored a checkpoint. It goes on after the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #runAll(): Promise<void> {
    const reader = this.#openReader();
    try {
      for (let job = this.#jobs.next(); job !== undefined && !this.#isStopping; job = this.#jobs.next())
        await this.#run(reader, job);
    } finally {
      await reader.close();
    }
  }

  async #run(reader: LogReader, job: StoredExportJob): Promise<void> {
    const { id, query, startSeq, endSeq, checkpoint } = job;
    const { maxBytes } = this.#jobs;
    const { stepMs, checkpointMs } = this.#pace;
    try {
      const path = this.#jobs.dataPath(id);
      await ask(reader, 'begin', { path, query, startSeq, endSeq, maxBytes, checkpoint });
      let storedMs = performance.now();
      while (this.#jobs.mayRun(job)) {
        const isLast = this.#isStopping;
        const isCheckpoint = isLast || performance.now() - storedMs >= checkpointMs;
        const result = await ask(reader, 'step', isLast ? 0 : stepMs, isCheckpoint);
        if (result.sha256 !== undefined) {
          await this.#jobs.succeeded(job, result);
          break;
        }
        await this.#jobs.advanced(job, result, isCheckpoint);
        if (isCheckpoint) storedMs = performance.now();
        if (isLast) break;
      }
      await ask(reader, 'close');
    } catch (error) {
      await this.#fail(job, describe(error));
    }
  }

  async #fail(job: StoredExportJob, problem: string): Promise<void> {
    try {
      await this.#jobs.failed(job, problem);
    } catch (error) {
      this.#log.error('export cannot be stored', { export: job.id, problem: describe(error) });
    }
  }
}

function ask<O extends keyof FileOperations>(
  reader: LogReader,
  operation: O,
  ...args: Parameters<FileOperations[O]>
): Promise<ReturnType<FileOperations[O]>> {
  return reader.run(operation, ...args) as Promise<ReturnType<FileOperations[O]>>;
}
