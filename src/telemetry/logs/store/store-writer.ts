// Writes the log store: assigns sequence numbers, starts segments, deletes old ones, and continues after a full disk or
// a damaged segment. Runs in the writer thread.
// Invariant: each stored record gets the next sequence number; only a damaged segment leaves a gap, never a repetition.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '../../../core/errors.ts';
import { EVENTS, type EventName } from '../../../core/events.ts';
import { SqliteFile, sqliteError } from '../../../core/sqlite-file.ts';
import { SegmentWriter } from './segment-writer.ts';
import { segmentBytes, utcDay, segmentPath, listSegments, removeSegment, renameDamaged } from './segments.ts';
import type { StoreEntry } from './store-entry.ts';

export interface WriterOptions {
  readonly folder: string;
  /** Maximum size of all segments. The oldest segments are deleted first. */
  readonly maxBytes: number;
  /** Segments of days before this age are deleted. */
  readonly retentionMs: number;
}

/** Reason for losing records. */
export type LostRecords = 'store_full' | 'store_error';

export type AppendResult =
  | { readonly kind: 'stored' }
  /** Another process has locked the file. The caller may retry. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'lost'; readonly why: LostRecords };

/** Writes to weir's own log. `name`: name of the lifecycle event, if it is one. */
type WriterLog = (
  level: 'info' | 'warn' | 'error',
  event: string,
  fields: Record<string, unknown>,
  name?: EventName,
) => void;

/** The integrity of the newest segment is checked at start if it is not larger than this. */
const MAX_CHECKED_BYTES = 64 * 1024 ** 2;
/** A segment that exceeds this fraction of `maxBytes` is followed by another one of the same day. */
const SEGMENT_FRACTION = 1 / 8;
/** Name of the note in a segment. */
const NOTE = 'followed';
/** Sequence numbers that are skipped after a damaged segment, since the number of its records is not known. */
const SEQ_GAP = 1_000_000_000;
/** Records between two checks of the limits. */
const CHECK_EVERY = 2000;
/** Minimum time between two log lines with the same reason. */
const REPEAT_LOG_MS = 60_000;

export class StoreWriter {
  readonly #options: WriterOptions;
  readonly #log: WriterLog;
  readonly #now: () => number;
  #lock: SqliteFile | undefined;
  #segment: SegmentWriter | undefined;
  /** UTC day of the current segment. */
  #day = '';
  /** Lowest sequence number of the current segment. */
  #firstSeq = 0;
  #note = '';
  #seq = 0;
  #recordsUntilCheck = 0;
  #loggedMs = new Map<string, number>();
  /** Size of all segments at the last check. */
  bytes = 0;

  /** `now` returns milliseconds since the epoch. */
  constructor(options: WriterOptions, log: WriterLog, now: () => number) {
    this.#options = options;
    this.#log = log;
    this.#now = now;
  }

