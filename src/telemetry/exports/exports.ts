// Export jobs: saved queries whose records are written to files in the background, to be downloaded. Other modules import
// only this file.
//   export-job.ts      a job              job-table.ts, job-files.ts      all jobs, and their files
//   job-runner.ts      runs jobs          export-operations.ts            what the reader thread does
//   export-fields.ts   the columns        row-format.ts, parquet-rows.ts  the formats
// Rows are in the order in which records were stored, since only that order can be continued after a restart without a
// row twice or missing.
// Invariant: a change is on disk before it is acknowledged, and one job runs at a time.
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { waitAtMost } from '../../core/wait.ts';
import type { Logs } from '../logs/logs.ts';
import {
  NOT_STARTED,
  problemOf,
  type ExportFormat,
  type ExportJob,
  type ExportQuery,
  type ExportState,
  type StoredExportJob,
} from './export-job.ts';
import {
  fileGone,
  invalid,
  notFound,
  tooMany,
  tooManyPreviews,
  wrongState,
  type ExportRefusal,
} from './export-refusal.ts';
import type { ExportSample, FileOperations } from './export-operations.ts';
import { JobFiles } from './job-files.ts';
import { EXPORT_OPERATIONS, JobRunner, USUAL_PACE } from './job-runner.ts';
import { JobTable } from './job-table.ts';
import type { ExportJobsOptions } from './options.ts';
import { RunningJobs } from './running-jobs.ts';

export { centsOf, EXPORT_FIELDS, type ExportField } from './export-fields.ts';
export {
  EXPORT_FORMATS,
  EXPORT_STATES,
  type ExportColumn,
  type ExportFormat,
  type ExportJob,
  type ExportQuery,
} from './export-job.ts';
export type { ExportRefusal } from './export-refusal.ts';
export type { ExportSample } from './export-operations.ts';
export { providerOf, providerPaths } from './provider.ts';

/** What the jobs need of the log store. */
export type ExportedLogs = Pick<Logs, 'group' | 'journal' | 'openReader'>;

/** What a creator says about a job. */
export interface NewExport {
  readonly owner: string;
  /** JSON that the creator wants back. */
  readonly asked: unknown;
  readonly query: ExportQuery;
}

/** What a query would export. */
export interface PreviewedExport extends ExportSample {
  /** Rows that match. */
  readonly matched: number;
  /** Rows of the file. */
  readonly total: number;
  readonly isTotalExact: boolean;
}

/** The file of a finished job. */
export interface ExportFile {
  readonly path: string;
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  readonly format: ExportFormat;
  readonly mediaType: string;
  /** Of a file name, without the dot. */
  readonly extension: string;
}

const MEDIA_TYPES: Readonly<Record<ExportFormat, string>> = {
  jsonl: 'application/x-ndjson',
  json: 'application/json',
  csv: 'text/csv; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
};

/** Time in which an equal job of the same owner counts as the same, since clients repeat requests. */
const REPEAT_MS = 5000;
/** Age from which on a job is not the latest of its owner any more. */
const LATEST_MS = 86_400_000;
const COUNT_TIMEOUT_MS = 5000;
const EXPIRY_INTERVAL_MS = 60_000;
/** Previews at a time, since each has a thread. */
const MAX_PREVIEWS = 2;
const PREVIEW_MS = 2000;
const STARTABLE: ReadonlySet<ExportState> = new Set(['draft', 'failure', 'stopped']);

export class Exports implements Component {
  readonly name = 'exports';
  readonly #options: ExportJobsOptions;
  readonly #logs: ExportedLogs;
  readonly #files: JobFiles;
  readonly #jobs: JobTable;
  readonly #runner: JobRunner;
  #expiry: NodeJS.Timeout | undefined;
  #previews = 0;

  /** `folder`: of the jobs and their files. */
  constructor(
    options: ExportJobsOptions,
    folder: string,
    logs: ExportedLogs,
    log: Logger,
    pace = USUAL_PACE,
  ) {
    this.#options = options;
    this.#logs = logs;
    this.#files = new JobFiles(folder);
    this.#jobs = new JobTable(options, this.#files, log);
    this.#runner = new JobRunner(
      () => logs.openReader(EXPORT_OPERATIONS, 'weir export'),
      new RunningJobs(this.#jobs, this.#files, options, log),
      log,
      pace,
    );
  }

