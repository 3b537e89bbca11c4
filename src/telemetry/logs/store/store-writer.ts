// Writes the log store: holds the records that are not sealed yet, makes them durable, and seals blocks.
// Invariant: each stored record gets the next sequence number. Records that cannot be stored get none.
import { describe } from '../../../core/errors.ts';
import { sqliteError } from '../../../core/sqlite-file.ts';
import type { LogRecord } from '../log-record.ts';
import { annotationRowsOf } from './annotation-rows.ts';
import { BlockGroups } from './block-groups.ts';
import { BLOCK_ROWS, BlockRows, columnsOf } from './block-rows.ts';
import { BodyGroups, type NumberedBodies } from './bodies.ts';
import type { DayFile } from './day-file.ts';
import { DayFiles, isIntact, type WriterLog, type WriterOptions } from './day-files.ts';
import { encodePage } from './encode-page.ts';
import type { Clocks } from './retention-clock.ts';
import { restoreTail } from './restore-tail.ts';
import { sealBlock, SealMemory } from './seal-block.ts';
import { HAS, ShapeTable } from './shape.ts';
import { TailLevels } from './tail-levels.ts';
import { toTailBlob } from './tail-page.ts';

/** Reason for losing records. */
export type LostRecords = 'store_full' | 'store_error';

export type StoreResult =
  | { readonly kind: 'stored' }
  /** Another process has locked the file. The caller may retry. */
  | { readonly kind: 'busy' }
  /** `count` records were dropped. */
  | { readonly kind: 'lost'; readonly why: LostRecords; readonly count: number };

/** Blocks that may wait for a file that is locked. */
const MAX_WAITING = 4;
/** Files that are deleted at most for one store of records on a full disk. */
const MAX_DELETED = 3;

export class StoreWriter {
  readonly #files: DayFiles;
  readonly #shapes = new ShapeTable();
  readonly #groups = new BlockGroups();
  readonly #levels = new TailLevels();
  readonly #memory = new SealMemory();
  /** A sealed block whose memory is used again. */
  #spare: BlockRows | undefined;
  /** Blocks that are not stored yet, or only in part; the last one is being filled. */
  #blocks: BlockRows[] = [];
  /** Rows of the first block that are in the tail. */
  #storedRows = 0;
  readonly #bodies = new BodyGroups();
  /** Stored records to be hidden when the record `by`, a newer version, is stored. */
  #replaced: { readonly seq: number; readonly by: number }[] = [];
  #note: string | undefined;

  constructor(options: WriterOptions, log: WriterLog, clocks: Clocks) {
    this.#files = new DayFiles(options, log, clocks);
  }

  /** Opens the folder. Returns an error text if it cannot be used, otherwise ''. */
  open(): string {
    const problem = this.#files.open();
    if (problem !== '') return problem;
    try {
      this.#restore();
      return '';
    } catch (error) {
      this.#files.close();
      return `the newest file of the log store cannot be used: ${describe(error)}`;
    }
  }

  /** The last stored note, also from before a restart; empty if there is none. */
  get note(): string {
    return this.#files.note;
  }

  /** Sequence number of the last stored record; 0 without records. */
  get headSeq(): number {
    return this.#files.lastSeq;
  }

  /** Size of all files at the last check. */
  get bytes(): number {
    return this.#files.bytes;
  }

  /** Path of the current file, and about how many bytes its write-ahead log has grown since the last call. */
  takeGrowth(): { readonly path: string; readonly bytes: number } | undefined {
    const file = this.#files.previous;
    return file && { path: file.path, bytes: file.takeWrittenBytes() };
  }

