// Follows log files by their paths, across rotation, truncation and restarts of weir.
// Invariant: each appended line is delivered once and in order, and one poll reads a limited number of bytes.
import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, matchesGlob } from 'node:path';
import { describe } from '../../../core/errors.ts';
import { FollowedFile, type FilePosition } from './followed-file.ts';

export type { FilePosition } from './followed-file.ts';
import type { StreamRecords } from './stream-records.ts';
import type { LogRecord } from '../log-record.ts';

const POLL_MS = 250;
/** Interval between two scans for new, renamed and deleted files. */
const SCAN_NS = 1_000_000_000n;
/** A renamed or deleted file is closed after this time without new bytes, since its writer may still have it open. */
const CLOSE_AFTER_NS = 5_000_000_000n;
/** Maximum size of one read. */
const SLICE_BYTES = 64 * 1024;
/** One poll stops reading after this many bytes. */
const POLL_BYTES = 1024 * 1024;
const MAX_FILES = 256;

export interface FollowerOptions {
  /** Paths. The last part may contain `*`, `?`, `[…]` and `{…}`. */
  readonly paths: readonly string[];
  /** Creates the parser of a file's lines. */
  readonly readerOf: (path: string) => StreamRecords;
  readonly deliver: (records: readonly LogRecord[]) => void;
  /** True: reading pauses. */
  readonly isFull: () => boolean;
  /**
   * Stores the read positions. Called directly after `deliver` with the records before these positions. If both are
   * stored in one transaction, no line is lost or stored twice. `load` returns the stored positions, at first none.
   */
  readonly save: (positions: readonly FilePosition[]) => void;
  readonly load: () => readonly FilePosition[];
  /** Receives a problem of a file, once until it changes. */
  readonly report: (path: string, problem: string) => void;
  readonly nowNs: () => bigint;
}

const isPattern = (path: string): boolean => /[*?[\]{}]/.test(basename(path));

