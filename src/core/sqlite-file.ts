// A SQLite file of ours: opened, looked over, written in transactions, bounded in size.
// Must stay true: what a transaction has returned is on disk (`full`), and one that throws has changed nothing.
// Knows no table. It waits for the disk: only for threads that may.
import { chmodSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

export type SqliteValue = string | number | bigint | null | Uint8Array;

export interface SqliteFileOptions {
  /**
   * What `PRAGMA synchronous` promises in WAL mode, which is the mode used here
   * (https://www.sqlite.org/pragma.html#pragma_synchronous). With all three, the end of the process loses no transaction.
   * On a power cut or a crash of the operating system `full` loses none, `normal` may lose the last ones but never
   * damages the file, and `off`, which syncs nothing, may damage the file.
   */
  readonly sync: 'full' | 'normal' | 'off';
  /** Largest that the file may become. */
  readonly maxBytes: number;
  /** Other threads read it meanwhile; otherwise it is ours alone, so that two processes never work on it. */
  readonly isShared?: boolean;
}

/** Pages in the log of changes before they are moved into the file. */
const CHECKPOINT_PAGES = 4000;
/** For whoever shares the file: how long another one's transaction is waited for. */
const SHARED_WAIT_MS = 1000;

/** What a failure means for whoever keeps something in a file. */
export type SqliteError = 'busy' | 'full' | 'damaged' | 'other';

/** Which kind of failure SQLite reports (its result codes, the low byte: SQLITE_BUSY, _LOCKED, _FULL, _CORRUPT, _NOTADB). */
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

  /** Opens the file; throws what SQLite says. */
  constructor(file: string, { sync, maxBytes, isShared = false }: SqliteFileOptions) {
    this.#db = new DatabaseSync(file, { timeout: isShared ? SHARED_WAIT_MS : 0 });
    // What people send to a model is for nobody else on the machine; what SQLite keeps beside the file is like it.
    if (file !== ':memory:') chmodSync(file, 0o600);
    // Before anything is read.
    if (!isShared) this.#db.exec('PRAGMA locking_mode = EXCLUSIVE');
    this.#db.exec('PRAGMA journal_mode = WAL');
    this.#db.exec(`PRAGMA synchronous = ${sync}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    this.#db.exec(`PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * 4096}`);
    this.#maxBytes = maxBytes;
    this.#pageBytes = this.#pragma('page_size');
    this.#db.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / this.#pageBytes)}`);
  }

  /** The version of the schema that the file has; 0: a new file. */
  get version(): number {
    return this.#pragma('user_version');
  }

  /** Bytes that it may still grow by, places inside that are free included. */
  get freeBytes(): number {
    const used = this.#pragma('page_count') - this.#pragma('freelist_count');
    return this.#maxBytes - used * this.#pageBytes;
  }

  /** What SQLite finds wrong with a file of up to `limitBytes`; empty when nothing is. A larger one is believed. */
  damage(limitBytes: number): string {
    if (this.#pragma('page_count') * this.#pageBytes > limitBytes) return '';
    const [row] = this.all<{ quick_check: string }>('PRAGMA quick_check(1)');
    return row?.quick_check === 'ok' ? '' : String(row?.quick_check);
  }

  /** Runs statements that are no one else's business: a schema. */
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** Runs `work` in one durable transaction; where it or the commit throws, nothing of it has happened. */
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

  /** Runs a statement; returns the number of rows that it changed. */
  run(sql: string, ...values: SqliteValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /** The first row of a query. */
  get(sql: string, ...values: SqliteValue[]): unknown {
    return this.#prepare(sql).get(...values);
  }

  /** All rows of a query. Their type is what the query says: SQLite does not know it. */
  all<R>(sql: string, ...values: SqliteValue[]): R[] {
    return this.#prepare(sql).all(...values) as R[];
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
