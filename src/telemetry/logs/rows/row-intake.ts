// Stores the rows of spans that clients log: the newest version of each row is a record, and replaces the one before.
// Runs on the recorder thread.
// Invariant: a row is read from the store before it is changed, unless it came lately.
import { EARLIEST_NS, LATEST_NS, nowNs } from '../../../core/time.ts';
import { parseObject } from '../../../protocol/llm/json-values.ts';
import type { Redactor } from '../ingest/redact.ts';
import { attributesOf, type LogRecord, type RecordWriter } from '../log-record.ts';
import type { QueryNode } from '../query/query-node.ts';
import type { PagePosition } from '../store/page-position.ts';
import { StoreReader } from '../store/store-reader.ts';
import type { StoreWriter } from '../store/store-writer.ts';
import { applyChange } from './apply-change.ts';
import { encodeRow } from './encode-row.ts';
import { Merging } from './merge-row.ts';
import { readRows, type PostedRows, type RejectedRow, type RowChange } from './read-rows.ts';
import { RecentIds } from './recent-ids.ts';
import { RowCache } from './row-cache.ts';
import { projectSource, ROW_CUT, storedRowOf, withTime, type StoredRow } from './row-record.ts';

/** What became of the rows of a body that are stored. */
export interface StoredRows {
  /** Of the rows that are stored, in the order of the body. */
  readonly ids: readonly string[];
  readonly rejected: readonly RejectedRow[];
  /** Ids of their projects. */
  readonly projects: readonly string[];
  /** Sequence number of the last record. */
  readonly seq: number;
}

/** Time of one call of the reader. The next one goes on. */
const READ_MS = 100;
/** Bytes of rows that are kept in memory. */
const CACHE_BYTES = 32 * 1024 ** 2;
/** Memory of a row, as a multiple of the characters of its JSON. */
const BYTES_PER_CHARACTER = 3;
/** Memory of a row besides. */
const ROW_BYTES = 512;

/** Rows of a body that are read and changed together. */
const CHANGES_AT_ONCE = 1024;
/** Large rows among them that the store has, of up to 8 MiB each, and bytes of those that wait to be stored. */
const MAX_LARGE = 4;
const MAX_UNSTORED_BYTES = 32 * 1024 ** 2;
/** Rows that one search looks for, since it compares each that it finds with all of them. */
const IDS_AT_ONCE = 512;

/** A row while the changes of a body are applied. */
interface OpenRow {
  /** Number of its record; 0: it has none. */
  readonly seq: number;
  readonly before: StoredRow | undefined;
  now: StoredRow | undefined;
}

/** True if the attributes have only a part of the row. */
const isCut = ({ attributes }: LogRecord): boolean => attributes.includes(`"${ROW_CUT}":true`);

const keyOf = (project: string, id: string): string => `${project.length} ${project}${id}`;

export class RowIntake {
  readonly #cache = new RowCache<StoredRow>(CACHE_BYTES);
  readonly #redactor: Redactor;
  readonly #own: RecordWriter;
  readonly #reader: StoreReader;
  readonly #writer: StoreWriter;
  /** Ids of rows, of all projects, that may not be in a sealed block, with the last sequence number of each. */
  readonly #unsealed: Map<string, number>;
  /** Ids of rows, of all projects, that came since the start. */
  readonly #recent: RecentIds;
  #unsealedSeq = 0;
  /** Of large rows that were added. */
  #unstoredBytes = 0;

  /** `folder`: of the store that `writer` writes. `own`: pod and model of the records. */
  constructor(folder: string, own: RecordWriter, redactor: Redactor, writer: StoreWriter) {
    this.#redactor = redactor;
    this.#own = own;
    this.#writer = writer;
    this.#unsealed = new Map(writer.unsealedSpans());
    this.#recent = new RecentIds(writer.unsealedSeq);
    for (const [id, seq] of this.#unsealed) this.#recent.add(id, seq);
    this.#reader = new StoreReader(
      folder,
      {
        damaged: (path, problem) => writer.damaged(path, problem),
        damagedPage: (path, place, problem) => writer.setAside(path, place, problem),
      },
      READ_MS,
    );
  }

  close(): void {
    this.#reader.close();
  }

  /**
   * Adds the records of the rows of a body. `room`: makes room for so many records; false: there is none, or records were
   * lost, also some of this body. `store`: stores what was added; false: it could not. Returns what to tell the client when they are stored, and the number of records. After
   * 'no room' some rows may be stored; sending the body again changes nothing about them.
   */
  add(
    posted: PostedRows,
    room: (records: number) => boolean,
    store: () => boolean = () => true,
  ): { readonly rows: StoredRows; readonly count: number } | { readonly invalid: string } | 'no room' {
    const read = readRows(posted);
    if ('invalid' in read) return read;
    const { changes, ids, rejected } = read;
    const time = nowNs();
    let [seq, count] = [0, 0];
    for (let at = 0; at < changes.length; at += CHANGES_AT_ONCE) {
      const added = this.#addPart(changes.slice(at, at + CHANGES_AT_ONCE), time, room, store);
      if (added === undefined) return 'no room';
      seq = Math.max(seq, added.seq);
      count += added.count;
    }
    const projects = [...new Set(changes.map(({ project }) => project))];
    return { rows: { ids, rejected, projects, seq }, count };
  }

