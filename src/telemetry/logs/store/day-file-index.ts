// What a reader of a file of the log store keeps in memory: all blocks with their directories, and the pages of the tail.
// Invariant: blocks and tail are read in one transaction, so that each record is in exactly one of them, once.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { Block, type PageRef } from './block.ts';
import { firstTime, lastTime, timeParts, tracedRequests } from './block-directory.ts';
import { DamagedBlobError, fromBlob } from './blob.ts';
import { OpenBodies } from './bodies.ts';
import { bodiesPlace, directoryPlace, filterPlace, tailPlace } from './day-file.ts';
import { FilterTable } from './filter-table.ts';
import { OpenPage } from './open-page.ts';
import { ReplacedTable, type ReplacedRecords } from './replaced-records.ts';
import { Page } from './page.ts';
import { HAS, type Shape } from './shape.ts';
import { TailMembers } from './tail-members.ts';
import { fromTailBlob } from './tail-page.ts';

/** The records of the file at one moment. */
export interface Snapshot {
  readonly blocks: readonly Block[];
  readonly tail: readonly PageRef[];
}

/** Shapes of the tail that are kept at most. */
const MAX_SHAPES = 4096;

/** Called with the place of a damaged part (day-file.ts), and what is wrong with it. */
export type OnDamagedPage = (place: number, problem: string) => void;

export class DayFileIndex {
  readonly #filters: FilterTable;
  readonly #replaced: ReplacedTable;
  readonly #db: DatabaseSync;
  readonly #onDamagedPage: OnDamagedPage;
  readonly #statements = new Map<string, StatementSync>();
  readonly #blocks: Block[] = [];
  /** Pages of the tail, by sequence number. */
  readonly #tail = new Map<number, PageRef>();
  readonly #damaged = new Set<number>();
  /** Last record of each damaged page of the tail, by its sequence number. The writer may replace it by a larger page. */
  readonly #damagedTail = new Map<number, number>();
  /** Shapes of the pages of the tail, by their JSON. */
  readonly #shapes = new Map<string, Shape>();
  #lastBlock = -1;
  /** The last group of bodies that was read, and the version of the file then. */
  #bodies: { readonly first: number; readonly version: number; readonly group: OpenBodies } | undefined;
  #lastGroup = -1;
  #snapshot: Snapshot = { blocks: this.#blocks, tail: [] };
  /** `data_version` of SQLite, which changes with each transaction of the writer: of the snapshot, `#lastSeq`, and `blocks`. */
  #snapshotVersion = -1;
  #lastSeqVersion = -1;
  #blocksVersion = -1;
  #lastSeq = 0;
  #blockRange = { firstMs: Infinity, lastMs: -Infinity };

  constructor(path: string, replaced: ReplacedRecords, onDamagedPage: OnDamagedPage) {
    this.#db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    this.#replaced = new ReplacedTable(replaced);
    this.#onDamagedPage = onDamagedPage;
    this.#filters = new FilterTable((id) => this.#filterRow(id));
  }

  close(): void {
    this.#replaced.close();
    this.#db.close();
  }

  /** Blocks and the whole tail. */
  snapshot(): Snapshot {
    const version = this.#version();
    if (version === this.#snapshotVersion) return this.#snapshot;
    this.#read(() => {
      const rows = this.#rows('SELECT seq, rows FROM tail ORDER BY seq') as [number, number][];
      const tail = rows.flatMap(([seq, count]) => this.#tailPage(seq, count) ?? []);
      this.#tail.clear();
      for (const page of tail) this.#tail.set(page.seq, page);
      this.#snapshot = { blocks: this.#blocks, tail };
      this.#setLastSeq(rows.at(-1));
      this.#snapshotVersion = this.#lastSeqVersion;
    });
    return this.#snapshot;
  }

  /** The blocks alone. */
  blocks(): readonly Block[] {
    const version = this.#version();
    if (version !== this.#blocksVersion) {
      this.#read(() => undefined);
      this.#blocksVersion = version;
    }
    return this.#blocks;
  }

