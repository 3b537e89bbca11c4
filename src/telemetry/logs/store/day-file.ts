// Writes one file of the log store: a SQLite database with the records of (a part of) one UTC day.
//   tail     the newest records: a page for each drain of the recorder, some of them merged
//   blocks   up to 32,768 records each: their directory, and where their filter is
//   pages    the parts of the pages of blocks, by `16 × sequence number of the first record + part`; sums per minute;
//            and members of the attributes of a block as columns
//   filters  pieces of Bloom filters; groups: filters over 32 blocks each
//   bodies   bodies of requests, those of one drain together; notes: texts by name
//   annotations  finds the annotations of a record; each is a record in `tail` or a block too
//   replaced  sequence numbers of records of which this file has a newer version; the records may be in other files
//   hidden   records of this file that were deleted: bits of 4,096 sequence numbers each (hide-records.ts)
// Values have checksums (blob.ts), except notes and annotations. Damaged ones are moved to `damaged`, by their places.
// Invariant: a record is in `tail` or in a block, never in both, and is written in one transaction with its bodies and
// its row of `annotations`.
import { SqliteFile } from '../../../core/sqlite-file.ts';
import type { AnnotationRow } from './annotation-rows.ts';
import { toBlob } from './blob.ts';
import type { BlockDirectory } from './block-directory.ts';
import { BLOCK_ROWS } from './block-rows.ts';
import { PIECE_BYTES } from './bloom-filter.ts';

/** `user_version` of the file. Files of version 1 are read by store/v1. */
export const DAY_FILE_VERSION = 2;
/** Places of parts in `pages`: `PLACES_PER_RECORD × seq + part`. */
export const PLACES_PER_RECORD = 16;
/** Instead of a part, in places of damaged values: the directory of a block, and a page of the tail. */
const DIRECTORY = PLACES_PER_RECORD - 2;
/** Among the parts of the first page of a block: the sums per minute of the block (minute-sums.ts). */
const SUMS = PLACES_PER_RECORD - 3;
/** Of the first records of a block: the columns of members of all its records (member-tree.ts). */
const MEMBERS = PLACES_PER_RECORD - 5;
/** Bodies, by the sequence number of their first request. */
const BODIES = PLACES_PER_RECORD - 4;
const TAIL = PLACES_PER_RECORD - 1;
/** Directories up to this size are not compressed, since the first search reads all of them. */
const PLAIN_DIRECTORY_BYTES = 4096;
/** Bytes of a filter in one row of `filters`. */
export const FILTER_ROW_BYTES = 16 * PIECE_BYTES;

const SCHEMA = `
CREATE TABLE tail (seq INTEGER PRIMARY KEY, rows INTEGER NOT NULL, page BLOB NOT NULL);
CREATE TABLE blocks (
  seq INTEGER PRIMARY KEY, rows INTEGER NOT NULL, directory BLOB NOT NULL,
  filter INTEGER NOT NULL, pieces INTEGER NOT NULL
);
CREATE TABLE pages (place INTEGER PRIMARY KEY, part BLOB NOT NULL);
CREATE TABLE filters (id INTEGER PRIMARY KEY, pieces BLOB NOT NULL);
CREATE TABLE groups (
  seq INTEGER PRIMARY KEY, last INTEGER NOT NULL, filter INTEGER NOT NULL, pieces INTEGER NOT NULL
);
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, bodies BLOB NOT NULL);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE damaged (place INTEGER PRIMARY KEY, part BLOB NOT NULL);
PRAGMA user_version = ${DAY_FILE_VERSION};
`;

/** Created with the first annotation of the file. */
const ANNOTATIONS = `
CREATE TABLE IF NOT EXISTS annotations (
  seq INTEGER PRIMARY KEY, target TEXT NOT NULL, names TEXT NOT NULL, content TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS annotations_by_target ON annotations (target);
`;

/** Created with the first record that is replaced. `n` grows, so that readers find what is new. */
const REPLACED = `
CREATE TABLE IF NOT EXISTS replaced (n INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS replaced_by_seq ON replaced (seq);
`;

/** Practically no limit, since the limit applies to the whole folder. */
const MAX_FILE_BYTES = 2 ** 42;

/** A page of the tail, as it is stored. */
export interface TailPage {
  readonly seq: number;
  readonly rows: number;
  readonly page: Uint8Array;
}

/** A block with its pages, as it is stored. */
export interface SealedBlock {
  readonly seq: number;
  readonly rows: number;
  readonly directory: BlockDirectory;
  /** Bytes of its Bloom filter; empty: no words and ids to look up. */
  readonly filter: Uint8Array;
  readonly parts: readonly { readonly place: number; readonly part: Uint8Array }[];
}

