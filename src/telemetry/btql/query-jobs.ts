// Long queries that clients ask for and come back to: they wait, run one at a time, and their results are kept for a while.
// Invariant: number, time and bytes are limited, and a job that is forgotten leaves nothing in the thread. Jobs are in memory
// only, so a restart ends them all.
import { randomUUID } from 'node:crypto';
import { describe } from '../../core/errors.ts';
import type { PriceLists } from '../llm/prices.ts';
import type { LogReader } from '../logs/logs.ts';
import type { TraceSubject } from '../tracing/tracing.ts';
import type { AskedQuery, QueryFigures, QueryOutcome } from './btql-thread.ts';
import type { RowsPage } from './kept-rows.ts';
import type { BtqlProblem } from './parse-btql.ts';
import type { RunLimits } from './query-run.ts';
import { prepareQuery, type FindProject, type QueryThread } from './query-thread.ts';
import type { QueriedProject } from './stored-spans.ts';

export type JobStatus = 'queued' | 'running' | 'canceled' | 'succeeded' | 'failed';

/** What is known of a job. Times: Date.now(). */
export interface JobView {
  readonly id: string;
  readonly status: JobStatus;
  readonly createdMs: number;
  readonly startedMs: number | undefined;
  readonly endedMs: number | undefined;
  /** When the job is forgotten; `undefined`: it has not ended. */
  readonly expiresMs: number | undefined;
  readonly figures: QueryFigures;
  /** Only of one that succeeded. */
  readonly outcome: QueryOutcome | undefined;
  /** Only of one that failed. */
  readonly error: string | undefined;
}

export interface LongQueryLimits extends RunLimits {
  /** Jobs that run or wait, and jobs that are kept. */
  readonly open: number;
  readonly kept: number;
  /** Bytes of all results. */
  readonly bytes: number;
  /** How long a job is kept after its end, in milliseconds. */
  readonly keepMs: number;
}

const LONG_LIMITS: LongQueryLimits = {
  timeMs: 600_000,
  reads: 1_000_000_000,
  memoryBytes: 128 * 1024 ** 2,
  open: 8,
  kept: 32,
  bytes: 128 * 1024 ** 2,
  keepMs: 3_600_000,
};

/** Time of one step, in milliseconds. Other queries run between the steps. */
const STEP_MS = 20;
const NOTHING_READ: QueryFigures = { read: 0, reachedMs: undefined };

interface QueryJob {
  readonly id: string;
  /** Its id in the thread. */
  readonly queryId: string;
  readonly reader: LogReader;
  readonly projects: readonly QueriedProject[];
  readonly needsPrices: boolean;
  readonly createdMs: number;
  status: JobStatus;
  startedMs: number | undefined;
  endedMs: number | undefined;
  figures: QueryFigures;
  outcome: QueryOutcome | undefined;
  error: string | undefined;
  expiry: NodeJS.Timeout | undefined;
}

export class QueryJobs {
  readonly #thread: QueryThread;
  readonly #trace: TraceSubject;
  readonly #prices: () => PriceLists;
  readonly #limits: LongQueryLimits;
  /** By id, in the order in which they came. */
  readonly #jobs = new Map<string, QueryJob>();
  /** Jobs that are being parsed. */
  #entering = 0;
  #isRunning = false;

  constructor(
    thread: QueryThread,
    trace: TraceSubject,
    prices: () => PriceLists,
    limits: Partial<LongQueryLimits> = {},
  ) {
    this.#thread = thread;
    this.#trace = trace;
    this.#prices = prices;
    this.#limits = { ...LONG_LIMITS, ...limits };
  }

