// Writes the record: gives places (seq), turns to a new file each day, frees disk by age and by size, and goes on after
// a full disk or a damaged file. Lives in a thread of its own.
// Must stay true: places go up without gaps over all that was stored; what could not be stored is counted by its reason
// and said once, never waited for in vain. A damaged file is set aside, and the places that it held are not given again.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '../../../core/errors.ts';
import { EVENTS, type EventName } from '../../../core/events.ts';
import { SqliteFile, sqliteError } from '../../../core/sqlite-file.ts';
import { SegmentWriter, type StoreEntry } from './segment-writer.ts';
import { segmentBytes, dayOf, segmentPath, listSegments, removeSegment, setAside } from './segments.ts';

export interface WriterOptions {
  readonly folder: string;
  /** All files together; the oldest go first. */
  readonly maxBytes: number;
  /** Records that are older than this go with their file. */
  readonly retentionMs: number;
}

/** Why records were lost. */
export type LostRecords = 'store_full' | 'store_error';

export type AppendResult =
  | { readonly kind: 'stored' }
  /** Somebody else holds the file: the same entries may be tried again. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'lost'; readonly why: LostRecords };

/** Reports something to the operator. `name`: the lifecycle event, if it is one. */
export type WriterLog = (
  level: 'info' | 'warn' | 'error',
  event: string,
  fields: Record<string, unknown>,
  name?: EventName,
) => void;

/** Files up to this size are read through at the start: damage is found before it spreads. */
const CHECKED_BYTES = 64 * 1024 ** 2;
/** A file that has reached this part of what all may have is followed by another of the same day. */
const PARTS = 8;
/** The one note's name in the file. */
const NOTE = 'followed';
/** Places that are left out where nobody knows how many a damaged file held. */
const JUMP = 1_000_000_000;
/** Records between two looks at the files' sizes. */
const LOOK_EVERY = 2000;
/** Between two complaints about the same thing. */
const COMPLAIN_EVERY_MS = 60_000;

export class StoreWriter {
  readonly #options: WriterOptions;
  readonly #say: WriterLog;
  readonly #now: () => number;
  #lock: SqliteFile | undefined;
  #file: SegmentWriter | undefined;
  #day = '';
  /** Where the file in use begins. */
  #firstSeq = 0;
  #note = '';
  #seq = 0;
  #untilLook = 0;
  #complainedMs = new Map<string, number>();
  /** Bytes of all files together, at the last look. */
  bytes = 0;

  /** `now` gives milliseconds since the epoch. */
  constructor(options: WriterOptions, say: WriterLog, now: () => number) {
    this.#options = options;
    this.#say = say;
    this.#now = now;
  }

