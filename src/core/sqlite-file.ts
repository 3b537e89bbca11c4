// A SQLite file of limited size. It blocks, so use it only in worker threads and at start.
// Invariant: with `full`, a finished transaction is on disk; a transaction that throws has changed nothing.
import { chmodSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

export type SqliteValue = string | number | bigint | null | Uint8Array;

export interface SqliteFileOptions {
  /**
   * What `PRAGMA synchronous` promises in WAL mode, which is the mode used here
   * (https://www.sqlite.org/pragma.html#pragma_synchronous). With all three, the end of the process loses no
   * transaction. On a power cut or a crash of the operating system `full` loses none, `normal` may lose the last ones
   * but never damages the file, and `off`, which syncs nothing, may damage the file.
   */
  readonly sync: 'full' | 'normal' | 'off';
  /** Maximum size of the file. */
  readonly maxBytes: number;
  /** True: other threads read the file too. Otherwise it is locked, so that no other process can open it. */
  readonly isShared?: boolean;
  /** How long to wait for the transaction of another connection to a shared file, in milliseconds. Default: 1000. */
  readonly waitMs?: number;
  /** False: a commit never moves the write-ahead log into the file, since another thread does it. Default: true. */
  readonly checkpoints?: boolean;
}

/** Pages in the write-ahead log before they are moved into the file. */
const CHECKPOINT_PAGES = 4000;
const SHARED_WAIT_MS = 1000;

/** Kinds of SQLite errors that callers treat differently. */
export type SqliteError = 'busy' | 'full' | 'damaged' | 'other';

/** The kind of an error, from SQLite's primary result code: SQLITE_BUSY, _LOCKED, _FULL, _CORRUPT, _NOTADB. */
export function sqliteError(error: unknown): SqliteError {
  const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (code === 5 || code === 6) return 'busy';
  if (code === 13) return 'full';
  return code === 11 || code === 26 ? 'damaged' : 'other';
}

export class SqliteFile {
  readonly #db: DatabaseSync;
  readonly #pageBytes: number;
  readonly #maxBytes: number;
  readonly #statements = new Map<string, StatementSync>();

  /** Opens or creates the file. Throws the error of SQLite. */
  constructor(
    file: string,
    { sync, maxBytes, isShared = false, waitMs = SHARED_WAIT_MS, checkpoints = true }: SqliteFileOptions,
  ) {
    this.#db = new DatabaseSync(file, { timeout: isShared ? waitMs : 0 });
    // Only the owner may read it, since it may contain prompts. SQLite gives its -wal and -shm files the same mode.
    if (file !== ':memory:') chmodSync(file, 0o600);
    // Must be set before the first read.
    if (!isShared) this.#db.exec('PRAGMA locking_mode = EXCLUSIVE');
    this.#db.exec('PRAGMA journal_mode = WAL');
    this.#db.exec(`PRAGMA synchronous = ${sync}`);
    this.#db.exec(`PRAGMA wal_autocheckpoint = ${checkpoints ? CHECKPOINT_PAGES : 0}`);
    this.#db.exec(`PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * 4096}`);
    this.#maxBytes = maxBytes;
    this.#pageBytes = this.#pragma('page_size');
    this.#db.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / this.#pageBytes)}`);
  }

  /** `user_version` of the file, used as the version of the schema. 0 means a new file. */
  get version(): number {
    return this.#pragma('user_version');
  }

  /** Free bytes: how far the file may still grow, plus its free pages. */
  get freeBytes(): number {
    const used = this.#pragma('page_count') - this.#pragma('freelist_count');
    return this.#maxBytes - used * this.#pageBytes;
  }

  /** What `quick_check` finds wrong; empty if nothing. A file larger than `limitBytes` is not checked. */
  damage(limitBytes: number): string {
    if (this.#pragma('page_count') * this.#pageBytes > limitBytes) return '';
    const [row] = this.all<{ quick_check: string }>('PRAGMA quick_check(1)');
    return row?.quick_check === 'ok' ? '' : String(row?.quick_check);
  }

  /** Runs statements without parameters, such as a schema. */
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** Runs `work` in one transaction. If `work` or the commit throws, the transaction is rolled back. */
  transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Runs a statement. Returns the number of changed rows. */
  run(sql: string, ...values: SqliteValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /** The first row of a query. */
  get(sql: string, ...values: SqliteValue[]): unknown {
    return this.#prepare(sql).get(...values);
  }

  /** All rows of a query. `R` must match the query, since SQLite does not check it. */
  all<R>(sql: string, ...values: SqliteValue[]): R[] {
    return this.#prepare(sql).all(...values) as R[];
  }

  /** Moves the write-ahead log into the file and empties it, as far as other connections allow. Waits for the disk. */
  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  close(): void {
    this.#db.close();
  }

  #pragma(name: string): number {
    return (this.get(`PRAGMA ${name}`) as Record<string, number>)[name]!;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }
}