  /** Like `snapshot`, but of the tail only the pages with records above `seq`. Costs little at the end of the file. */
  snapshotAfter(seq: number): Snapshot {
    const version = this.#version();
    if (version === this.#snapshotVersion) return this.#snapshot;
    if (version === this.#lastSeqVersion && seq >= this.#lastSeq) return { blocks: [], tail: [] };
    let tail: PageRef[] = [];
    this.#read(() => {
      const rows = this.#rows(
        `SELECT seq, rows FROM tail
         WHERE seq >= coalesce((SELECT max(seq) FROM tail WHERE seq <= ?), 0) ORDER BY seq`,
        seq + 1,
      ) as [number, number][];
      tail = rows.flatMap(([first, count]) => this.#tailPage(first, count) ?? []);
      this.#setLastSeq(rows.at(-1));
    });
    return { blocks: this.#blocks, tail };
  }

  /** Sequence number of the last record; 0 without records. */
  lastSeq(): number {
    const version = this.#version();
    if (version !== this.#lastSeqVersion) {
      this.#read(() => {
        const [row] = this.#rows('SELECT seq, rows FROM tail ORDER BY seq DESC LIMIT 1');
        this.#setLastSeq(row as [number, number] | undefined);
      });
    }
    return this.#lastSeq;
  }

  /** Milliseconds of the earliest and the latest record of the snapshot; `undefined` without records. */
  timesOf({ tail }: Snapshot): { readonly firstMs: number; readonly lastMs: number } | undefined {
    let { firstMs, lastMs } = this.#blockRange;
    for (const { times } of tail) {
      firstMs = Math.min(firstMs, firstTime(times));
      lastMs = Math.max(lastMs, lastTime(times));
    }
    return firstMs === Infinity ? undefined : { firstMs, lastMs };
  }

  /** A blob of the first row of a query. */
  blob(sql: string, key: number): Uint8Array | undefined {
    return this.#statement(sql).get(key)?.[0] as Uint8Array | undefined;
  }

  /** The bodies of a request; `undefined` if none are stored, or if they are damaged, which is reported. */
  bodies(seq: number): ReturnType<OpenBodies['of']> {
    const [row] = this.#rows('SELECT seq FROM bodies WHERE seq <= ? ORDER BY seq DESC LIMIT 1', seq);
    if (row === undefined) return undefined;
    const [first] = row as [number];
    const version = this.#version();
    // Readers that read the bodies of many requests do so in the order of storing.
    if (this.#bodies?.first !== first || this.#bodies.version !== version) {
      const blob = this.blob('SELECT bodies FROM bodies WHERE seq = ?', first);
      const group = blob && this.#intact(bodiesPlace(first), () => new OpenBodies(blob));
      if (group === undefined) return undefined;
      this.#bodies = { first, version, group };
    }
    return this.#bodies.group.of(seq);
  }

  /** False if the filters of the block do not have a hash of an id or word. */
  mayHave(block: Block, hash: number): boolean {
    const { group } = block;
    return (group === undefined || this.#filters.mayHave(group, hash)) && this.#filters.mayHave(block, hash);
  }

  /** Reports that a part is damaged, once. */
  damaged(place: number, { message }: DamagedBlobError): void {
    if (this.#damaged.has(place)) return;
    this.#damaged.add(place);
    this.#onDamagedPage(place, message);
  }

  /** Runs `work` in one transaction, after reading new blocks. */
  #read(work: () => void): void {
    this.#db.exec('BEGIN');
    try {
      const known = this.#blocks.length;
      this.#readBlocks();
      this.#replaced.refresh((...query) => this.#rows(...query));
      for (const { seq, last } of this.#blocks.slice(known))
        this.#replaced.sealed(seq, last, (...query) => this.#rows(...query));
      work();
    } finally {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    }
  }

  #readBlocks(): void {
    const known = this.#lastBlock;
    const rows = this.#rows(
      'SELECT seq, rows, directory, filter, pieces FROM blocks WHERE seq > ? ORDER BY seq',
      known,
    );
    if (rows.length === 0) return;
    for (const row of rows) {
      const [seq, count, directory, ...filter] = row as [number, number, Uint8Array, number, number];
      this.#lastBlock = seq + count - 1;
      const text = this.#intact(directoryPlace(seq), () => fromBlob(directory));
      if (text === undefined) continue;
      const block = new Block(seq, count, text, ...filter, (one, hash) => this.mayHave(one, hash));
      this.#blocks.push(block);
      this.#blockRange.firstMs = Math.min(this.#blockRange.firstMs, block.firstMs);
      this.#blockRange.lastMs = Math.max(this.#blockRange.lastMs, block.lastMs);
    }
    const sealed = this.#lastBlock;
    for (const seq of this.#tail.keys()) if (seq <= sealed) this.#tail.delete(seq);
    const groups = this.#rows(
      'SELECT seq, last, filter, pieces FROM groups WHERE seq > ? ORDER BY seq',
      this.#lastGroup,
    );
    for (const row of groups) {
      const [seq, last, filter, pieces] = row as [number, number, number, number];
      const group = { seq, last, filter, pieces };
      for (const block of this.#blocks) if (block.seq >= seq && block.last <= last) block.group = group;
      this.#lastGroup = seq;
    }
  }

  #filterRow(id: number): Uint8Array | undefined {
    const blob = this.blob('SELECT pieces FROM filters WHERE id = ?', id);
    return blob && this.#intact(filterPlace(id), () => fromBlob(blob));
  }

  /** Reads a value. If it is damaged, reports its place and returns `undefined`. */
  #intact<T>(place: number, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof DamagedBlobError)) throw error;
      this.damaged(place, error);
      return undefined;
    }
  }

  #setLastSeq(lastOfTail: [seq: number, rows: number] | undefined): void {
    const ofBlocks = Math.max(0, this.#lastBlock);
    this.#lastSeq = Math.max(ofBlocks, lastOfTail === undefined ? 0 : lastOfTail[0] + lastOfTail[1] - 1);
    this.#lastSeqVersion = this.#version();
  }

  /** A page of the tail, which is decoded when it is seen for the first time. `undefined`: it is damaged. */
  #tailPage(seq: number, rows: number): PageRef | undefined {
    const last = seq + rows - 1;
    const known = this.#tail.get(seq);
    if (known?.last === last) return known;
    if (this.#damagedTail.get(seq) === last) return undefined;
    const blob = this.blob('SELECT page FROM tail WHERE seq = ?', seq)!;
    try {
      const parts = fromTailBlob(blob);
      const page = new Page(
        seq,
        (part) => parts[part]!,
        (shape) => this.#shared(shape),
      );
      page.members = new TailMembers(page);
      const times = timeParts(page.timeMs);
      const ref: PageRef = {
        seq,
        last,
        times,
        span: times,
        pages: undefined,
        hasForeignIds: page.shapes.some(({ has }) => (has & (HAS.requestId | HAS.trace)) !== 0),
        tracedRequests: tracedRequests(page.shapes),
        opened: new OpenPage(page, times),
        block: undefined,
      };
      // It may replace smaller pages.
      for (const one of this.#tail.keys()) if (one > seq && one <= last) this.#tail.delete(one);
      this.#tail.set(seq, ref);
      return ref;
    } catch (error) {
      if (!(error instanceof DamagedBlobError)) throw error;
      this.#damagedTail.set(seq, last);
      this.damaged(tailPlace(seq), error);
      return undefined;
    }
  }

  /** The same object for equal shapes, since each of the many small pages of the tail has shapes of its own. */
  #shared(shape: Shape): Shape {
    const key = JSON.stringify(shape);
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    if (this.#shapes.size >= MAX_SHAPES) this.#shapes.clear();
    this.#shapes.set(key, shape);
    return shape;
  }

  #version(): number {
    return this.#statement('PRAGMA data_version').get()![0] as unknown as number;
  }

  #rows(sql: string, ...values: SQLInputValue[]): unknown[][] {
    return this.#statement(sql).all(...values) as unknown as unknown[][];
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      this.#statements.set(sql, (statement = this.#db.prepare(sql)));
      statement.setReturnArrays(true);
    }
    return statement;
  }
}