/** A filter over the blocks with sequence numbers from `seq` to `last`. */
export interface BlockGroup {
  readonly seq: number;
  readonly last: number;
  readonly filter: Uint8Array;
}

/** Places of values that may be damaged. */
export const tailPlace = (seq: number): number => PLACES_PER_RECORD * seq + TAIL;
export const directoryPlace = (seq: number): number => PLACES_PER_RECORD * seq + DIRECTORY;
export const sumsPlace = (blockSeq: number): number => PLACES_PER_RECORD * blockSeq + SUMS;
/** Column 0: header, times, shapes and durations of all records of the block. */
export const memberPlace = (blockSeq: number, column: number): number =>
  PLACES_PER_RECORD * (blockSeq + column) + MEMBERS;
export const bodiesPlace = (seq: number): number => PLACES_PER_RECORD * seq + BODIES;
export const filterPlace = (id: number): number => -id;

/** Where the value of a place is. */
function storedAt(place: number): { table: string; column: string; key: string; value: number } {
  if (place < 0) return { table: 'filters', column: 'pieces', key: 'id', value: -place };
  const part = place % PLACES_PER_RECORD;
  const value = (place - part) / PLACES_PER_RECORD;
  if (part === TAIL) return { table: 'tail', column: 'page', key: 'seq', value };
  if (part === BODIES) return { table: 'bodies', column: 'bodies', key: 'seq', value };
  if (part === DIRECTORY) return { table: 'blocks', column: 'directory', key: 'seq', value };
  return { table: 'pages', column: 'part', key: 'place', value: place };
}

export class DayFile {
  readonly path: string;
  readonly #file: SqliteFile;
  /** Bytes written since the last call of `takeWrittenBytes`. */
  #written = 0;