  /** Adds a query. `busy`: too many wait. */
  async submit(
    asked: AskedQuery,
    find: FindProject,
  ): Promise<JobView | BtqlProblem | { readonly unknownProject: string } | 'busy'> {
    if (this.#openCount() + this.#entering >= this.#limits.open) return 'busy';
    this.#entering++;
    const reader = this.#thread.acquire();
    let isKept = false;
    try {
      const prepared = await prepareQuery(reader, asked, find);
      if (!('id' in prepared)) return prepared;
      isKept = true;
      const job: QueryJob = {
        id: randomUUID(),
        queryId: prepared.id,
        reader,
        projects: prepared.projects,
        needsPrices: prepared.needsPrices,
        createdMs: Date.now(),
        status: 'queued',
        startedMs: undefined,
        endedMs: undefined,
        figures: NOTHING_READ,
        outcome: undefined,
        error: undefined,
        expiry: undefined,
      };
      this.#jobs.set(job.id, job);
      this.#forgetOldest(({ size }) => size > this.#limits.kept);
      const view = this.#view(job);
      void this.#runAll();
      return view;
    } finally {
      this.#entering--;
      if (!isKept) this.#thread.release();
    }
  }

  /** `undefined`: there is none, or not any more. */
  get(id: string): JobView | undefined {
    const job = this.#jobs.get(id);
    return job && this.#view(job);
  }

  /** A part of the result of a job that succeeded; `undefined`: it has none, or not any more. */
  async page(id: string, from: number, limit: number): Promise<RowsPage | undefined> {
    const job = this.#jobs.get(id);
    if (job?.status !== 'succeeded') return undefined;
    return (await job.reader.run('keptPage', job.queryId, from, limit)) as RowsPage | undefined;
  }

  /** Ends a job that waits or runs; forgets one that has ended. `undefined`: there is none. */
  cancel(id: string): JobView | undefined {
    const job = this.#jobs.get(id);
    if (job === undefined) return undefined;
    if (job.endedMs === undefined) this.#end(job, 'canceled');
    else this.#forget(job);
    return this.#view(job);
  }

  /** Ends all jobs. */
  stop(): void {
    for (const job of this.#jobs.values()) this.#forget(job);
  }

  #openCount(): number {
    return Array.from(this.#jobs.values()).filter(({ endedMs }) => endedMs === undefined).length;
  }

  #view({ id, status, createdMs, startedMs, endedMs, figures, outcome, error }: QueryJob): JobView {
    const expiresMs = endedMs === undefined ? undefined : endedMs + this.#limits.keepMs;
    return { id, status, createdMs, startedMs, endedMs, expiresMs, figures, outcome, error };
  }

  async #runAll(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (;;) {
        const next = Array.from(this.#jobs.values()).find(({ status }) => status === 'queued');
        if (next === undefined) return;
        await this.#run(next);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #run(job: QueryJob): Promise<void> {
    job.status = 'running';
    job.startedMs = Date.now();
    const { reader, queryId, projects } = job;
    const prices = job.needsPrices ? this.#prices() : [];
    const { timeMs, reads, memoryBytes } = this.#limits;
    try {
      await reader.run('start', queryId, projects, this.#trace, { timeMs, reads, memoryBytes }, prices);
      while (isRunning(job)) {
        const step = (await reader.run('advance', queryId, STEP_MS)) as QueryFigures | QueryOutcome;
        if (!isRunning(job)) break;
        job.figures = step;
        if (!('rows' in step)) continue;
        job.outcome = step;
        this.#end(job, 'succeeded');
        this.#forgetOldest(() => this.#bytes() > this.#limits.bytes);
      }
    } catch (error) {
      if (!isRunning(job)) return;
      job.error = describe(error);
      this.#end(job, 'failed');
    }
  }

  #bytes(): number {
    return Array.from(this.#jobs.values()).reduce((sum, { outcome }) => sum + (outcome?.bytes ?? 0), 0);
  }

  /** Forgets jobs that have ended, the oldest first, while it is needed. */
  #forgetOldest(isNeeded: (jobs: ReadonlyMap<string, QueryJob>) => boolean): void {
    for (const job of this.#jobs.values()) {
      if (!isNeeded(this.#jobs)) return;
      if (job.endedMs !== undefined) this.#forget(job);
    }
  }

  #end(job: QueryJob, status: 'canceled' | 'succeeded' | 'failed'): void {
    job.status = status;
    job.endedMs = Date.now();
    job.expiry = setTimeout(() => this.#forget(job), this.#limits.keepMs).unref();
    if (status !== 'succeeded') this.#close(job);
  }

  #forget(job: QueryJob): void {
    if (!this.#jobs.delete(job.id)) return;
    clearTimeout(job.expiry);
    if (job.endedMs === undefined) job.status = 'canceled';
    if (job.endedMs === undefined || job.status === 'succeeded') this.#close(job);
  }

  /** Frees what the thread has of a job. */
  #close({ reader, queryId }: QueryJob): void {
    void reader
      .run('close', queryId)
      // If the thread has ended, it has nothing of the job any more.
      .catch(() => undefined)
      .finally(() => this.#thread.release());
  }
}

const isRunning = ({ status }: QueryJob): boolean => status === 'running';
