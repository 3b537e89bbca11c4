// The folder of the log store for its writer: opens the newest file, starts new ones, deletes old ones, and renames
// damaged ones.
// Invariant: sequence numbers only grow from file to file; only a damaged file leaves a gap, never a repetition.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '../../../core/errors.ts';
import { EVENTS } from '../../../core/event-table.ts';
import type { EventName } from '../../../core/events.ts';
import { SqliteFile, sqliteError } from '../../../core/sqlite-file.ts';
import { DayFile, PLACES_PER_RECORD } from './day-file.ts';
import { fileVersion } from './file-version.ts';
import { RetentionClock, type Clocks } from './retention-clock.ts';
import {
  listSegments,
  removeReplacedSegments,
  removeSegment,
  renameDamaged,
  segmentBytes,
  segmentPath,
  utcDay,
} from './segments.ts';
import { readV1Head } from './v1/v1-head.ts';

export interface WriterOptions {
  readonly folder: string;
  /** Maximum size of all files. The oldest ones are deleted first. */
  readonly maxBytes: number;
  /** Files of days before this age are deleted. */
  readonly retentionMs: number;
}

/** Writes to weir's own log. `name`: name of the lifecycle event, if it is one. */
export type WriterLog = (
  level: 'info' | 'warn' | 'error',
  event: string,
  fields: Record<string, unknown>,
  name?: EventName,
) => void;

/** The integrity of the newest file is checked at start if it is not larger than this. */
const MAX_CHECKED_BYTES = 64 * 1024 ** 2;
/** A file that exceeds this fraction of `maxBytes` is followed by another one of the same day. */
const FILE_FRACTION = 1 / 8;
/** Name of the note with the positions in followed files. */
const NOTE = 'followed';
/** Sequence numbers that are skipped after a damaged file, since the number of its records is not known. */
const SEQ_GAP = 1_000_000_000;
/** Minimum time between two log lines with the same reason. */
const REPEAT_LOG_MS = 60_000;

/** True if a file is small enough to be checked, and SQLite finds nothing wrong with it. */
export function isIntact(path: string): boolean {
  if (segmentBytes(path) > MAX_CHECKED_BYTES) return false;
  try {
    // Another connection, since that of the writer has parts of the file in memory.
    const file = new DayFile(path);
    const damage = file.damage(MAX_CHECKED_BYTES);
    file.close();
    return damage === '';
  } catch (error) {
    return sqliteError(error) !== 'damaged';
  }
}

export class DayFiles {
  readonly #options: WriterOptions;
  readonly #log: WriterLog;
  readonly #clocks: Clocks;
  #retention: RetentionClock;
  #lock: SqliteFile | undefined;
  #file: DayFile | undefined;
  /** UTC day of the current file, and when it ends. If the clock is set back, the later day stays. */
  #day = '';
  #endMs = 0;
  #firstSeq = 0;
  #isLarge = false;
  readonly #loggedMs = new Map<string, number>();
  /** Sequence number of the last record in all files. */
  lastSeq = 0;
  note = '';
  /** Size of all files at the last check. */
  bytes = 0;

  constructor(options: WriterOptions, log: WriterLog, clocks: Clocks) {
    this.#options = options;
    this.#log = log;
    this.#clocks = clocks;
    this.#retention = new RetentionClock(clocks, 0);
  }