  /** Reads the jobs. Those that were running go on. */
  async start(): Promise<void> {
    await this.#jobs.load();
    const expire = (): Promise<void> => this.#jobs.exclusive(() => this.#jobs.expire(Date.now()));
    await expire();
    this.#expiry = setInterval(() => void expire(), EXPIRY_INTERVAL_MS).unref();
    this.#runner.wake();
  }

  /** A running job stores where it is, and goes on after the next start. */
  async stop(deadlineMs: number): Promise<void> {
    clearInterval(this.#expiry);
    await waitAtMost(deadlineMs - performance.now(), this.#runner.stop());
    await waitAtMost(deadlineMs - performance.now(), this.#jobs.settled());
  }

  /** `maxRows` 0: no limit. `urlLifetimeMs`: how long the URL of a file is to be valid. */
  get limits(): { readonly maxRows: number; readonly urlLifetimeMs: number } {
    return { maxRows: this.#options.max_rows, urlLifetimeMs: this.#options.url_lifetime };
  }

  /** The jobs of an owner, or of all of them, the newest first. */
  list(owner?: string): readonly ExportJob[] {
    const jobs = this.#jobs.all.toReversed();
    return owner === undefined ? jobs : jobs.filter((job) => job.owner === owner);
  }

  get(id: string): ExportJob | undefined {
    return this.#jobs.get(id);
  }

  /** The job that an owner created or started last, at most a day ago. */
  latestOf(owner: string): ExportJob | undefined {
    const sinceMs = Date.now() - LATEST_MS;
    const recent = this.#jobs.all.filter((job) => job.owner === owner && usedAtMs(job) >= sinceMs);
    return recent.sort((a, b) => usedAtMs(a) - usedAtMs(b)).at(-1);
  }

  /** Counts the rows, and stores a draft. An equal draft of the same owner, made just before, is returned instead. */
  async create({ owner, asked, query }: NewExport): Promise<ExportJob | ExportRefusal> {
    const problem = problemOf(query);
    if (problem !== undefined) return invalid(problem);
    const limited = this.#limited(query);
    const counted = await this.#count(limited);
    return this.#jobs.exclusive(() => {
      const nowMs = Date.now();
      const same = this.#jobs.all.find(
        (job) =>
          job.state === 'draft' &&
          job.owner === owner &&
          job.createdAtMs > nowMs - REPEAT_MS &&
          isDeepStrictEqual([job.asked, job.query], [asked, limited]),
      );
      if (same !== undefined) return same;
      if (!this.#jobs.makeRoom()) return tooMany(this.#options.max_jobs);
      const times = { createdAtMs: nowMs, updatedAtMs: nowMs, startedAtMs: null };
      return this.#jobs.save({
        id: randomUUID(),
        owner,
        asked,
        query: limited,
        state: 'draft',
        ...NOT_STARTED,
        ...counted,
        ...times,
        history: [],
      });
    });
  }

