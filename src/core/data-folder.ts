// The folder of data.dir. Only one weir at a time may use it: a second one fails to start, and so does a weir that
// cannot write to the folder.
// Invariant: the lock ends with the process, even after kill -9. Node has no flock, so the lock is that of SQLite
// (fcntl) on a file that stays empty, so that a crash cannot damage it.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeAtomic } from './atomic-file.ts';
import { describe, WeirError } from './errors.ts';
import type { Component } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { sqliteError } from './sqlite-file.ts';

/** How long to wait for the lock, in milliseconds: a weir that was killed a moment ago may still be ending. */
const WAIT_MS = 1000;
const RETRY_MS = 50;
/** Text of the file with the id of the folder. */
const ID = /^[0-9a-f]{8}\n$/;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(codeOf(error));

/**
 * Makes a folder and its parents. Node's `recursive` never returns on file systems such as /proc that report ENOENT.
 */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

export class DataFolder implements Component {
  readonly name = 'data folder';
  readonly #folder: string;
  readonly #subfolders: readonly string[];
  readonly #log: Logger;
  #lock: DatabaseSync | undefined;
  #id = '';

  /** `subfolders`: names of folders in it that must be writable where they exist. */
  constructor(folder: string, subfolders: readonly string[], log: Logger) {
    this.#folder = resolve(folder);
    this.#subfolders = subfolders;
    this.#log = log;
  }

  /** Random id of the folder, 8 hex digits, which it keeps as long as it exists. Empty before the start. */
  get id(): string {
    return this.#id;
  }

  /** Makes the folder and takes its lock. Rejects with a WeirError that says why it cannot and what to do. */
  async start(): Promise<void> {
    const file = join(this.#folder, 'weir.lock');
    const wasThere = existsSync(file);
    try {
      makeFolder(this.#folder);
      // SQLite would open a file that it cannot write as read-only, without an error.
      closeSync(openSync(file, 'a', 0o600));
      for (const name of this.#subfolders) this.#checkSubfolder(join(this.#folder, name));
    } catch (error) {
      throw this.#unusable(error);
    }
    this.#lock = await this.#takeLock(file);
    try {
      await this.#readId();
      writeFileSync(this.#pidFile, `${process.pid} ${hostname()}\n`, { mode: 0o600 });
    } catch (error) {
      // A folder with earlier records is accepted: deleting old records makes room.
      if (!wasThere || !isFull(error)) throw this.#unusable(error);
      this.#log.warn('the disk of the data folder is full', {
        folder: this.#folder,
        problem: describe(error),
      });
    }
  }

  stop(): void {
    if (this.#lock === undefined) return;
    rmSync(this.#pidFile, { force: true });
    this.#lock.close();
    this.#lock = undefined;
  }

  /** File with the process id and host of the weir that holds the lock, for operators and errors of other weirs. */
  get #pidFile(): string {
    return join(this.#folder, 'weir.pid');
  }

  /** Reads the id of the folder, or makes one if there is none. */
  async #readId(): Promise<void> {
    const file = join(this.#folder, 'weir.id');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    this.#id = ID.test(text) ? text.trim() : randomBytes(4).toString('hex');
    if (!ID.test(text)) await writeAtomic(file, `${this.#id}\n`);
  }

  #checkSubfolder(path: string): void {
    if (existsSync(path)) accessSync(path, constants.W_OK | constants.X_OK);
  }

  async #takeLock(file: string): Promise<DatabaseSync> {
    const untilMs = performance.now() + WAIT_MS;
    for (;;) {
      let lock: DatabaseSync | undefined;
      try {
        lock = new DatabaseSync(file, { timeout: 0 });
        // Journal in memory, since the transaction, which is never committed, would create a journal file.
        lock.exec('PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE');
        return lock;
      } catch (error) {
        lock?.close();
        if (sqliteError(error) !== 'busy') throw this.#unusable(error);
        if (performance.now() >= untilMs) throw this.#inUse(error);
      }
      await sleep(RETRY_MS);
    }
  }

  #inUse(cause: unknown): WeirError {
    return new WeirError(
      'data_folder',
      `the data folder ${this.#folder} is in use by another weir${this.#owner()}; give this one a folder of its own with --data-dir`,
      { cause },
    );
  }

  /** ` (pid 7)`, ` (pid 7 on host a)`, or an empty text if the owner is unknown. */
  #owner(): string {
    if (!existsSync(this.#pidFile)) return '';
    const [, pid, host] = /^(\d+) (.*)\n$/.exec(readFileSync(this.#pidFile, 'utf8')) ?? [];
    if (pid === undefined) return '';
    return host === hostname() ? ` (pid ${pid})` : ` (pid ${pid} on host ${host})`;
  }

  #unusable(cause: unknown): WeirError {
    const isNoFolder = ['EEXIST', 'ENOTDIR'].includes(codeOf(cause));
    const why = isNoFolder ? `something in its path is not a folder (${codeOf(cause)})` : describe(cause);
    return new WeirError(
      'data_folder',
      `cannot write to the data folder ${this.#folder}: ${why}; choose another one with --data-dir, or keep nothing on disk with --logs-capture=off --async-store=memory`,
      { cause },
    );
  }
}
