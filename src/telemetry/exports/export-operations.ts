// What the reader thread of an export job does: reads rows, and writes them to the file of the job, step by step.
// Invariant: a step returns what is in the file; after a step with a checkpoint that is on disk.
import { describe } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import type { ReadStore, ScanQuery } from '../logs/logs.ts';
import type { Cell } from './cell.ts';
import type { ExportCheckpoint, ExportQuery } from './export-job.ts';
import { RowColumns } from './export-fields.ts';
import { readSample, type ExportSample } from './export-sample.ts';
import { OutputFile, sizeOf } from './output-file.ts';
import { scanRange, StoreRow } from './store-row.ts';
import { canContinue, rowFormat, type RowFormat } from './row-format.ts';

/** A job as the thread gets it. */
export interface ExportTask {
  readonly path: string;
  readonly query: ExportQuery;
  /** The records above this sequence number, up to `endSeq`. */
  readonly startSeq: number;
  readonly endSeq: number;
  /** Maximum size of the file. */
  readonly maxBytes: number;
  /** Where to go on; `null`: at the begin. */
  readonly checkpoint: ExportCheckpoint | null;
}

export type { ExportSample } from './export-sample.ts';

export interface StepResult {
  readonly checkpoint: ExportCheckpoint;
  /** The hash of the complete file; `undefined`: there is more to do. */
  readonly sha256: string | undefined;
}

export interface FileOperations {
  /** Begins a job, or goes on. Another one that was begun is closed. */
  begin(task: ExportTask): void;
  /** Works for about `ms` milliseconds, at least a little. `isCheckpoint`: what is written must be on disk. */
  step(ms: number, isCheckpoint: boolean): StepResult;
  /** Closes the file. */
  close(): void;
  /** Reads the first rows of a query, for about `ms` milliseconds. */
  sample(query: ExportQuery, startSeq: number, endSeq: number, ms: number): ExportSample;
}

const NOTHING = { skipped: 0, rows: 0, bytes: 0, missed: 0 };
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

class RunningExport {
  readonly #task: ExportTask;
  readonly #store: ReadStore;
  readonly #file: OutputFile;
  readonly #columns: RowColumns;
  readonly #format: RowFormat;
  readonly #scan: ScanQuery;
  readonly #row: StoreRow;
  readonly #cells: Cell[] = [];
  #at: ExportCheckpoint;

  constructor(task: ExportTask, store: ReadStore) {
    const { columns, format, node } = task.query;
    const { checkpoint } = task;
    // Without the bytes of the checkpoint the file is written again.
    const canResume = checkpoint !== null && canContinue(format) && sizeOf(task.path) >= checkpoint.bytes;
    this.#at = canResume ? checkpoint : { ...NOTHING, lastSeq: task.startSeq };
    this.#task = task;
    this.#store = store;
    this.#row = new StoreRow(store);
    this.#columns = new RowColumns(columns.map(({ field }) => field));
    this.#file = new OutputFile(task.path, this.#at.bytes);
    const keys = columns.map(({ key }) => key);
    const { kinds } = this.#columns;
    this.#format = rowFormat(format, { keys, kinds }, this.#file, this.#at.rows);
    this.#scan = { node, ...scanRange(task.query), names: this.#columns.names };
  }

  step(ms: number, isCheckpoint: boolean): StepResult {
    const endMs = performance.now() + ms;
    do {
      if (this.#file.mustHash) this.#file.hashMore();
      else if (!this.#isAtEnd) this.#read(endMs);
    } while ((this.#file.mustHash || !this.#isAtEnd) && performance.now() < endMs);
    const isDone = !this.#file.mustHash && this.#isAtEnd;
    if (isDone) this.#format.end();
    else if (isCheckpoint && !this.#file.mustHash) this.#format.flush();
    if (isDone || isCheckpoint) this.#file.sync();
    this.#checkSize();
    if (!this.#file.mustHash) this.#at = { ...this.#at, bytes: this.#file.bytes };
    return { checkpoint: this.#at, sha256: isDone ? this.#file.digest() : undefined };
  }

  close(): void {
    this.#file.close();
  }

  get #isAtEnd(): boolean {
    const { limit } = this.#task.query;
    return this.#at.lastSeq >= this.#task.endSeq || (limit > 0 && this.#at.rows >= limit);
  }

  /** Reads rows for a limited time, and writes them. */
  #read(endMs: number): void {
    const { endSeq, query } = this.#task;
    const limit = query.limit === 0 ? Infinity : query.limit;
    let { lastSeq, skipped, rows, missed } = this.#at;
    const progress = this.#store.scan(this.#scan, lastSeq, (seq, timeMs, values) => {
      if (seq > endSeq) return false;
      if (skipped < query.offset) {
        skipped++;
        return true;
      }
      this.#row.set(seq, timeMs, values);
      this.#columns.read(this.#row, this.#cells);
      this.#format.add(this.#cells);
      rows++;
      const isLate = this.#columns.usesBodies && performance.now() > endMs;
      return rows < limit && !isLate;
    });
    missed += Math.max(0, Math.min(progress.oldestSeq - 1, endSeq) - lastSeq);
    // A reader that gets no further is at the end.
    lastSeq = progress.lastSeq > lastSeq ? progress.lastSeq : endSeq;
    this.#at = { ...this.#at, lastSeq, skipped, rows, missed };
  }

  #checkSize(): void {
    const { maxBytes } = this.#task;
    if (this.#file.bytes > maxBytes)
      throw new Error(
        `the file is larger than ${formatBytes(maxBytes)} (export_jobs.max_bytes); export fewer rows or columns`,
      );
  }
}

/** A text that tells a user what to do if the disk is full. */
function explained(error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (!FULL.has(code)) return error instanceof Error ? error : new Error(describe(error));
  return new Error(
    `the disk of the data folder is full (${code}); free some space and start the export again`,
    {
      cause: error,
    },
  );
}

/** `store`: what the job reads. */
export function fileOperations(store: ReadStore): FileOperations {
  let running: RunningExport | undefined;
  const close = (): void => {
    running?.close();
    running = undefined;
  };
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      close();
      throw explained(error);
    }
  };
  return {
    begin(task) {
      close();
      running = guarded(() => new RunningExport(task, store));
    },
    step: (ms, isCheckpoint) =>
      guarded(() => {
        if (running === undefined) throw new Error('no export is running');
        return running.step(ms, isCheckpoint);
      }),
    close,
    sample: (query, startSeq, endSeq, ms) => readSample(store, query, startSeq, endSeq, ms),
  };
}