  /** Opens the folder. Returns an error text if it cannot be used, otherwise ''. */
  open(): string {
    const { folder } = this.#options;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      // Locked until `close`, since two writers would assign the same sequence numbers.
      this.#lock = new SqliteFile(join(folder, 'lock.sqlite'), { sync: 'off', maxBytes: 2 ** 20 });
      this.#lock.exec('CREATE TABLE IF NOT EXISTS held (by INTEGER); DELETE FROM held');
      removeReplacedSegments(folder);
      const newest = listSegments(folder).at(-1);
      const newestMs = newest === undefined ? 0 : statSync(newest.path).mtimeMs;
      this.#retention = new RetentionClock(this.#clocks, newestMs);
      this.#openNewest();
      this.applyLimits();
      return '';
    } catch (error) {
      this.#file?.close();
      this.#file = undefined;
      this.#lock?.close();
      this.#lock = undefined;
      return sqliteError(error) === 'busy'
        ? `${folder} is in use by another weir`
        : `${folder} cannot be used: ${describe(error)}`;
    }
  }

  /** The file for new records; `undefined` if a new one has to be started. */
  get current(): DayFile | undefined {
    if (this.#file === undefined || this.#isLarge) return undefined;
    return this.#clocks.now() >= this.#endMs ? undefined : this.#file;
  }

  /** The file of the last record, also if a new one has to be started. */
  get previous(): DayFile | undefined {
    return this.#file;
  }

  /** Closes the current file and starts one whose first record will have this sequence number. */
  start(firstSeq: number): DayFile {
    if (this.#file) {
      const { path } = this.#file;
      this.#file.finish();
      this.#file = undefined;
      // An empty file is deleted, since two must not begin with the same sequence number.
      if (firstSeq === this.#firstSeq) removeSegment(path);
    }
    const today = utcDay(this.#clocks.now());
    const day = today > this.#day ? today : this.#day;
    const file = new DayFile(segmentPath(this.#options.folder, day, firstSeq));
    try {
      // After a restart the note is read from the newest file only.
      if (this.note !== '') file.transaction(() => file.setNote(NOTE, this.note));
    } catch (error) {
      file.close();
      throw error;
    }
    this.#firstSeq = firstSeq;
    this.#file = file;
    this.#setDay(day);
    this.#isLarge = false;
    return file;
  }

  /** Closes the current file, to which nothing is added any more. The next record starts another one. */
  finishCurrent(): void {
    this.#file?.finish();
    this.#file = undefined;
  }

  /** Writes the note in the current transaction of the file. The caller sets `note` when that is committed. */
  writeNote(file: DayFile, note: string): void {
    file.setNote(NOTE, note);
  }

  /** Deletes files that exceed the limits. To be called regularly. Errors are logged, not thrown. */
  applyLimits(): void {
    try {
      this.#checkLimits();
    } catch (error) {
      this.logLoss('store_error', describe(error));
    }
  }

  /** Renames a damaged file, so that it is not used any more. Returns true if it was the current one. */
  retire(path: string, problem: string): boolean {
    if (!listSegments(this.#options.folder).some((segment) => segment.path === path)) return false;
    const isCurrent = this.#file?.path === path;
    if (isCurrent) {
      try {
        this.#file!.close();
      } catch (error) {
        this.#log('warn', 'closing a damaged log store file failed', { error: describe(error) });
      }
      this.#file = undefined;
    }
    this.#renameDamaged(path, problem);
    return isCurrent;
  }

  /** Moves a damaged page out of the way of readers. Its records are lost. `place`: see DayFile. */
  setAside(path: string, place: number, problem: string): void {
    try {
      if (this.#file?.path === path) this.#file.setAside(place);
      else if (listSegments(this.#options.folder).some((segment) => segment.path === path)) {
        const file = new DayFile(path);
        file.setAside(place);
        file.close();
      }
    } catch (error) {
      // It stays where it is. Readers skip it and report it again after a restart.
      this.logLoss('store_error', describe(error));
    }
    const { line } = EVENTS.log_store_damaged;
    const seq = Math.floor(place / PLACES_PER_RECORD);
    this.#log('error', line, { file: path, page: seq, problem }, 'log_store_damaged');
  }

  /** Frees disk space by deleting the oldest file. Returns false if only the current one is left. */
  deleteOldest(): boolean {
    const [oldest] = listSegments(this.#options.folder);
    if (oldest === undefined || oldest.path === this.#file?.path) return false;
    removeSegment(oldest.path);
    this.logLoss('freed', `disk full, deleted ${oldest.path}`);
    return true;
  }

  /** Logs a loss, at most once a minute for each reason. */
  logLoss(why: string, problem: string): void {
    const now = this.#clocks.steady();
    if (now - (this.#loggedMs.get(why) ?? -Infinity) < REPEAT_LOG_MS) return;
    this.#loggedMs.set(why, now);
    this.#log('error', 'log records lost', { why, problem });
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#lock?.close();
    this.#lock = undefined;
  }

  /** Continues with the newest intact file, and renames newer ones, which are damaged. */
  #openNewest(): void {
    for (const { path, day, firstSeq } of listSegments(this.#options.folder).reverse()) {
      try {
        const version = fileVersion(path);
        if (version === 1) {
          // Files of this version are only read.
          const { lastSeq, note } = readV1Head(path);
          this.#continueAfter(day, Math.max(firstSeq - 1, lastSeq), note);
          return;
        }
        const file = new DayFile(path);
        const damage = file.damage(MAX_CHECKED_BYTES);
        if (damage === '') {
          this.#file = file;
          this.#firstSeq = firstSeq;
          this.#continueAfter(day, Math.max(firstSeq - 1, file.lastSeq), file.note(NOTE));
          return;
        }
        file.close();
        this.#renameDamaged(path, damage);
      } catch (error) {
        if (sqliteError(error) !== 'damaged') throw error;
        this.#renameDamaged(path, describe(error));
      }
      this.lastSeq = Math.max(this.lastSeq, firstSeq + SEQ_GAP);
    }
  }

  #setDay(day: string): void {
    this.#day = day;
    this.#endMs = Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6)) + 1);
  }

  #continueAfter(day: string, lastSeq: number, note: string): void {
    this.#setDay(day);
    this.lastSeq = Math.max(this.lastSeq, lastSeq);
    this.note = note;
  }

  #renameDamaged(path: string, problem: string): void {
    const newPath = renameDamaged(path, this.#clocks.now());
    const { line } = EVENTS.log_store_damaged;
    this.#log('error', line, { file: newPath, problem }, 'log_store_damaged');
  }

  #checkLimits(): void {
    const { folder, maxBytes, retentionMs } = this.#options;
    const segments = listSegments(folder).map((one) => ({ ...one, bytes: segmentBytes(one.path) }));
    this.bytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    const oldestDay = this.#retention.isTrusted ? utcDay(this.#clocks.now() - retentionMs) : '';
    for (const { path, day, bytes } of segments) {
      const isCurrent = path === this.#file?.path;
      if (isCurrent || (day >= oldestDay && this.bytes <= maxBytes)) break;
      removeSegment(path);
      this.bytes -= bytes;
      this.#log('info', 'log store file deleted', { file: path, why: day < oldestDay ? 'age' : 'size' });
    }
    const current = segments.find(({ path }) => path === this.#file?.path);
    if (current && current.bytes > maxBytes * FILE_FRACTION) this.#isLarge = true;
  }
}
