// Copies the data folder of a running weir: the log store as of one moment, and the small files of other modules.
//   backup-manifest.ts  the list of files    backup-thread.ts  copies them    restore.ts  makes a data folder of a backup
// Invariant: all records that were acknowledged before a backup began are in it.
import { mkdirSync, readdirSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { writeAtomic } from '../../../core/atomic-file.ts';
import { describe } from '../../../core/errors.ts';
import type { Component } from '../../../core/lifecycle.ts';
import type { Logger } from '../../../core/logger.ts';
import { version } from '../../../core/version.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import type { DeletedLogs } from '../deletion/deletions.ts';
import type { LogReader } from '../logs.ts';
import type { Segment } from '../store/segments.ts';
import { BACKUP_FORMAT, MANIFEST, type BackupFile, type BackupManifest } from './backup-manifest.ts';

const OPERATIONS = threadFile('backup-thread', import.meta.url).href;

/**
 * Files of the data folder besides day files. They come first, so that a reader of the store does not continue behind its
 * end, and no deletion is done which the copied files do not have.
 */
const SMALL_FILES = [
  'cursors.json',
  'logs/deletions.json',
  'weir.id',
  'keys.json',
  'connections.json',
  'secret.key',
  'url-key',
  'mask.key',
  'projects.json',
  'views.json',
  'prices.json',
];
const ATTACHMENTS = 'attachments';

export interface BackupState {
  readonly state: 'running' | 'finished' | 'failed';
  readonly dir: string;
  readonly files: number;
  readonly bytes: number;
  readonly head_seq: number;
  readonly problem?: string;
}

export class Backups implements Component {
  readonly name = 'backups';
  readonly #dataFolder: string;
  readonly #logs: DeletedLogs;
  readonly #log: Logger;
  #reader: LogReader | undefined;
  #state: BackupState | undefined;

  /** `dataFolder`: data.dir. */
  constructor(dataFolder: string, logs: DeletedLogs, log: Logger) {
    this.#dataFolder = dataFolder;
    this.#logs = logs;
    this.#log = log;
  }

  start(): void {
    // Nothing to do before the first backup.
  }

  /** A running backup ends without a manifest. */
  async stop(): Promise<void> {
    await this.#reader?.close();
  }

  /** The last backup since the start; `undefined`: there was none. */
  get state(): BackupState | undefined {
    return this.#state;
  }

  /** Begins a backup into an empty or new folder. Returns what is wrong with it, or '' if the backup runs. */
  begin(dir: string): string {
    if (this.#state?.state === 'running') return `a backup into ${this.#state.dir} is running`;
    if (!isAbsolute(dir)) return `dir: is ${JSON.stringify(dir)}, must be an absolute path`;
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      if (readdirSync(dir).length > 0) return `dir: ${dir} is not empty`;
    } catch (error) {
      return `dir: ${describe(error)}`;
    }
    this.#state = { state: 'running', dir, files: 0, bytes: 0, head_seq: 0 };
    void this.#run(dir);
    return '';
  }

  async #run(dir: string): Promise<void> {
    this.#reader = this.#logs.openReader(OPERATIONS, 'weir backup');
    try {
      const manifest = await this.#copyAll(dir);
      await writeAtomic(join(dir, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
      this.#state = { ...this.#state!, state: 'finished' };
      this.#log.info('backup finished', { ...this.#state });
    } catch (error) {
      const problem = describe(error);
      this.#state = { ...this.#state!, state: 'failed', problem };
      this.#log.error('backup failed', { dir, problem });
    } finally {
      await this.#reader.close();
      this.#reader = undefined;
    }
  }

  async #copyAll(dir: string): Promise<BackupManifest> {
    const files: BackupFile[] = [];
    const copy = async (
      operation: 'copyFile' | 'copyDayFile',
      name: string,
      from: string,
    ): Promise<boolean> => {
      const made = (await this.#ask(operation, from, join(dir, name), name)) as BackupFile | undefined;
      if (made === undefined) return false;
      files.push(made);
      const bytes = this.#state!.bytes + made.bytes;
      this.#state = { ...this.#state!, files: files.length, bytes };
      return true;
    };
    for (const name of SMALL_FILES) await copy('copyFile', name, join(this.#dataFolder, name));
    // Records that are on the way belong to it too.
    await this.#logs.endFile('');
    const headSeq = await this.#logs.headSeq();
    this.#state = { ...this.#state!, head_seq: headSeq };
    await this.#copyDayFiles(copy);
    const attachments = join(this.#dataFolder, ATTACHMENTS);
    for (const name of (await this.#ask('filesIn', attachments)) as readonly string[])
      await copy('copyFile', `${ATTACHMENTS}/${name}`, join(attachments, name));
    return {
      format: BACKUP_FORMAT,
      weir: version,
      created_at: new Date().toISOString(),
      head_seq: headSeq,
      files,
    };
  }

  /** Copies each day file once. One that is gone was deleted, or has another name since it was written anew. */
  async #copyDayFiles(
    copy: (operation: 'copyDayFile', name: string, from: string) => Promise<boolean>,
  ): Promise<void> {
    const done = new Set<number>();
    for (let isAgain = true; isAgain;) {
      isAgain = false;
      for (const { path, firstSeq } of (await this.#ask('dayFiles')) as readonly Segment[]) {
        if (done.has(firstSeq)) continue;
        if (await copy('copyDayFile', `logs/${basename(path)}`, path)) done.add(firstSeq);
        else isAgain = true;
      }
    }
  }

  #ask(operation: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.#reader!.run(operation, ...args);
  }
}