export class LogFileFollower {
  readonly #options: FollowerOptions;
  /** By inode, since the path of a file may change while it is open. */
  readonly #files = new Map<string, FollowedFile>();
  readonly #reported = new Map<string, string>();
  readonly #slice = Buffer.alloc(SLICE_BYTES);
  /** Positions of the previous run whose files were not found yet. */
  #unclaimed: FilePosition[] | undefined;
  /** Paths that existed at the first scan. Their files are read from the end, later files from the beginning. */
  readonly #initialPaths = new Set<string>();
  #scannedNs: bigint | undefined;
  #saved = '';
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Starts polling: every POLL_MS, and at once if there is more to read. */
  start(): void {
    this.#running = this.poll()
      .catch((error: unknown) => {
        this.#report('', describe(error));
        return false;
      })
      .then((hasMore) => {
        if (!this.#isClosed) this.#timer = setTimeout(() => this.start(), hasMore ? 0 : POLL_MS);
      });
  }

  /** Reads new lines of all files. Returns true if there is more to read. */
  async poll(): Promise<boolean> {
    const nowNs = this.#options.nowNs();
    if (this.#scannedNs === undefined || nowNs - this.#scannedNs >= SCAN_NS) {
      await this.#scan(nowNs);
      this.#scannedNs = nowNs;
    }
    const records: LogRecord[] = [];
    const hasMore = await this.#read(nowNs, records);
    for (const file of this.#files.values()) {
      for (const record of file.tick(nowNs)) records.push(record);
      if (!file.isGone || nowNs - file.lastNs < CLOSE_AFTER_NS || this.#options.isFull()) continue;
      for (const record of file.end()) records.push(record);
      this.#files.delete(file.inode);
      await file.close();
    }
    this.#deliver(records);
    return hasMore;
  }

  /** Stops and delivers all finished lines. The next run reads an unfinished line again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    clearTimeout(this.#timer);
    try {
      this.#deliver([...this.#files.values()].flatMap((file) => file.flush()));
    } finally {
      for (const file of this.#files.values()) await file.close();
      this.#files.clear();
    }
  }

  #deliver(records: readonly LogRecord[]): void {
    if (records.length > 0) this.#options.deliver(records);
    const positions = [...[...this.#files.values()].map((file) => file.position), ...(this.#unclaimed ?? [])];
    const text = JSON.stringify(positions);
    if (text === this.#saved) return;
    this.#options.save(positions);
    this.#saved = text;
  }

  /** Reads one slice of each file in turn, until nothing is left or POLL_BYTES are read. */
  async #read(nowNs: bigint, records: LogRecord[]): Promise<boolean> {
    let left = POLL_BYTES;
    for (let files = [...this.#files.values()]; files.length > 0;) {
      const more: FollowedFile[] = [];
      for (const file of files) {
        if (this.#options.isFull()) return false;
        if (left <= 0) return true;
        const bytes = await this.#try(file.path, () => file.read(this.#slice, nowNs, records));
        if (bytes) more.push(file);
        left -= bytes ?? 0;
      }
      files = more;
    }
    return false;
  }

  /** Opens the files that are new at the paths, and marks the files that are no longer there. */
  async #scan(nowNs: bigint): Promise<void> {
    const isFirst = this.#unclaimed === undefined;
    this.#unclaimed ??= [...this.#options.load()];
    const seen = new Set<string>();
    for (const path of await this.#paths()) {
      const stats = await this.#try(path, () => stat(path, { bigint: true }));
      if (stats === undefined) continue;
      if (isFirst) this.#initialPaths.add(path);
      if (!stats.isFile()) {
        this.#report(path, `not a regular file: it is ${kindOf(stats)}`);
        continue;
      }
      const inode = `${stats.dev}:${stats.ino}`;
      seen.add(inode);
      if (!this.#files.has(inode)) await this.#open(path, inode, nowNs);
    }
    for (const file of this.#files.values()) file.isGone = !seen.has(file.inode);
    if (isFirst) await this.#findRenamed(nowNs);
  }

  async #paths(): Promise<Set<string>> {
    const paths = new Set<string>();
    for (const path of this.#options.paths) {
      if (!isPattern(path)) {
        paths.add(path);
        continue;
      }
      const folder = dirname(path);
      const names = await this.#try(folder, () => readdir(folder));
      for (const name of names?.sort() ?? [])
        if (matchesGlob(name, basename(path))) paths.add(join(folder, name));
    }
    return paths;
  }

  async #open(path: string, inode: string, nowNs: bigint): Promise<FollowedFile | undefined> {
    if (this.#files.size >= MAX_FILES) {
      this.#report(path, `too many log files: ${MAX_FILES} are followed already, which is the maximum`);
      return undefined;
    }
    const file = await this.#try(path, () =>
      FollowedFile.open(path, inode, () => this.#options.readerOf(path), nowNs),
    );
    if (file === undefined) return undefined;
    const previous = await this.#claim(file);
    const wasFollowed = this.#unclaimed!.some((position) => position.path === path);
    await file.seek(previous?.offset ?? (this.#initialPaths.has(path) && !wasFollowed ? 'end' : 0));
    this.#files.set(inode, file);
    this.#initialPaths.delete(path);
    this.#reported.delete(path);
    return file;
  }

  /** Removes and returns the position that the previous run stored for this file. */
  async #claim(file: FollowedFile): Promise<FilePosition | undefined> {
    const ofInode = this.#unclaimed!.filter((position) => position.inode === file.inode);
    // After a new mount or a restore, the same file has another inode.
    const ofPath = this.#unclaimed!.filter(({ path, inode }) => path === file.path && inode !== file.inode);
    for (const position of [...ofInode, ...ofPath]) {
      if (!(await file.matches(position))) continue;
      this.#unclaimed = this.#unclaimed!.filter((other) => other !== position);
      return position;
    }
    return undefined;
  }

  /** Opens files of the previous run that were renamed since then, to read the rest of them. */
  async #findRenamed(nowNs: bigint): Promise<void> {
    for (const { path, inode } of this.#unclaimed!) {
      const folder = dirname(path);
      const names = await this.#try(folder, () => readdir(folder));
      for (const name of names ?? []) {
        const other = join(folder, name);
        const stats = await this.#try(other, () => stat(other, { bigint: true }));
        if (!stats?.isFile() || `${stats.dev}:${stats.ino}` !== inode || this.#files.has(inode)) continue;
        const file = await this.#open(other, inode, nowNs);
        if (file !== undefined) file.isGone = true;
      }
    }
    // Without a file at the path, the position is kept, since the file may be on a disk that is mounted later.
    const occupied = new Set([...this.#files.values()].map((file) => file.path));
    for (const { path } of this.#unclaimed!)
      if (occupied.has(path))
        this.#report(
          path,
          'was replaced or truncated while weir was stopped; unread lines of the old file are lost',
        );
    this.#unclaimed = this.#unclaimed!.filter(({ path }) => !occupied.has(path)).slice(-MAX_FILES);
  }

  /** Runs a file operation. `undefined`: it failed, which is reported, except that the file does not exist. */
  async #try<T>(path: string, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#report(path, describe(error));
      return undefined;
    }
  }

  #report(path: string, problem: string): void {
    if (this.#reported.get(path) === problem) return;
    this.#reported.set(path, problem);
    this.#options.report(path, problem);
  }
}

const kindOf = (stats: BigIntStats): string =>
  stats.isDirectory()
    ? 'a directory'
    : stats.isFIFO()
      ? 'a FIFO'
      : stats.isSocket()
        ? 'a socket'
        : 'a device';