  /** Adds a part of a body. Returns the number of its last record, and how many there are; `undefined`: no room. */
  #addPart(
    changes: readonly RowChange[],
    time: bigint,
    room: (records: number) => boolean,
    store: () => boolean,
  ): { readonly seq: number; readonly count: number } | undefined {
    const open = this.#open(changes);
    if (open === undefined) {
      const half = Math.ceil(changes.length / 2);
      const first = this.#addPart(changes.slice(0, half), time, room, store);
      const second = first && this.#addPart(changes.slice(half), time, room, store);
      return second && { seq: Math.max(first.seq, second.seq), count: first.count + second.count };
    }
    const merging = new Merging();
    for (const change of changes) {
      const row = open.get(keyOf(change.project, change.id))!;
      const parent = change.parentId === '' ? undefined : open.get(keyOf(change.project, change.parentId));
      row.now = applyChange(change, row.now, parent?.now, merging);
    }
    const changed = [...open].filter(([, { before, now }]) => now !== before);
    if (!room(changed.length)) return undefined;
    let seq = 0;
    for (const row of open.values()) seq = Math.max(seq, row.seq);
    for (const [key, row] of changed) {
      // Long records need more room than others.
      if (!room(1)) return undefined;
      seq = this.#store(key, row, time);
      if (this.#unstoredBytes > MAX_UNSTORED_BYTES && !store()) return undefined;
    }
    return { seq, count: changed.length };
  }

  /** Records up to this one are stored. */
  stored(seq: number): void {
    this.#unstoredBytes = 0;
    this.#cache.trim(seq);
    const { unsealedSeq } = this.#writer;
    if (unsealedSeq === this.#unsealedSeq) return;
    this.#unsealedSeq = unsealedSeq;
    for (const [id, one] of this.#unsealed) if (one < unsealedSeq) this.#unsealed.delete(id);
  }

  /** Records are lost that were added. */
  lost(): void {
    this.#unstoredBytes = 0;
    this.#cache.clear();
  }

  /** Stored rows and files are read again, since records may have been deleted. All that were added must be stored. */
  forget(): void {
    this.#cache.clear();
    this.#reader.refresh();
  }

  /** The rows that the changes are for, and their parents, as they are known; `undefined`: too many are large. */
  #open(changes: readonly RowChange[]): Map<string, OpenRow> | undefined {
    const open = new Map<string, OpenRow>();
    const unknown = new Map<string, Set<string>>();
    const find = (project: string, id: string): void => {
      const key = keyOf(project, id);
      if (open.has(key)) return;
      const cached = this.#cache.get(key);
      open.set(key, { seq: cached?.seq ?? 0, before: cached?.content, now: cached?.content });
      if (cached !== undefined) return;
      const ids = unknown.get(project) ?? new Set();
      unknown.set(project, ids.add(id));
    };
    for (const { project, id, parentId } of changes) {
      find(project, id);
      if (parentId !== '') find(project, parentId);
    }
    let large = 0;
    for (const [project, ids] of unknown)
      for (const record of this.#stored(project, this.#mayBeStored(ids))) {
        if (isCut(record) && ++large > MAX_LARGE && changes.length > 1) return undefined;
        const row = this.#rowOf(record);
        const key = keyOf(project, record.requestId);
        // The newest first, if there are several after damage.
        if (row !== undefined && (open.get(key)?.seq ?? 0) < record.seq)
          open.set(key, { seq: record.seq, before: row, now: row });
      }
    return open;
  }

  /** The ids of these that the store may have. Most rows are new, and a search would cost more than storing them. */
  #mayBeStored(ids: ReadonlySet<string>): string[] {
    const all = [...ids];
    const older = new Set(this.#reader.idsInBlocks(all, this.#recent.completeSeq));
    return all.filter((id) => older.has(id) || this.#unsealed.has(id) || this.#recent.mayHave(id));
  }

  #stored(project: string, ids: readonly string[]): LogRecord[] {
    const found: LogRecord[] = [];
    for (let i = 0; i < ids.length; i += IDS_AT_ONCE)
      found.push(...this.#find(project, ids.slice(i, i + IDS_AT_ONCE)));
    return found;
  }

  #find(project: string, ids: readonly string[]): LogRecord[] {
    const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
    const node: QueryNode = {
      op: 'and',
      of: [
        equal('kind', 'span'),
        equal('source', projectSource(project)),
        { op: 'or', of: ids.map((id) => equal('requestId', id)) },
      ],
    };
    const range = { fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'down', limit: Infinity } as const;
    const found: LogRecord[] = [];
    let after: PagePosition | undefined;
    do {
      const page = this.#reader.page({ node, ...range, after });
      found.push(...page.records);
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  #rowOf(record: LogRecord): StoredRow | undefined {
    const attributes = attributesOf(record);
    if (attributes[ROW_CUT] !== true) return storedRowOf(record, attributes);
    const whole = this.#reader.bodies(record.seq)?.request;
    return storedRowOf(record, (whole && parseObject(whole.toString())) ?? attributes);
  }

  /** Adds a version of a row. Returns its sequence number. */
  #store(key: string, { seq: before, now }: OpenRow, time: bigint): number {
    let seq: number;
    let characters = 0;
    let content = now;
    if (now === undefined) seq = this.#writer.addNothing(Date.now());
    else {
      const { record, whole, row } = encodeRow(withTime(now, time), this.#redactor, time);
      content = row;
      const bodies = whole && { request: whole, response: undefined };
      this.#unstoredBytes += whole?.length ?? 0;
      characters = whole?.length ?? record.attributes.length;
      seq = this.#writer.add({ ...record, ...this.#own }, bodies);
      // Also of a row that was known, since its older version may be deleted before this one.
      if (!this.#recent.mayHave(now.id)) this.#recent.add(now.id, seq);
      this.#unsealed.set(now.id, seq);
    }
    if (before > 0) this.#writer.replace(before, seq);
    this.#cache.set(key, { seq, content, bytes: ROW_BYTES + BYTES_PER_CHARACTER * characters });
    return seq;
  }
}