  /** Counts the rows of a query and reads the first of them, without making a job. */
  async preview(query: ExportQuery): Promise<PreviewedExport | ExportRefusal> {
    const problem = problemOf(query);
    if (problem !== undefined) return invalid(problem);
    if (this.#previews >= MAX_PREVIEWS) return tooManyPreviews(MAX_PREVIEWS);
    this.#previews++;
    const limited = this.#limited(query);
    const reader = this.#logs.openReader(EXPORT_OPERATIONS, 'weir export preview');
    try {
      const [{ matched, isPartial }, { startSeq, endSeq }] = await Promise.all([
        this.#matches(limited),
        this.#bounds(),
      ]);
      const sample = (await reader.run('sample', limited, startSeq, endSeq, PREVIEW_MS)) as ReturnType<
        FileOperations['sample']
      >;
      return { ...sample, matched, ...rowCount(limited, matched, isPartial) };
    } finally {
      this.#previews--;
      await reader.close();
    }
  }

  /** Replaces what a job exports. It is a draft then. Refused for a job that runs or has succeeded. */
  async update(
    id: string,
    { asked, query }: Pick<NewExport, 'asked' | 'query'>,
  ): Promise<ExportJob | ExportRefusal> {
    const problem = problemOf(query);
    if (problem !== undefined) return invalid(problem);
    const limited = this.#limited(query);
    const counted = await this.#count(limited);
    return this.#jobs.exclusive(() => {
      const job = this.#jobs.get(id);
      if (job === undefined) return notFound(id);
      if (!STARTABLE.has(job.state)) return wrongState(job, 'updated');
      return this.#jobs.save({ ...job, asked, query: limited, state: 'draft', ...NOT_STARTED, ...counted });
    });
  }

  /**
   * Starts a job, or starts it again with a new file. It exports what is stored until now. Refused for a job that runs,
   * and for one that has succeeded and still has its file.
   */
  async begin(id: string): Promise<ExportJob | ExportRefusal> {
    const asked = this.#jobs.get(id);
    if (asked === undefined) return notFound(id);
    if (!canBegin(asked)) return wrongState(asked, 'started');
    const [counted, bounds] = await Promise.all([this.#count(asked.query), this.#bounds()]);
    return this.#jobs.exclusive(async () => {
      const job = this.#jobs.get(id);
      if (job === undefined) return notFound(id);
      if (!canBegin(job)) return wrongState(job, 'started');
      this.#files.deleteData(id);
      // Each run has a time of its own, by which the runner knows it.
      const startedAtMs = Math.max(Date.now(), (job.startedAtMs ?? 0) + 1);
      const state = 'in_progress';
      const saved = await this.#jobs.save({
        ...job,
        ...NOT_STARTED,
        ...counted,
        ...bounds,
        state,
        startedAtMs,
      });
      this.#runner.wake();
      return saved;
    });
  }

  /** Stops a job that runs or waits, and deletes its file. */
  cancel(id: string): Promise<ExportJob | ExportRefusal> {
    return this.#jobs.exclusive(() => {
      const job = this.#jobs.get(id);
      if (job === undefined) return notFound(id);
      if (job.state !== 'in_progress') return wrongState(job, 'cancelled');
      this.#files.deleteData(id);
      return this.#jobs.save({ ...job, ...NOT_STARTED, state: 'stopped', finishedAtMs: Date.now() });
    });
  }

  /** Deletes a job and its file, in any state. False: there is none. */
  remove(id: string): Promise<boolean> {
    return this.#jobs.exclusive(() => this.#jobs.delete(id));
  }

  /** The file of a job that has succeeded. */
  file(id: string): ExportFile | ExportRefusal {
    const job = this.#jobs.get(id);
    if (job === undefined) return notFound(id);
    const { query, bytes, sha256, hasFile } = job;
    if (job.state !== 'success' || sha256 === null) return wrongState(job, 'downloaded');
    if (!hasFile) return fileGone(id);
    const { format } = query;
    const path = this.#files.dataPath(id);
    return { path, bytes, sha256, format, mediaType: MEDIA_TYPES[format], extension: format };
  }

  #limited(query: ExportQuery): ExportQuery {
    const { max_rows: most } = this.#options;
    const limit = most === 0 ? query.limit : Math.min(query.limit || most, most);
    return { ...query, limit };
  }

  /** Counts the rows that match now, in limited time. */
  async #count(query: ExportQuery): Promise<RowCount> {
    const { matched, isPartial } = await this.#matches(query);
    return rowCount(query, matched, isPartial);
  }

  #matches({ node, fromMs, toMs }: ExportQuery): Promise<{ matched: number; isPartial: boolean }> {
    return this.#logs.group(
      {
        node,
        fromNs: BigInt(fromMs) * 1_000_000n,
        toNs: BigInt(toMs) * 1_000_000n + 999_999n,
        by: [],
        measures: [{ op: 'count' }],
      },
      { timeoutMs: COUNT_TIMEOUT_MS },
    );
  }

  /** The records that are stored now. */
  async #bounds(): Promise<Pick<StoredExportJob, 'startSeq' | 'endSeq'>> {
    const journal = this.#logs.journal({ kinds: [], minSeverity: 0, query: '' });
    if ('problem' in journal) throw new Error(journal.problem);
    const { headSeq, oldestSeq } = await journal.bounds();
    return { startSeq: oldestSeq - 1, endSeq: headSeq };
  }
}

type RowCount = Pick<ExportJob, 'total' | 'isTotalExact'>;

/** Rows of the file, if so many match. */
function rowCount({ offset, limit }: ExportQuery, matched: number, isPartial: boolean): RowCount {
  const rest = Math.max(0, matched - offset);
  const isFull = limit > 0 && rest >= limit;
  return { total: isFull ? limit : rest, isTotalExact: isFull || !isPartial };
}

/** When a job was created or started last. */
const usedAtMs = ({ createdAtMs, startedAtMs }: ExportJob): number => Math.max(createdAtMs, startedAtMs ?? 0);

const canBegin = ({ state, hasFile }: ExportJob): boolean =>
  STARTABLE.has(state) || (state === 'success' && !hasFile);
