// The export jobs in memory and on disk, within the limits of the settings.
// Invariant: changes run one after the other. The number of jobs and the size of their files are limited.
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { historyOf, type StoredExportJob } from './export-job.ts';
import { noRoom, notWritable, type ExportRefusal } from './export-refusal.ts';
import type { JobFiles } from './job-files.ts';
import type { ExportJobsOptions } from './options.ts';

export type JobLimits = Pick<ExportJobsOptions, 'max_jobs' | 'max_bytes'>;

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

export class JobTable {
  readonly #limits: JobLimits;
  readonly #files: JobFiles;
  readonly #log: Logger;
  /** By id, the oldest first. */
  readonly #jobs = new Map<string, StoredExportJob>();
  /** The last change, which the next one waits for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(limits: JobLimits, files: JobFiles, log: Logger) {
    this.#limits = limits;
    this.#files = files;
    this.#log = log;
  }

  async load(): Promise<void> {
    const jobs = await this.#files.load((problem) => this.#log.warn('export job is unusable', { problem }));
    for (const job of jobs.sort((a, b) => a.createdAtMs - b.createdAtMs)) this.#jobs.set(job.id, job);
  }

  get(id: string): StoredExportJob | undefined {
    return this.#jobs.get(id);
  }

  /** The oldest first. */
  get all(): readonly StoredExportJob[] {
    return Array.from(this.#jobs.values());
  }

  /** Runs changes one after the other. */
  exclusive<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Resolves after the changes that were begun. */
  settled(): Promise<unknown> {
    return this.#last;
  }

  /** Adds or replaces a job, which is on disk when this resolves. */
  async save(job: StoredExportJob): Promise<StoredExportJob | ExportRefusal> {
    const nowMs = Date.now();
    const history = historyOf(job, this.#jobs.get(job.id), nowMs);
    const saved = { ...job, history, updatedAtMs: nowMs };
    try {
      await this.#files.save(saved);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      this.#log.warn('export cannot be stored', { export: job.id, problem: describe(error) });
      return FULL.has(code) ? noRoom(describe(error)) : notWritable(code);
    }
    this.#jobs.set(job.id, saved);
    return saved;
  }

  /** Replaces a job in memory only. */
  set(job: StoredExportJob): void {
    this.#jobs.set(job.id, { ...job, updatedAtMs: Date.now() });
  }

  /** Deletes a job with its file. False: there is none. Throws if the file system refuses; the job is still there then. */
  delete(id: string): boolean {
    if (!this.#jobs.has(id)) return false;
    this.#files.delete(id);
    return this.#jobs.delete(id);
  }

  /** Deletes the oldest jobs that do not run, until there is room for one more. False: all of them run. */
  makeRoom(): boolean {
    for (const { id, state } of this.all) {
      if (this.#jobs.size < this.#limits.max_jobs) break;
      if (state !== 'in_progress') this.delete(id);
    }
    return this.#jobs.size < this.#limits.max_jobs;
  }

  /** Deletes the files whose time is over. */
  async expire(nowMs: number): Promise<void> {
    for (const job of this.all)
      if (job.hasFile && (job.expiresAtMs ?? Infinity) <= nowMs) await this.#deleteFile(job);
  }

  /** Deletes the oldest files, so that a file of this size fits. */
  async makeRoomFor(bytes: number): Promise<void> {
    const withFile = this.all.filter(({ hasFile }) => hasFile);
    let sum = withFile.reduce((all, job) => all + job.bytes, bytes);
    for (const job of withFile.sort((a, b) => a.finishedAtMs! - b.finishedAtMs!)) {
      if (sum <= this.#limits.max_bytes) return;
      if (!(await this.#deleteFile(job))) continue;
      sum -= job.bytes;
      this.#log.info('export file deleted to make room', { export: job.id, bytes: job.bytes });
    }
  }

  /** Deletes what a job has written. False, after a warning: the file system refused, and the file stays. */
  deleteData(id: string): boolean {
    try {
      this.#files.deleteData(id);
      return true;
    } catch (error) {
      this.#log.warn('export file cannot be deleted', { export: id, problem: describe(error) });
      return false;
    }
  }

  /** Never rejects, since it also runs at times when no client waits for it. False: the file stays. */
  async #deleteFile(job: StoredExportJob): Promise<boolean> {
    if (!this.deleteData(job.id)) return false;
    // If it cannot be stored, the next start sees that the file has gone.
    this.set({ ...job, hasFile: false });
    try {
      await this.save({ ...job, hasFile: false });
    } catch (error) {
      this.#log.warn('export cannot be stored', { export: job.id, problem: describe(error) });
    }
    return true;
  }
}