  /** Rows for new records; `undefined` if too many wait for a locked file. */
  rows(): BlockRows | undefined {
    const last = this.#blocks.at(-1);
    // A block does not go on in another file.
    const isFirst = last !== undefined && this.#blocks.length === 1 && last.count === this.#storedRows;
    if (isFirst && last.count > 0 && this.#files.current === undefined) last.close();
    if (last !== undefined && !last.isFull) return last;
    if (this.#blocks.length >= MAX_WAITING) return undefined;
    const firstSeq = Math.max(this.#files.lastSeq + 1, last?.nextSeq ?? 0);
    const next = this.#spare ?? new BlockRows(firstSeq);
    this.#spare = undefined;
    next.reset(firstSeq);
    this.#blocks.push(next);
    return next;
  }

  /** Sequence number of the first record that is not in a sealed block. */
  get unsealedSeq(): number {
    return this.#blocks[0]?.firstSeq ?? this.#files.lastSeq + 1;
  }

  /** Request ids of the spans that are not in a sealed block, with their sequence numbers. */
  *unsealedSpans(): Generator<readonly [id: string, seq: number]> {
    for (const rows of this.#blocks)
      for (let row = 0; row < rows.count; row++) {
        const { kind, has } = rows.shapes[rows.shape[row]!]!;
        if (kind === 'span' && (has & HAS.requestId) !== 0)
          yield [rows.requestIds[row]!, rows.firstSeq + row];
      }
  }

  /** Number of records for which there is room until the next `store`. */
  get room(): number {
    const last = this.#blocks.at(-1);
    const inLast = last === undefined || last.isFull ? 0 : BLOCK_ROWS - last.count;
    return (MAX_WAITING - this.#blocks.length) * BLOCK_ROWS + inLast;
  }

  /** Adds a record. Returns its sequence number, or 0 if there is no room. It is stored by the next `store`. */
  add(record: LogRecord, bodies?: Omit<NumberedBodies, 'seq'>): number {
    const rows = this.rows();
    if (rows === undefined) return 0;
    const seq = rows.nextSeq;
    rows.add(record, this.#shapes.of(record, columnsOf(record)));
    if (bodies) this.addBodies({ seq, ...bodies });
    return seq;
  }

  /**
   * Adds records that are stored in one transaction, at most BLOCK_ROWS. `bodies`: by index. Returns false if there is no
   * room.
   */
  addTogether(
    records: readonly LogRecord[],
    bodies: readonly (Omit<NumberedBodies, 'seq'> | undefined)[] = [],
  ): boolean {
    if (records.length === 0) return true;
    let rows = this.rows();
    // A block is stored in one transaction, and does not end within these records.
    if (rows !== undefined && rows.count + records.length > BLOCK_ROWS) {
      rows.close();
      rows = this.rows();
    }
    if (rows === undefined) return false;
    for (const [i, record] of records.entries()) {
      const own = bodies[i];
      if (own) this.addBodies({ seq: rows.nextSeq, ...own });
      rows.add(record, this.#shapes.of(record, columnsOf(record)));
    }
    return true;
  }

  /** Adds a record that readers never see. Returns its sequence number, or 0 if there is no room. */
  addNothing(timeMs: number): number {
    const rows = this.rows();
    if (rows === undefined) return 0;
    const seq = rows.nextSeq;
    rows.addReplaced(timeMs);
    return seq;
  }

  /** Copies the bodies of the request that is added to `rows`. They are stored by the next `store`. */
  addBodies(bodies: NumberedBodies): void {
    // A block is stored with its own bodies only.
    this.#bodies.add(bodies, this.#blocks.at(-1)?.firstSeq);
  }

  /**
   * Hides a record when the record `by` is stored, which was added and is a newer version of it. If that one is lost, the
   * record stays.
   */
  replace(seq: number, by: number): void {
    const index = this.#blocks.findIndex(({ firstSeq, nextSeq }) => firstSeq <= by && by < nextSeq);
    const rows = this.#blocks[index];
    const isInBlock = rows !== undefined && rows.firstSeq <= seq;
    if (isInBlock) rows.replace(seq - rows.firstSeq);
    const isStored = !isInBlock || (index === 0 && seq < rows.firstSeq + this.#storedRows);
    if (isStored) this.#replaced.push({ seq, by });
  }

  /** Replaces the stored note with the next `store`. */
  setNote(note: string): void {
    this.#note = note;
  }

  /** Makes all records durable. If they cannot be stored, they are dropped, with their bodies. */
  store(): StoreResult {
    for (let attempt = 0; ; attempt++) {
      try {
        this.#storeAll();
        return { kind: 'stored' };
      } catch (error) {
        const fault = sqliteError(error);
        if (fault === 'busy') return { kind: 'busy' };
        if (attempt === 0 && fault === 'damaged' && this.#files.previous) {
          this.#retire(this.#files.previous.path, describe(error));
          continue;
        }
        if (attempt < MAX_DELETED && fault === 'full' && this.#files.deleteOldest()) continue;
        const why = fault === 'full' ? 'store_full' : 'store_error';
        const problem = fault === 'full' ? 'no space left on the disk of the log store' : describe(error);
        this.#files.logLoss(why, problem);
        return { kind: 'lost', why, count: this.#dropUnstored() };
      }
    }
  }

  /**
   * Ends a file, so that another one begins with the next record, unless it has ended before. All its records must be
   * stored. Returns false if another process has locked it; then try again.
   */
  rollOver(path: string): boolean {
    if (this.#files.previous?.path !== path) return true;
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.count > 0) last.close();
    if (this.store().kind === 'busy') return false;
    if (this.#files.previous?.path === path) this.#files.finishCurrent();
    return true;
  }

  /** Deletes files that exceed the limits. To be called regularly. */
  applyLimits(): void {
    this.#files.applyLimits();
  }

  /** A reader has found a file damaged. It is renamed. */
  damaged(path: string, problem: string): void {
    // The report may be about an earlier file of this name.
    if (path !== this.#files.previous?.path || !isIntact(path)) this.#retire(path, problem);
  }

  /** Moves a damaged page out of the way of readers. */
  setAside(path: string, place: number, problem: string): void {
    this.#files.setAside(path, place, problem);
  }

  close(): void {
    this.#files.close();
  }

  /** Renames a damaged file. Records of the current one that are not sealed yet are stored again. */
  #retire(path: string, problem: string): void {
    if (!this.#files.retire(path, problem)) return;
    this.#storedRows = 0;
    this.#levels.clear();
    this.#groups.clear();
  }

  #restore(): void {
    const file = this.#files.current ?? this.#files.previous;
    if (file === undefined) return;
    const { blocks, damaged } = restoreTail(file.tail, (first, last) => file.replacedIn(first, last));
    for (const { place, problem } of damaged) this.#files.setAside(file.path, place, problem);
    this.#blocks = blocks;
    this.#storedRows = blocks[0]?.count ?? 0;
    const last = blocks.at(-1);
    // A damaged page follows it, whose numbers are not used again.
    if (last !== undefined && last.nextSeq <= this.#files.lastSeq) last.close();
    // Only the last block goes on. Blocks before it end at a damaged page of the tail.
    while (this.#blocks.length > 1) this.#seal(file, this.#blocks[0]!);
  }

  #storeAll(): void {
    const [oldest] = this.#blocks;
    const hasNew = oldest !== undefined && (oldest.count > this.#storedRows || oldest.isFull);
    if (!hasNew && this.#note === undefined) return;
    for (let [rows] = this.#blocks; rows?.isFull === true; [rows] = this.#blocks)
      this.#seal(this.#fileOfFirst(), rows);
    const file = this.#fileOfFirst();
    const [rows] = this.#blocks;
    if (rows && rows.count > this.#storedRows) this.#storeTail(file, rows);
    else if (this.#note !== undefined) this.#writeNote(file);
  }

  /** The file for the first block. A block that began in a file ends there, also after the end of its day. */
  #fileOfFirst(): DayFile {
    return (this.#storedRows > 0 ? this.#files.previous : undefined) ?? this.#current();
  }

  /** The file for new records. */
  #current(): DayFile {
    const { current } = this.#files;
    if (current !== undefined) return current;
    this.#groups.clear();
    return this.#files.start(this.#blocks[0]?.firstSeq ?? this.#files.lastSeq + 1);
  }

  #seal(file: DayFile, rows: BlockRows): void {
    const sealed = sealBlock(rows, this.#memory);
    const group = this.#groups.add(sealed);
    try {
      file.transaction(() => {
        this.#writeExtras(file, rows.nextSeq);
        file.addAnnotations(annotationRowsOf(rows, this.#storedRows));
        file.removeReplaced(rows.firstSeq, rows.nextSeq - 1);
        file.addBlock(sealed.block);
        if (group) file.addGroup(group);
      });
    } catch (error) {
      this.#groups.clear();
      throw error;
    }
    this.#extrasStored(rows.nextSeq);
    rows.stored();
    this.#blocks.shift();
    this.#spare = rows;
    this.#storedRows = 0;
    this.#levels.clear();
    this.#files.lastSeq = Math.max(this.#files.lastSeq, rows.nextSeq - 1);
  }

  #storeTail(file: DayFile, rows: BlockRows): void {
    const { from, isMerged } = this.#levels.next(this.#storedRows, rows.count);
    const { parts } = encodePage(rows, from, rows.count, this.#memory.bytes, true);
    const page = toTailBlob(parts, isMerged, this.#memory.tail);
    file.transaction(() => {
      this.#writeExtras(file, rows.nextSeq);
      file.addAnnotations(annotationRowsOf(rows, this.#storedRows));
      file.addTail({ seq: rows.firstSeq + from, rows: rows.count - from, page });
    });
    this.#extrasStored(rows.nextSeq);
    rows.stored();
    this.#levels.stored(from);
    this.#storedRows = rows.count;
    this.#files.lastSeq = Math.max(this.#files.lastSeq, rows.nextSeq - 1);
  }

  #writeNote(file: DayFile): void {
    file.transaction(() => this.#writeExtras(file, 0));
    this.#extrasStored(0);
  }

  /** Writes the note, and what belongs to records before `endSeq`: bodies, and what they replace. */
  #writeExtras(file: DayFile, endSeq: number): void {
    file.addReplaced(this.#replaced.filter(({ by }) => by < endSeq).map(({ seq }) => seq));
    for (const { seq, bodies } of this.#bodies.encoded(endSeq)) file.addBodies(seq, bodies);
    if (this.#note !== undefined) this.#files.writeNote(file, this.#note);
  }

  #extrasStored(endSeq: number): void {
    this.#bodies.remove(endSeq);
    this.#replaced = this.#replaced.filter(({ by }) => by >= endSeq);
    if (this.#note === undefined) return;
    this.#files.note = this.#note;
    this.#note = undefined;
  }

  /** Drops all records that are not stored. Returns their number. */
  #dropUnstored(): number {
    const [first] = this.#blocks;
    let count = 0;
    for (const { count: rows } of this.#blocks) count += rows;
    count -= this.#storedRows;
    this.#blocks = [];
    if (first && this.#storedRows > 0) {
      first.undoReplaced();
      first.truncate(this.#storedRows);
      this.#blocks = [first];
    }
    this.#bodies.remove(Infinity);
    this.#replaced = [];
    this.#note = undefined;
    return count;
  }
}
