// An export job: a saved query, and what has become of it. Stored as JSON.
// Invariant: a job is never changed. Each change makes a new one with a later `updatedAtMs`, or the same.
import type { QueryNode } from '../logs/logs.ts';
import { EXPORT_FIELDS, type ExportField } from './export-fields.ts';

/**
 * `draft`: not started. `in_progress`: waits for other jobs, or runs. `success`: the file is complete. `failure`, `stopped`:
 * there is no file.
 */
export const EXPORT_STATES = ['draft', 'in_progress', 'success', 'failure', 'stopped'] as const;
export type ExportState = (typeof EXPORT_STATES)[number];

export const EXPORT_FORMATS = ['jsonl', 'json', 'csv', 'parquet'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** A column of the file. */
export interface ExportColumn {
  /** Name in the file. */
  readonly key: string;
  readonly field: ExportField;
}

/** Which records are exported, and how. Times in milliseconds since the epoch, both inclusive. */
export interface ExportQuery {
  readonly node: QueryNode;
  readonly fromMs: number;
  readonly toMs: number;
  /** Matching records that are left out at the begin, in the order of storing. */
  readonly offset: number;
  /** Maximum number of rows; 0: no limit but that of the settings. */
  readonly limit: number;
  /** In the order in which they are in the file. */
  readonly columns: readonly ExportColumn[];
  readonly format: ExportFormat;
}

/** How far the file of a job is written. All that it counts is on disk. */
export interface ExportCheckpoint {
  /** The records up to this one are in the file, or do not belong there. */
  readonly lastSeq: number;
  /** Matching records that were left out because of `offset`. */
  readonly skipped: number;
  readonly rows: number;
  /** Size of the file. */
  readonly bytes: number;
  /** Records that were deleted before they could be read, whether or not they would have matched. */
  readonly missed: number;
}

/** A change of the state of a job. */
export interface ExportChange {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly state: ExportState;
  readonly error: string | null;
}

/** Times in milliseconds since the epoch; `null`: not yet. */
export interface ExportJob {
  /** A UUID. */
  readonly id: string;
  /** Who may see it, as its creator said. */
  readonly owner: string;
  /** JSON that the creator wants back. */
  readonly asked: unknown;
  readonly query: ExportQuery;
  readonly state: ExportState;
  /** Rows that match: when it was created, changed or started; in the end those in the file. */
  readonly total: number;
  /** False: counting took too long, so there are more rows than `total`. */
  readonly isTotalExact: boolean;
  readonly exportedRecords: number;
  readonly missedRecords: number;
  /** Size of the file so far. */
  readonly bytes: number;
  /** Of the complete file, in hex. */
  readonly sha256: string | null;
  readonly error: string | null;
  /** The file of a successful job is still there. */
  readonly hasFile: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  /** When the file will be deleted. */
  readonly expiresAtMs: number | null;
  /** The last MAX_CHANGES changes of the state, the oldest first. */
  readonly history: readonly ExportChange[];
}

const MAX_CHANGES = 50;

/** The history of a job that is about to be stored. `before`: as it was stored last. */
export function historyOf(
  job: ExportJob,
  before: Pick<ExportJob, 'state' | 'startedAtMs'> | undefined,
  atMs: number,
): readonly ExportChange[] {
  const { state, error, history } = job;
  if (before?.state === state && before.startedAtMs === job.startedAtMs) return history;
  return [...history, { atMs, state, error }].slice(-MAX_CHANGES);
}

/** A job as it is stored: with what is needed to go on after a restart. */
export interface StoredExportJob extends ExportJob {
  /** The records above `startSeq` up to `endSeq` belong to the job, once it was started. */
  readonly startSeq: number;
  readonly endSeq: number;
  /** `null`: nothing is written. */
  readonly checkpoint: ExportCheckpoint | null;
}

/** What a job has that was not started, or was stopped. */
export const NOT_STARTED = {
  exportedRecords: 0,
  missedRecords: 0,
  bytes: 0,
  sha256: null,
  error: null,
  hasFile: false,
  finishedAtMs: null,
  expiresAtMs: null,
  startSeq: 0,
  endSeq: 0,
  checkpoint: null,
} as const;

const MAX_COLUMNS = 64;
const MAX_KEY_LENGTH = 128;

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** What is wrong with a query; `undefined`: nothing. */
export function problemOf({ fromMs, toMs, offset, limit, columns, format }: ExportQuery): string | undefined {
  if (!isCount(fromMs) || !isCount(toMs)) return 'times must be whole milliseconds since 1970';
  if (fromMs > toMs) return 'the begin of the time range is after its end';
  if (!isCount(offset)) return `invalid offset ${offset}; use a whole number from 0`;
  if (!isCount(limit)) return `invalid limit ${limit}; use a whole number from 0`;
  if (!EXPORT_FORMATS.includes(format))
    return `unknown format ${JSON.stringify(format)}; use one of ${EXPORT_FORMATS.join(', ')}`;
  if (columns.length === 0) return 'no columns are asked for';
  if (columns.length > MAX_COLUMNS)
    return `too many columns: ${columns.length}, the maximum is ${MAX_COLUMNS}`;
  const keys = new Set<string>();
  for (const { key, field } of columns) {
    if (key === '' || key.length > MAX_KEY_LENGTH)
      return `invalid column name; use 1 to ${MAX_KEY_LENGTH} characters`;
    if (keys.has(key)) return `column ${key} is asked for twice`;
    if (!EXPORT_FIELDS.includes(field)) return `unknown field ${field}`;
    keys.add(key);
  }
  return undefined;
}

/** True for a value of a job's file that is a job of this version with this id. */
export function isStoredJob(value: unknown, id: string): value is StoredExportJob {
  if (typeof value !== 'object' || value === null) return false;
  const job = value as Partial<StoredExportJob>;
  return (
    job.id === id &&
    typeof job.owner === 'string' &&
    EXPORT_STATES.includes(job.state!) &&
    isCount(job.createdAtMs) &&
    isCount(job.startSeq) &&
    isCount(job.endSeq) &&
    Array.isArray(job.query?.columns) &&
    typeof job.query.node === 'object' &&
    problemOf(job.query) === undefined
  );
}
