// Deletes records for good: hides them from all answers at once, and removes them from the files in the background.
//   deletion-job.ts         a job, and the file of all jobs
//   deletion-operations.ts  what the reader threads do
//   file-removal.ts         the background
// Invariant: a job that was answered as hidden is hidden after any crash. No step holds up the recorder for long.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { describe } from '../../../core/errors.ts';
import type { Component } from '../../../core/lifecycle.ts';
import type { Logger } from '../../../core/logger.ts';
import { waitAtMost } from '../../../core/wait.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import { contractQuery } from '../query/contract-params.ts';
import type { QueryNode } from '../query/query-node.ts';
import type { PagePosition } from '../store/page-position.ts';
import { RetentionClock } from '../store/retention-clock.ts';
import type { TimeRange } from '../store/segment-query.ts';
import { listSegments, utcDay } from '../store/segments.ts';
import type { LogReader } from '../logs.ts';
import type { PostResult } from '../recorder/recorder-messages.ts';
import { DeletionJobs, type DeletionJob } from './deletion-job.ts';
import type { FoundPart, FoundRecords, SearchedRecords } from './deletion-operations.ts';
import { FileRemoval, Mutex, REMOVAL_PACE, type RemovalPace } from './file-removal.ts';

const DELETION_OPERATIONS = threadFile('deletion-thread', import.meta.url).href;

/** What deletions need of the log store. */
export interface DeletedLogs {
  /** Ends a file; empty: none. Resolves when all records before are stored, or lost. */
  endFile(path: string): Promise<PostResult>;
  openReader(module: string, name: string): LogReader;
  /** Sequence number of the newest record. */
  headSeq(): Promise<number>;
}

export interface DeletionsOptions {
  /** Of the day files. */
  readonly folder: string;
  /** How long bodies of requests are kept, in milliseconds; `undefined`: as long as their records. */
  readonly bodiesMs: number | undefined;
}

/** What is to be deleted. */
export interface DeletionRequest extends TimeRange {
  readonly q: string;
  /** Who asks. */
  readonly by: string;
  /** Do not wait for other deletions before the files are written anew. */
  readonly isUrgent: boolean;
}

const isEvent = (name: string): QueryNode => ({
  op: 'field',
  name: '@event',
  compare: '=',
  value: name,
});

/** Who deleted and changed what stays. */
const IS_AUDIT: QueryNode = {
  op: 'and',
  of: [
    { op: 'field', name: 'kind', compare: '=', value: 'event' },
    { op: 'or', of: [isEvent('store_deletion'), isEvent('admin_change')] },
  ],
};

const NOTHING: FoundRecords = { byKind: {}, annotations: 0, rows: 0, unreachable: 0 };

export class Deletions implements Component {
  readonly name = 'deletions';
  readonly #logs: DeletedLogs;
  readonly #log: Logger;
  readonly #folder: string;
  readonly #jobs: DeletionJobs;
  readonly #removal: FileRemoval;
  readonly #mutex = new Mutex();
  #reader: LogReader | undefined;
  /** One search runs at a time. */
  #searches: Promise<unknown> = Promise.resolve();
  readonly #bodiesMs: number | undefined;
  #clock: RetentionClock | undefined;
  #isStopped = false;