  /** Opens or creates the file. Throws errors of SQLite, and an error for another version of the format. */
  constructor(path: string) {
    this.path = path;
    this.#file = new SqliteFile(path, {
      sync: 'normal',
      maxBytes: MAX_FILE_BYTES,
      isShared: true,
      waitMs: 0,
      checkpoints: false,
    });
    const { version } = this.#file;
    if (version === 0) this.#file.transaction(() => this.#file.exec(SCHEMA));
    else if (version !== DAY_FILE_VERSION) {
      this.#file.close();
      throw new Error(
        `${path} has version ${version} of the log store's format, this version of weir writes ${DAY_FILE_VERSION}`,
      );
    }
  }

  /**
   * Sequence number of the last record; 0 without records. It may be too high after a page was set aside, since the
   * number of records in that page is not known any more.
   */
  get lastSeq(): number {
    const last = (select: string): number => {
      const [row] = this.#file.all<{ seq: number; rows: number }>(`SELECT ${select} DESC LIMIT 1`);
      return row === undefined ? 0 : row.seq + row.rows - 1;
    };
    return Math.max(
      last('seq, rows FROM tail ORDER BY seq'),
      last('seq, rows FROM blocks ORDER BY seq'),
      last(
        `place / ${PLACES_PER_RECORD} AS seq, ${BLOCK_ROWS} AS rows FROM damaged
         WHERE place % ${PLACES_PER_RECORD} <> ${BODIES} ORDER BY place`,
      ),
    );
  }

  get tail(): TailPage[] {
    return this.#file.all<TailPage>('SELECT seq, rows, page FROM tail ORDER BY seq');
  }

  /** Checks the integrity of the file. Returns an error text; empty if it is intact or has more than `limitBytes`. */
  damage(limitBytes: number): string {
    return this.#file.damage(limitBytes);
  }

  /** Returns the text of a note, empty if there is none. */
  note(name: string): string {
    const row = this.#file.get('SELECT value FROM notes WHERE name = ?', name);
    return (row as { value: string } | undefined)?.value ?? '';
  }

  /** Runs `work` in one transaction. */
  transaction(work: () => void): void {
    this.#file.transaction(work);
  }

  setNote(name: string, value: string): void {
    this.#file.run('INSERT OR REPLACE INTO notes VALUES (?, ?)', name, value);
    this.#written += value.length;
  }

  /** Stores a page of the tail. It replaces the pages of the tail with its records. */
  addTail({ seq, rows, page }: TailPage): void {
    this.#file.run('DELETE FROM tail WHERE seq >= ? AND seq < ?', seq, seq + rows);
    this.#file.run('INSERT INTO tail VALUES (?, ?, ?)', seq, rows, page);
    this.#written += page.length;
  }

  /** Stores bodies of a drain. `seq`: of the first request that has some. */
  addBodies(seq: number, bodies: Uint8Array): void {
    this.#file.run('INSERT OR REPLACE INTO bodies VALUES (?, ?)', seq, bodies);
    this.#written += bodies.length;
  }

  /** Stores what finds annotations. Their records are in the tail or in a block. */
  addAnnotations(rows: readonly AnnotationRow[]): void {
    if (rows.length > 0) this.#file.exec(ANNOTATIONS);
    for (const { seq, target, names, content } of rows) {
      this.#file.run('INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?)', seq, target, names, content);
      this.#written += target.length + names.length + content.length;
    }
  }

  /** Hides records of which newer versions are stored. */
  addReplaced(seqs: readonly number[]): void {
    if (seqs.length > 0) this.#file.exec(REPLACED);
    for (const seq of seqs) this.#file.run('INSERT INTO replaced (seq) VALUES (?)', seq);
    this.#written += 16 * seqs.length;
  }

  /** The hidden records from one sequence number to another. */
  replacedIn(first: number, last: number): number[] {
    if (!this.#hasReplacedTable()) return [];
    return this.#file
      .all<{ seq: number }>('SELECT seq FROM replaced WHERE seq BETWEEN ? AND ?', first, last)
      .map(({ seq }) => seq);
  }

  /** Forgets hidden records of a block that is stored without them. */
  removeReplaced(first: number, last: number): void {
    if (this.#hasReplacedTable())
      this.#file.run('DELETE FROM replaced WHERE seq BETWEEN ? AND ?', first, last);
  }

  #hasReplacedTable(): boolean {
    return this.#file.get("SELECT 1 FROM sqlite_master WHERE name = 'replaced'") !== undefined;
  }

  /** Stores a block, and removes its records from the tail. */
  addBlock({ seq, rows, directory, filter, parts }: SealedBlock): void {
    for (const { place, part } of parts) {
      this.#file.run('INSERT OR REPLACE INTO pages VALUES (?, ?)', place, part);
      this.#written += part.length;
    }
    const json = Buffer.from(JSON.stringify(directory));
    const text = toBlob(json, json.length > PLAIN_DIRECTORY_BYTES);
    const [id, pieces] = this.#addFilter(filter);
    this.#file.run('INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)', seq, rows, text, id, pieces);
    this.#file.run('DELETE FROM tail WHERE seq < ?', seq + rows);
    this.#written += text.length;
  }

  addGroup({ seq, last, filter }: BlockGroup): void {
    const [id, pieces] = this.#addFilter(filter);
    this.#file.run('INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?)', seq, last, id, pieces);
  }

  /** Moves a damaged value out of the way of readers. The records of a block are lost with its directory. */
  setAside(place: number): void {
    const { table, column, key, value } = storedAt(place);
    this.#file.transaction(() => {
      this.#file.run(
        `INSERT OR REPLACE INTO damaged SELECT ?, ${column} FROM ${table} WHERE ${key} = ?`,
        place,
        value,
      );
      this.#file.run(`DELETE FROM ${table} WHERE ${key} = ?`, value);
    });
  }

  /** Bytes written since the last call. The write-ahead log grows by about this much. */
  takeWrittenBytes(): number {
    const written = this.#written;
    this.#written = 0;
    return written;
  }

  /** Copies rows from another file, whose tables are `old.…` in the statements, in one transaction. */
  copyRows(from: string, statements: readonly string[]): void {
    this.#file.run('ATTACH ? AS old', from);
    try {
      this.#file.transaction(() => {
        for (const sql of statements) this.#file.exec(sql);
      });
    } finally {
      this.#file.exec('DETACH old');
    }
  }

  /** Moves the write-ahead log into the file as far as readers allow. */
  checkpoint(): void {
    this.#file.checkpoint();
  }

  /** Moves the write-ahead log into the file as far as readers allow, and closes it. For a file that is complete. */
  finish(): void {
    this.checkpoint();
    this.#file.close();
  }

  close(): void {
    this.#file.close();
  }

  #addFilter(filter: Uint8Array): [id: number, pieces: number] {
    if (filter.length === 0) return [0, 0];
    const [row] = this.#file.all<{ last: number | null }>('SELECT max(id) AS last FROM filters');
    const id = (row?.last ?? 0) + 1;
    for (let at = 0; at < filter.length; at += FILTER_ROW_BYTES)
      this.#file.run(
        'INSERT INTO filters VALUES (?, ?)',
        id + at / FILTER_ROW_BYTES,
        toBlob(filter.subarray(at, at + FILTER_ROW_BYTES), false),
      );
    this.#written += filter.length;
    return [id, filter.length / PIECE_BYTES];
  }
}
