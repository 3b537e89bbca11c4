// Downloads as jobs: a thread of low priority searches and writes a file, which clients read while it grows.
// Invariant: the number of downloads and the size of their files are limited. A restart forgets all of them.
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '../../../core/errors.ts';
import type { Component } from '../../../core/lifecycle.ts';
import type { Logger } from '../../../core/logger.ts';
import { formatBytes } from '../../../core/units.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import { seqOfPlace, type LogReader, type Logs, type SearchQuery } from '../../../telemetry/logs/logs.ts';
import type { RecordTotal } from '../answers/download-answers.ts';
import { formatWriter, type Format } from '../logs/record-formats.ts';
import { DownloadJob } from './download-job.ts';
import type { DownloadOperations, DownloadStep } from './download-thread.ts';

const THREAD = threadFile('download-thread', import.meta.url).href;
/** Downloads that are kept, and of these the ones that are being written. */
const MAX_JOBS = 64;
const MAX_RUNNING = 8;
const COUNT_MS = 1000;
/** Time of one step of the thread. Longer ones delay other downloads. */
const STEP_MS = 100;
const SWEEP_MS = 30_000;

/** What a client asks for. */
export interface NewDownload {
  readonly owner: string;
  readonly format: Format;
  /** `undefined`: all. */
  readonly columns: readonly string[] | undefined;
  /** `limit`: most rows. */
  readonly query: SearchQuery;
}

type DownloadedLogs = Pick<Logs, 'group' | 'head' | 'openReader'>;

export class Downloads implements Component {
  readonly name = 'downloads';
  readonly #logs: DownloadedLogs;
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #log: Logger;
  readonly #jobs = new Map<string, DownloadJob>();
  readonly #running = new Set<Promise<void>>();
  #reader: LogReader | undefined;
  #sweep: NodeJS.Timeout | undefined;

  /** `folder`: of the files, deleted at each start. `maxBytes`: of all files together. */
  constructor(logs: DownloadedLogs, folder: string, maxBytes: number, log: Logger) {
    this.#logs = logs;
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.#delete(this.#folder);
    this.#sweep = setInterval(() => this.#forgetOld(), SWEEP_MS).unref();
  }

  /** Ends all downloads and deletes their files. */
  async stop(): Promise<void> {
    clearInterval(this.#sweep);
    for (const job of this.#jobs.values()) if (job.state === 'running') job.ended('stopped');
    await Promise.all(this.#running);
    await this.#reader?.close();
    await this.#delete(this.#folder);
  }

  get(id: string): DownloadJob | undefined {
    return this.#jobs.get(id);
  }

  /** Begins a download of what is stored now. `undefined`: there are too many. */
  async create({ owner, format, columns, query }: NewDownload): Promise<DownloadJob | undefined> {
    const { node, fromNs, toNs, direction, after, limit: maxRows } = query;
    const [{ place }, total] = await Promise.all([this.#logs.head(), this.#count(query)]);
    if (!this.#hasRoom()) return undefined;
    const id = randomUUID();
    const path = join(this.#folder, `${id}.data`);
    const { mediaType } = formatWriter(format, columns);
    const job = new DownloadJob({ id, owner, path, format, mediaType, total });
    this.#jobs.set(id, job);
    const running = this.#run(job, {
      path,
      format,
      columns,
      node,
      fromNs,
      toNs,
      direction,
      after: after && { timeNs: after.timeNs, seq: seqOfPlace(after.place) },
      maxRows,
      endSeq: seqOfPlace(place),
    });
    this.#running.add(running);
    void running.finally(() => this.#ended(running));
    return job;
  }

  /** Stops a download, deletes its file and cuts off who reads it. */
  async remove(job: DownloadJob): Promise<void> {
    job.ended('stopped');
    await this.#delete(job.facts.path);
  }

  /** Writes the file. Never rejects. */
  async #run(job: DownloadJob, task: Parameters<DownloadOperations['begin']>[1]): Promise<void> {
    const { id, path } = job.facts;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await this.#ask('begin', id, task);
      while (job.state === 'running') {
        const step: DownloadStep = await this.#ask('step', id, STEP_MS);
        job.advanced(step);
        if (this.#bytes > this.#maxBytes)
          throw new Error(
            `the files of all downloads are larger than ${formatBytes(this.#maxBytes)} (export_jobs.max_bytes); ask for fewer records or columns`,
          );
      }
    } catch (error) {
      if (job.state !== 'stopped') job.ended('failed', describe(error));
      this.#log.warn('download failed', { download: id, problem: describe(error) });
    }
    try {
      await this.#ask('close', id);
    } catch (error) {
      this.#log.warn('download was not closed', { download: id, problem: describe(error) });
    }
    if (job.state !== 'finished') await this.#delete(path);
  }

  /** The thread runs only while there is something to write. */
  #ended(running: Promise<void>): void {
    this.#running.delete(running);
    if (this.#running.size > 0) return;
    void this.#reader?.close();
    this.#reader = undefined;
  }

  #ask<O extends keyof DownloadOperations>(
    operation: O,
    ...args: Parameters<DownloadOperations[O]>
  ): Promise<ReturnType<DownloadOperations[O]>> {
    this.#reader ??= this.#logs.openReader(THREAD, 'weir download');
    return this.#reader.run(operation, ...args) as Promise<ReturnType<DownloadOperations[O]>>;
  }

  async #count({ node, fromNs, toNs, limit }: SearchQuery): Promise<RecordTotal> {
    const { matched, isPartial } = await this.#logs.group(
      { node, fromNs, toNs, by: [], measures: [] },
      { timeoutMs: COUNT_MS },
    );
    return { count: Math.min(matched, limit), is_exact: !isPartial || matched >= limit };
  }

  get #bytes(): number {
    let sum = 0;
    for (const job of this.#jobs.values())
      if (job.state === 'running' || job.state === 'finished') sum += job.bytes;
    return sum;
  }

  /** Forgets the oldest downloads that are neither written nor read, if that is needed. */
  #hasRoom(): boolean {
    if (this.#running.size >= MAX_RUNNING) return false;
    for (const job of this.#jobs.values()) {
      if (this.#jobs.size < MAX_JOBS && this.#bytes < this.#maxBytes / 2) break;
      if (job.state !== 'running' && !job.isRead) this.#forget(job);
    }
    return this.#jobs.size < MAX_JOBS;
  }

  #forgetOld(): void {
    const nowMs = Date.now();
    for (const job of this.#jobs.values()) if (job.keptUntilMs <= nowMs) this.#forget(job);
  }

  #forget({ facts: { id, path } }: DownloadJob): void {
    this.#jobs.delete(id);
    void this.#delete(path);
  }

  /** Never rejects: a file that stays is deleted at the next start. */
  async #delete(path: string): Promise<void> {
    try {
      await rm(path, { force: true, recursive: true });
    } catch (error) {
      this.#log.warn('file of a download cannot be deleted', { path, problem: describe(error) });
    }
  }
}