  /** Opens the folder; returns '' or why it cannot be used. */
  open(): string {
    const { folder } = this.#options;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      // Held as long as we live: two that give places would give the same ones.
      this.#lock = new SqliteFile(join(folder, 'lock.sqlite'), { sync: 'off', maxBytes: 2 ** 20 });
      this.#lock.exec('CREATE TABLE IF NOT EXISTS held (by INTEGER); DELETE FROM held');
      this.#openLast();
      this.#look();
      return '';
    } catch (error) {
      this.#lock?.close();
      return sqliteError(error) === 'busy'
        ? `${folder} is in use by another weir`
        : `${folder} cannot be used: ${describe(error)}`;
    }
  }

  /** What was noted last, also before a restart; empty: nothing. */
  get note(): string {
    return this.#note;
  }

  /** The place of the last record that was stored; 0 for none. */
  get headSeq(): number {
    return this.#seq;
  }

  /** Stores all of it or nothing; `note`: replaces what was noted before, in the same transaction. */
  append(entries: readonly StoreEntry[], note?: string): AppendResult {
    for (let attempt = 0; ; attempt++) {
      try {
        this.#current().append(entries, this.#seq + 1, note === undefined ? undefined : { [NOTE]: note });
        if (note !== undefined) this.#note = note;
        this.#seq += entries.length;
        this.#untilLook -= entries.length;
        // It is stored whatever comes of this.
        if (this.#untilLook <= 0) this.tidy();
        return { kind: 'stored' };
      } catch (error) {
        const fault = sqliteError(error);
        if (fault === 'busy') return { kind: 'busy' };
        if (attempt === 0 && fault === 'damaged' && this.#file) {
          this.#leave(this.#file.path, describe(error));
          continue;
        }
        if (attempt < 3 && fault === 'full' && this.#freeOldest()) continue;
        const why = fault === 'full' ? 'store_full' : 'store_error';
        this.#complain(why, fault === 'full' ? 'the disk of the record is full' : describe(error));
        return { kind: 'lost', why };
      }
    }
  }

  /** Deletes what is too old or too much, and begins a new file when it is time. Call it now and then. */
  tidy(): void {
    try {
      this.#look();
    } catch (error) {
      this.#complain('store_error', describe(error));
    }
  }

  /** Takes a file out of use that a reader found damaged. */
  damaged(path: string, problem: string): void {
    if (listSegments(this.#options.folder).some((day) => day.path === path)) this.#leave(path, problem);
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#lock?.close();
  }

  /** The file for now. */
  #current(): SegmentWriter {
    const today = dayOf(this.#now());
    // A clock that was put back does not reopen yesterday.
    if (this.#file === undefined || today > this.#day) this.#begin(today > this.#day ? today : this.#day);
    return this.#file!;
  }

  /** Turns to a new file. */
  #begin(day: string): void {
    if (this.#file) {
      const { path } = this.#file;
      this.#file.close();
      this.#file = undefined;
      // Two files may not begin at the same place.
      if (this.#seq < this.#firstSeq) removeSegment(path);
    }
    this.#firstSeq = this.#seq + 1;
    const file = new SegmentWriter(segmentPath(this.#options.folder, day, this.#firstSeq));
    try {
      // Before anything else is in it: the next run looks for it in the newest file alone.
      if (this.#note !== '') file.append([], 0, { [NOTE]: this.#note });
    } catch (error) {
      file.close();
      throw error;
    }
    this.#file = file;
    this.#day = day;
  }

  /** Goes on with the newest file that is whole. */
  #openLast(): void {
    for (const { path, day, firstSeq } of listSegments(this.#options.folder).reverse()) {
      try {
        const file = new SegmentWriter(path);
        const damage = file.damage(CHECKED_BYTES);
        if (damage === '') {
          this.#file = file;
          this.#day = day;
          this.#firstSeq = firstSeq;
          this.#note = file.note(NOTE);
          this.#seq = Math.max(this.#seq, firstSeq - 1, file.lastSeq);
          return;
        }
        file.close();
        this.#setAside(path, damage);
      } catch (error) {
        if (sqliteError(error) !== 'damaged') throw error;
        this.#setAside(path, describe(error));
      }
      this.#seq = Math.max(this.#seq, firstSeq + JUMP);
    }
  }

  /** Takes a damaged file out of use while we run. */
  #leave(path: string, problem: string): void {
    if (this.#file?.path === path) {
      try {
        this.#file.close();
      } catch (error) {
        this.#say('warn', 'a damaged file of the record did not close', { error: describe(error) });
      }
      this.#file = undefined;
    }
    this.#setAside(path, problem);
  }

  #setAside(path: string, problem: string): void {
    const kept = setAside(path, this.#now());
    const { line } = EVENTS.log_store_damaged;
    this.#say('error', line, { file: kept, problem }, 'log_store_damaged');
  }

  #look(): void {
    const { folder, maxBytes, retentionMs } = this.#options;
    this.#untilLook = LOOK_EVERY;
    const days = listSegments(folder).map((day) => ({ ...day, bytes: segmentBytes(day.path) }));
    this.bytes = days.reduce((sum, { bytes }) => sum + bytes, 0);
    const oldest = dayOf(this.#now() - retentionMs);
    for (const { path, day, bytes } of days) {
      const isCurrent = path === this.#file?.path;
      if (isCurrent || (day >= oldest && this.bytes <= maxBytes)) break;
      removeSegment(path);
      this.bytes -= bytes;
      this.#say('info', 'a file of the record was deleted', {
        file: path,
        why: day < oldest ? 'age' : 'size',
      });
    }
    const current = days.find(({ path }) => path === this.#file?.path);
    if (current && current.bytes > maxBytes / PARTS) this.#begin(this.#day);
  }

  /** Makes room on a full disk at the cost of the oldest records; false where there is only the file in use. */
  #freeOldest(): boolean {
    const [oldest] = listSegments(this.#options.folder);
    if (oldest === undefined || oldest.path === this.#file?.path) return false;
    removeSegment(oldest.path);
    this.#complain('freed', `deleted ${oldest.path} as the disk is full`);
    return true;
  }

  #complain(what: string, problem: string): void {
    const now = this.#now();
    if (now - (this.#complainedMs.get(what) ?? -Infinity) < COMPLAIN_EVERY_MS) return;
    this.#complainedMs.set(what, now);
    this.#say('error', 'records are lost', { why: what, problem });
  }
}