  constructor(options: DeletionsOptions, logs: DeletedLogs, log: Logger, pace: RemovalPace = REMOVAL_PACE) {
    const { folder } = options;
    this.#folder = folder;
    this.#bodiesMs = options.bodiesMs;
    this.#logs = logs;
    this.#log = log;
    this.#jobs = new DeletionJobs(folder);
    this.#removal = new FileRemoval(
      logs,
      this.#jobs,
      this.#mutex,
      log,
      pace,
      () => this.#bodiesDay(),
      (job) => this.#event(job),
    );
  }

  /** Reads the jobs. Those that were interrupted go on. */
  async start(): Promise<void> {
    await this.#jobs.load((renamed) =>
      this.#log.error('file of deletions is damaged', {
        file: renamed,
        effect: 'unfinished deletions do not go on',
      }),
    );
    for (const job of this.#jobs.all)
      if (job.state === 'hiding') void this.#hide(job).catch((error: unknown) => this.#failed(job, error));
    const newest = listSegments(this.#folder).at(-1);
    const newestMs = newest === undefined ? 0 : statSync(newest.path).mtimeMs;
    this.#clock = new RetentionClock({ now: Date.now, steady: () => performance.now() }, newestMs);
    this.#removal.start();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isStopped = true;
    await waitAtMost(deadlineMs - performance.now(), this.#removal.stop());
    await this.#reader?.close();
  }

  /** All jobs, the newest first. */
  list(): readonly DeletionJob[] {
    return this.#jobs.all.toReversed();
  }

  get(id: string): DeletionJob | undefined {
    return this.#jobs.get(id);
  }

  /** Number of files that were found damaged and set aside. They may hold anything. */
  get damagedFiles(): number {
    if (!existsSync(this.#folder)) return 0;
    return readdirSync(this.#folder).filter((name) => /\.sqlite\.damaged-\d+$/.test(name)).length;
  }

  /** Counts the records that a deletion would delete. */
  async count(request: DeletionRequest): Promise<FoundRecords | { readonly problem: string }> {
    const node = nodeOf(request.q);
    if ('problem' in node) return node;
    const headSeq = await this.#logs.headSeq();
    const id = newId();
    const found = await this.#find(id, { node, fromNs: request.fromNs, toNs: request.toNs, headSeq });
    await this.#ask('forget', id);
    return found;
  }

  /**
   * Begins a deletion. Resolves to its job when that is on disk. `hidden` resolves when no answer has the records any
   * more; it rejects if they could not be hidden, which is tried again after a restart.
   */
  async create(
    request: DeletionRequest,
  ): Promise<
    { readonly job: DeletionJob; readonly hidden: Promise<DeletionJob> } | { readonly problem: string }
  > {
    const node = nodeOf(request.q);
    if ('problem' in node) return node;
    // Records that are on the way to the store belong to it too.
    await this.#logs.endFile('');
    const job: DeletionJob = {
      id: newId(),
      state: 'hiding',
      q: request.q,
      from_ns: String(request.fromNs),
      to_ns: String(request.toNs),
      by: request.by,
      is_urgent: request.isUrgent,
      created_ms: Date.now(),
      head_seq: await this.#logs.headSeq(),
      by_kind: {},
      annotations: 0,
      rows: 0,
      unreachable: 0,
    };
    await this.#jobs.put(job);
    const hidden = this.#hide(job);
    hidden.catch((error: unknown) => this.#failed(job, error));
    return { job, hidden };
  }

  /** Finds and hides the records of a job. */
  async #hide(job: DeletionJob): Promise<DeletionJob> {
    const node = nodeOf(job.q);
    if ('problem' in node) {
      const failed: DeletionJob = { ...job, state: 'failed', problem: node.problem };
      await this.#jobs.put(failed);
      return failed;
    }
    const asked = { node, fromNs: BigInt(job.from_ns), toNs: BigInt(job.to_ns), headSeq: job.head_seq };
    const found = await this.#find(job.id, asked);
    // Between these two, a row that is merged into a deleted one is read from memory, and again from the store.
    await this.#mutex.run(() => this.#ask('hide', job.id));
    await this.#logs.endFile('');
    const { byKind: by_kind, annotations, rows, unreachable } = found;
    const hidden: DeletionJob = {
      ...job,
      state: 'hidden',
      hidden_ms: Date.now(),
      by_kind,
      annotations,
      rows,
      unreachable,
    };
    await this.#jobs.put(hidden);
    this.#event(hidden);
    this.#removal.wake();
    return hidden;
  }

  /** Looks for records, after all other searches. */
  #find(id: string, asked: SearchedRecords): Promise<FoundRecords> {
    const search = async (): Promise<FoundRecords> => {
      let found: FoundRecords = NOTHING;
      let after: PagePosition | undefined;
      do {
        const part = (await this.#ask('find', id, asked, after)) as FoundPart;
        found = part;
        after = part.next;
      } while (after !== undefined && !this.#isStopped);
      if (after !== undefined) throw new Error('weir is being stopped');
      return found;
    };
    const result = this.#searches.then(search, search);
    this.#searches = result;
    return result;
  }

  #ask(operation: string, ...args: readonly unknown[]): Promise<unknown> {
    this.#reader ??= this.#logs.openReader(DELETION_OPERATIONS, 'weir deletion');
    return this.#reader.run(operation, ...args);
  }

  /** Bodies of requests of earlier days are to be deleted; empty: none. */
  #bodiesDay(): string {
    const isKnown = this.#bodiesMs !== undefined && this.#clock?.isTrusted === true;
    return isKnown ? utcDay(Date.now() - this.#bodiesMs) : '';
  }

  #event(job: DeletionJob): void {
    this.#log.event('store_deletion', {
      deletion: job.id,
      state: job.state as 'hidden' | 'removed',
      q: job.q,
      by: job.by,
      records: countOf(job),
      annotations: job.annotations,
    });
  }

  #failed(job: DeletionJob, error: unknown): void {
    if (this.#isStopped) return;
    const problem = describe(error);
    this.#log.error('deletion failed', { deletion: job.id, problem, again: 'after a restart' });
    void this.#jobs.put({ ...job, problem });
  }
}

/** Number of records of a job, without annotations that were deleted with others. */
export const countOf = ({ by_kind: counts }: Pick<DeletionJob, 'by_kind'>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

const newId = (): string => `del_${randomBytes(8).toString('hex')}`;

/** The records that a query finds, without the events of deletions. */
function nodeOf(q: string): QueryNode | { readonly problem: string } {
  const read = contractQuery({ q });
  if ('problems' in read)
    return {
      problem: read.problems.map(({ problem, at = 0 }) => `q at character ${at + 1}: ${problem}`).join('; '),
    };
  return { op: 'and', of: [read.node, { op: 'not', of: IS_AUDIT }] };
}
