// The jobs as the runner sees them: which one is next, and what becomes of it.
// Invariant: a run that was stopped, removed or started again changes nothing any more.
import type { Logger } from '../../core/logger.ts';
import { NOT_STARTED, type StoredExportJob } from './export-job.ts';
import type { StepResult } from './export-operations.ts';
import type { JobFiles } from './job-files.ts';
import type { JobTable } from './job-table.ts';
import type { ExportJobsOptions } from './options.ts';

type Change = Partial<StoredExportJob>;

const figuresOf = ({ checkpoint: { rows, missed, bytes } }: StepResult) => ({
  exportedRecords: rows,
  missedRecords: missed,
  bytes,
});

export class RunningJobs {
  readonly #jobs: JobTable;
  readonly #files: JobFiles;
  readonly #options: Pick<ExportJobsOptions, 'max_bytes' | 'lifetime'>;
  readonly #log: Logger;

  constructor(
    jobs: JobTable,
    files: JobFiles,
    options: Pick<ExportJobsOptions, 'max_bytes' | 'lifetime'>,
    log: Logger,
  ) {
    this.#jobs = jobs;
    this.#files = files;
    this.#options = options;
    this.#log = log;
  }

  /** Maximum size of one file. */
  get maxBytes(): number {
    return this.#options.max_bytes;
  }

  dataPath(id: string): string {
    return this.#files.dataPath(id);
  }

  /** The job that runs next: the one that was started first. `undefined`: none waits. */
  next(): StoredExportJob | undefined {
    const waiting = this.#jobs.all.filter(({ state }) => state === 'in_progress');
    return waiting.sort((a, b) => a.startedAtMs! - b.startedAtMs!)[0];
  }

  /** False: this run was stopped, or the job removed or started again. */
  mayRun({ id, startedAtMs }: StoredExportJob): boolean {
    const job = this.#jobs.get(id);
    return job?.state === 'in_progress' && job.startedAtMs === startedAtMs;
  }

  /** The run has come further. `isStored`: it goes on here after a crash. */
  advanced(run: StoredExportJob, result: StepResult, isStored: boolean): Promise<void> {
    const { checkpoint } = result;
    return this.#change(run, { ...figuresOf(result), ...(isStored && { checkpoint }) }, isStored);
  }

  succeeded(run: StoredExportJob, result: StepResult): Promise<void> {
    const finishedAtMs = Date.now();
    const figures = figuresOf(result);
    if (this.mayRun(run))
      this.#log.info('export finished', {
        export: run.id,
        rows: figures.exportedRecords,
        bytes: figures.bytes,
      });
    return this.#change(run, {
      ...figures,
      state: 'success',
      total: figures.exportedRecords,
      isTotalExact: true,
      sha256: result.sha256!,
      hasFile: true,
      checkpoint: null,
      finishedAtMs,
      expiresAtMs: finishedAtMs + this.#options.lifetime,
    });
  }

  failed(run: StoredExportJob, error: string): Promise<void> {
    this.#log.warn('export failed', { export: run.id, problem: error });
    return this.#change(run, { ...NOT_STARTED, state: 'failure', error, finishedAtMs: Date.now() });
  }

  #change(run: StoredExportJob, change: Change, isStored = true): Promise<void> {
    return this.#jobs.exclusive(async () => {
      if (!this.mayRun(run)) return;
      const changed = { ...this.#jobs.get(run.id)!, ...change };
      if (changed.state === 'failure') this.#jobs.deleteData(run.id);
      if (isStored) await this.#store(changed);
      else this.#jobs.set(changed);
      // The file of this job counts once.
      if (changed.state !== 'failure') await this.#jobs.makeRoomFor(changed.hasFile ? 0 : changed.bytes);
    });
  }

  /** In memory in any case, so that a job that cannot be stored does not run again. */
  async #store(job: StoredExportJob): Promise<void> {
    let isDone = false;
    try {
      isDone = !('refused' in (await this.#jobs.save(job)));
    } finally {
      if (!isDone) this.#jobs.set(job);
    }
  }
}