  /** Opens the folder. Returns an error text if it cannot be used, otherwise ''. */
  open(): string {
    const { folder } = this.#options;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      // Locked until `close`, since two writers would assign the same sequence numbers.
      this.#lock = new SqliteFile(join(folder, 'lock.sqlite'), { sync: 'off', maxBytes: 2 ** 20 });
      this.#lock.exec('CREATE TABLE IF NOT EXISTS held (by INTEGER); DELETE FROM held');
      this.#openNewest();
      this.#checkLimits();
      return '';
    } catch (error) {
      this.#lock?.close();
      return sqliteError(error) === 'busy'
        ? `${folder} is in use by another weir`
        : `${folder} cannot be used: ${describe(error)}`;
    }
  }

  /** The last stored note, also from before a restart; empty if there is none. */
  get note(): string {
    return this.#note;
  }

  /** Sequence number of the last stored record; 0 without records. */
  get headSeq(): number {
    return this.#seq;
  }

  /** Stores all entries or none. `note` replaces the stored note in the same transaction. */
  append(entries: readonly StoreEntry[], note?: string): AppendResult {
    for (let attempt = 0; ; attempt++) {
      try {
        this.#current().append(entries, this.#seq + 1, note === undefined ? undefined : { [NOTE]: note });
        if (note !== undefined) this.#note = note;
        this.#seq += entries.length;
        this.#recordsUntilCheck -= entries.length;
        if (this.#recordsUntilCheck <= 0) this.applyLimits();
        return { kind: 'stored' };
      } catch (error) {
        const fault = sqliteError(error);
        if (fault === 'busy') return { kind: 'busy' };
        if (attempt === 0 && fault === 'damaged' && this.#segment) {
          this.#retire(this.#segment.path, describe(error));
          continue;
        }
        if (attempt < 3 && fault === 'full' && this.#deleteOldest()) continue;
        const why = fault === 'full' ? 'store_full' : 'store_error';
        this.#logLoss(why, fault === 'full' ? 'no space left on the disk of the log store' : describe(error));
        return { kind: 'lost', why };
      }
    }
  }

  /**
   * Deletes segments that exceed the limits, and starts a new one if the current one is large. To be called regularly.
   * Errors are logged, not thrown.
   */
  applyLimits(): void {
    try {
      this.#checkLimits();
    } catch (error) {
      this.#logLoss('store_error', describe(error));
    }
  }

  /** Renames a segment that a reader has found damaged, so that it is not used any more. */
  damaged(path: string, problem: string): void {
    if (listSegments(this.#options.folder).some((segment) => segment.path === path))
      this.#retire(path, problem);
  }

  close(): void {
    this.#segment?.close();
    this.#segment = undefined;
    this.#lock?.close();
  }

  /** The segment for new records. */
  #current(): SegmentWriter {
    const today = utcDay(this.#now());
    // If the clock was set back, the later day stays.
    if (this.#segment === undefined || today > this.#day) this.#start(today > this.#day ? today : this.#day);
    return this.#segment!;
  }

  /** Closes the current segment and starts a new one. */
  #start(day: string): void {
    if (this.#segment) {
      const { path } = this.#segment;
      this.#segment.close();
      this.#segment = undefined;
      // An empty segment is deleted, since two must not begin with the same sequence number.
      if (this.#seq < this.#firstSeq) removeSegment(path);
    }
    this.#firstSeq = this.#seq + 1;
    const segment = new SegmentWriter(segmentPath(this.#options.folder, day, this.#firstSeq));
    try {
      // Copied before any record is stored, since after a restart the note is read from the newest segment only.
      if (this.#note !== '') segment.append([], 0, { [NOTE]: this.#note });
    } catch (error) {
      segment.close();
      throw error;
    }
    this.#segment = segment;
    this.#day = day;
  }

  /** Continues with the newest intact segment, and renames newer ones, which are damaged. */
  #openNewest(): void {
    for (const { path, day, firstSeq } of listSegments(this.#options.folder).reverse()) {
      try {
        const segment = new SegmentWriter(path);
        const damage = segment.damage(MAX_CHECKED_BYTES);
        if (damage === '') {
          this.#segment = segment;
          this.#day = day;
          this.#firstSeq = firstSeq;
          this.#note = segment.note(NOTE);
          this.#seq = Math.max(this.#seq, firstSeq - 1, segment.lastSeq);
          return;
        }
        segment.close();
        this.#renameDamaged(path, damage);
      } catch (error) {
        if (sqliteError(error) !== 'damaged') throw error;
        this.#renameDamaged(path, describe(error));
      }
      this.#seq = Math.max(this.#seq, firstSeq + SEQ_GAP);
    }
  }

  /** Closes a damaged segment and renames it. */
  #retire(path: string, problem: string): void {
    if (this.#segment?.path === path) {
      try {
        this.#segment.close();
      } catch (error) {
        this.#log('warn', 'closing a damaged log store segment failed', { error: describe(error) });
      }
      this.#segment = undefined;
    }
    this.#renameDamaged(path, problem);
  }

  #renameDamaged(path: string, problem: string): void {
    const newPath = renameDamaged(path, this.#now());
    const { line } = EVENTS.log_store_damaged;
    this.#log('error', line, { file: newPath, problem }, 'log_store_damaged');
  }

  #checkLimits(): void {
    const { folder, maxBytes, retentionMs } = this.#options;
    this.#recordsUntilCheck = CHECK_EVERY;
    const segments = listSegments(folder).map((one) => ({ ...one, bytes: segmentBytes(one.path) }));
    this.bytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    const oldestDay = utcDay(this.#now() - retentionMs);
    for (const { path, day, bytes } of segments) {
      const isCurrent = path === this.#segment?.path;
      if (isCurrent || (day >= oldestDay && this.bytes <= maxBytes)) break;
      removeSegment(path);
      this.bytes -= bytes;
      this.#log('info', 'log store segment deleted', { file: path, why: day < oldestDay ? 'age' : 'size' });
    }
    const current = segments.find(({ path }) => path === this.#segment?.path);
    if (current && current.bytes > maxBytes * SEGMENT_FRACTION) this.#start(this.#day);
  }

  /** Frees disk space by deleting the oldest segment. Returns false if only the current one is left. */
  #deleteOldest(): boolean {
    const [oldest] = listSegments(this.#options.folder);
    if (oldest === undefined || oldest.path === this.#segment?.path) return false;
    removeSegment(oldest.path);
    this.#logLoss('freed', `disk full, deleted ${oldest.path}`);
    return true;
  }

  #logLoss(why: string, problem: string): void {
    const now = this.#now();
    if (now - (this.#loggedMs.get(why) ?? -Infinity) < REPEAT_LOG_MS) return;
    this.#loggedMs.set(why, now);
    this.#log('error', 'log records lost', { why, problem });
  }
}
