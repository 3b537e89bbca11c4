// Log files that are followed by their paths, through rotation, truncation and restarts.
// Must stay true: what was appended is given out once and in order; a file waits where nobody takes its lines; reading
// goes in bounded slices, so that the thread it runs in is never held up.
import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, matchesGlob } from 'node:path';
import { describe } from '../../../core/errors.ts';
import { FollowedFile, type FilePosition } from './followed-file.ts';

export type { FilePosition } from './followed-file.ts';
import type { StreamRecords } from './stream-records.ts';
import type { LogRecord } from '../log-record.ts';

const POLL_MS = 250;
/** How often it is looked whether other files are at the paths. */
const SCAN_NS = 1_000_000_000n;
/** A file that was renamed or deleted is left when nothing came for this long: its writer may not have noticed yet. */
const CLOSE_AFTER_NS = 5_000_000_000n;
const SLICE_BYTES = 64 * 1024;
const POLL_BYTES = 1024 * 1024;
const MAX_FILES = 256;

export interface FollowerOptions {
  /** Paths; `*`, `?`, `[…]` and `{…}` may stand in the last part. */
  readonly paths: readonly string[];
  readonly readerOf: (path: string) => StreamRecords;
  readonly deliver: (records: readonly LogRecord[]) => void;
  /** True: nothing is read for now. */
  readonly isFull: () => boolean;
  /**
   * Where reading stands. `save` is called right after the `give` of the records before these positions, in the same
   * turn: who keeps both in one transaction loses and doubles nothing. `load` gives what was saved last; empty at first.
   */
  readonly save: (positions: readonly FilePosition[]) => void;
  readonly load: () => readonly FilePosition[];
  /** Something that a person should know, said once for as long as it lasts. */
  readonly report: (path: string, problem: string) => void;
  readonly nowNs: () => bigint;
}

export const isPattern = (path: string): boolean => /[*?[\]{}]/.test(basename(path));

export class LogFileFollower {
  readonly #options: FollowerOptions;
  /** By inode: a name may change hands, a file stays itself for as long as it is open. */
  readonly #files = new Map<string, FollowedFile>();
  readonly #reported = new Map<string, string>();
  readonly #slice = Buffer.alloc(SLICE_BYTES);
  /** Positions of the last run that no file has claimed. */
  #unclaimed: FilePosition[] | undefined;
  /** Files that were there from the beginning are followed from their end, later ones whole. */
  readonly #initialPaths = new Set<string>();
  #scannedNs: bigint | undefined;
  #saved = '';
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Polls from now on, four times a second, and at once again where there is more. */
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

  /** One bounded turn. True: there is more to read at once. */
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

  /** Stops; what was read up to a line's end is given out, the rest is read again by the next run. */
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

  /** One slice of every file in turn, as long as there is something and the turn is not used up. */
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

  /** Looks which files are at the paths now. */
  async #scan(nowNs: bigint): Promise<void> {
    const isFirst = this.#unclaimed === undefined;
    this.#unclaimed ??= [...this.#options.load()];
    const seen = new Set<string>();
    for (const path of await this.#paths()) {
      const stats = await this.#try(path, () => stat(path, { bigint: true }));
      if (stats === undefined) continue;
      if (isFirst) this.#initialPaths.add(path);
      if (!stats.isFile()) {
        this.#report(path, `is ${kindOf(stats)}, only regular files can be followed`);
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
      this.#report(path, `is not followed: ${MAX_FILES} files are followed already`);
      return undefined;
    }
    const file = await this.#try(path, () =>
      FollowedFile.open(path, inode, () => this.#options.readerOf(path), nowNs),
    );
    if (file === undefined) return undefined;
    const before = await this.#claim(file);
    const wasFollowed = this.#unclaimed!.some((position) => position.path === path);
    await file.seek(before?.offset ?? (this.#initialPaths.has(path) && !wasFollowed ? 'end' : 0));
    this.#files.set(inode, file);
    this.#initialPaths.delete(path);
    this.#reported.delete(path);
    return file;
  }

  /** The position of the last run that is this file's, taken from those that are left. */
  async #claim(file: FollowedFile): Promise<FilePosition | undefined> {
    const ofInode = this.#unclaimed!.filter((position) => position.inode === file.inode);
    // A disk that was mounted anew or a file that was restored: the same file has another inode.
    const ofPath = this.#unclaimed!.filter(({ path, inode }) => path === file.path && inode !== file.inode);
    for (const position of [...ofInode, ...ofPath]) {
      if (!(await file.matches(position))) continue;
      this.#unclaimed = this.#unclaimed!.filter((other) => other !== position);
      return position;
    }
    return undefined;
  }

  /** Files of the last run that were renamed since: what was written to them until then is still to be read. */
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
    // Where there is no file at all it may come back, on a disk that is mounted late.
    const taken = new Set([...this.#files.values()].map((file) => file.path));
    for (const { path } of this.#unclaimed!)
      if (taken.has(path)) this.#report(path, 'was replaced; what it held before is not found');
    this.#unclaimed = this.#unclaimed!.filter(({ path }) => !taken.has(path)).slice(-MAX_FILES);
  }

  /** `undefined` where it failed, which is said; that something is not there yet is no failure. */
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
