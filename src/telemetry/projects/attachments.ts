// Files that rows refer to, in a folder of their own: written by signed uploads, read by signed downloads.
// Invariant: a file has its final name only when all its bytes are on disk, and the name says how many they are and
// their digest. No file is interpreted.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '../../core/errors.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';

/** A stored file. */
export interface StoredAttachment {
  readonly bytes: number;
  /** SHA-256 of the content, in hex. */
  readonly sha256: string;
  /** Milliseconds since the epoch. */
  readonly storedMs: number;
}

/**
 * Why an upload was not stored: it is larger than allowed; it ended before its declared size; there is no room in
 * memory or on disk; the disk cannot be written.
 */
export type UploadProblem = 'too_large' | 'incomplete' | 'busy' | 'full' | 'failed';

/** Sizes in bytes, times in milliseconds. */
export interface AttachmentLimits {
  /** Of all files together. 0: none are stored. */
  readonly totalBytes: number;
  readonly retentionMs: number;
}

/** `<id>-<digest>-<bytes>-<time>`. */
const NAME = /^([0-9a-f]{64})-([0-9a-f]{64})-(\d{1,12})-(\d{1,15})$/;
const TEMPORARY = '.tmp';
const MAX_UPLOADS = 32;
/** Number of files, since their names are kept in memory. */
const MAX_FILES = 50_000;
const MAX_FAILED = 1000;
const SWEEP_MS = 3_600_000;
const CHUNK_BYTES = 64 * 1024;

export class Attachments implements Component {
  readonly name = 'attachments';
  readonly #folder: string | undefined;
  readonly #limits: AttachmentLimits;
  readonly #log: Logger;
  /** By id, the oldest first. */
  readonly #files = new Map<string, StoredAttachment>();
  /** What clients say about uploads that failed, by id. */
  readonly #failed = new Map<string, string>();
  #bytes = 0;
  #uploads = 0;
  #uploadNumber = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `folder`: the folder of the files; `undefined`: none are stored. */
  constructor(folder: string | undefined, limits: AttachmentLimits, log: Logger) {
    this.#folder = limits.totalBytes === 0 ? undefined : folder;
    this.#limits = limits;
    this.#log = log;
  }

  /** False: nothing is stored, so `upload` must not be called. */
  get isOn(): boolean {
    return this.#folder !== undefined;
  }

  /** Id of the file of a client's key, which may be any text: 64 hex digits. */
  idOf(key: string): string {
    return createHash('sha256').update(key).digest('hex');
  }

  /** Finds the files of earlier processes, and removes what was never complete. */
  async start(): Promise<void> {
    if (this.#folder === undefined) return;
    try {
      await this.#list(this.#folder);
      await this.#sweep(this.#folder, Date.now());
    } catch (error) {
      this.#log.warn('stored attachments cannot be listed', {
        folder: this.#folder,
        problem: describe(error),
      });
    }
    this.#timer = setInterval(() => void this.#sweepLater(this.#folder!), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The stored file of an id. */
  get(id: string): StoredAttachment | undefined {
    return this.#files.get(id);
  }

  /** Notes that a client could not upload a file, and why. */
  failed(id: string, problem: string): void {
    if (this.#failed.size >= MAX_FAILED) this.#failed.delete(this.#failed.keys().next().value!);
    this.#failed.set(id, problem);
  }

  /** Why the last upload of a file failed, as its client said. */
  problemOf(id: string): string | undefined {
    return this.#failed.get(id);
  }

  /**
   * Stores the bytes of an upload, at most `maxBytes`, in place of an earlier file of this id. `declared`: number of
   * bytes that the client has announced, if it has. Rejects if the client disconnects.
   */
  async upload(
    id: string,
    body: AsyncIterable<Uint8Array>,
    maxBytes: number,
    declared: number | undefined,
  ): Promise<StoredAttachment | { readonly problem: UploadProblem }> {
    const folder = this.#folder!;
    if (Math.max(declared ?? 0, 0) > maxBytes) return { problem: 'too_large' };
    if (this.#uploads >= MAX_UPLOADS) return { problem: 'busy' };
    this.#uploads++;
    const temporary = join(folder, `${id}-${this.#uploadNumber++}${TEMPORARY}`);
    try {
      const written = await write(temporary, body, Math.min(maxBytes, this.#limits.totalBytes));
      if (written === 'too_large') return { problem: 'too_large' };
      if (declared !== undefined && declared !== written.bytes) return { problem: 'incomplete' };
      await this.#replace(folder, id, temporary, written);
      return written;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EDQUOT') return { problem: 'full' };
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      this.#log.warn('an attachment cannot be written', { folder, problem: describe(error) });
      return { problem: 'failed' };
    } finally {
      this.#uploads--;
      await rm(temporary, { force: true });
    }
  }

  /** Reads a file in chunks. Throws at its end if its bytes are not those that were stored. */
  async *read(id: string): AsyncGenerator<Uint8Array, void, undefined> {
    const file = this.#files.get(id);
    if (this.#folder === undefined || file === undefined) return;
    const handle = await open(join(this.#folder, nameOf(id, file)), 'r');
    try {
      const hash = createHash('sha256');
      let left = file.bytes;
      while (left > 0) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left)));
        if (bytesRead === 0) throw new Error(`attachment ${id} has lost ${left} of its bytes`);
        left -= bytesRead;
        const chunk = buffer.subarray(0, bytesRead);
        hash.update(chunk);
        // The last chunk is not passed on before the digest is known, so that no damaged file looks complete.
        if (left === 0 && hash.digest('hex') !== file.sha256) throw new Error(`attachment ${id} is damaged`);
        yield chunk;
      }
    } finally {
      await handle.close();
    }
  }

  /** Removes the file of an id, if there is one. */
  async remove(id: string): Promise<void> {
    const file = this.#files.get(id);
    if (this.#folder === undefined || file === undefined) return;
    this.#forget(id, file);
    await rm(join(this.#folder, nameOf(id, file)), { force: true });
  }

  async #list(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const names = await readdir(folder);
    const found = names.flatMap((name): [string, StoredAttachment][] => {
      const [, id, sha256, bytes, storedMs] = NAME.exec(name) ?? [];
      if (id === undefined) return [];
      return [[id, { bytes: Number(bytes), sha256: sha256!, storedMs: Number(storedMs) }]];
    });
    for (const [id, file] of found.toSorted(([, a], [, b]) => a.storedMs - b.storedMs))
      this.#remember(id, file);
    for (const name of names) if (name.endsWith(TEMPORARY)) await rm(join(folder, name), { force: true });
  }

  async #sweepLater(folder: string): Promise<void> {
    try {
      await this.#sweep(folder, Date.now());
    } catch (error) {
      this.#log.warn('old attachments cannot be removed', { folder, problem: describe(error) });
    }
  }

  /** Removes the oldest files until the limits hold with `more` bytes. */
  async #sweep(folder: string, nowMs: number, more = 0): Promise<void> {
    const { totalBytes, retentionMs } = this.#limits;
    for (const [id, file] of this.#files) {
      const isOld = file.storedMs < nowMs - retentionMs;
      const isFull = this.#bytes + more > totalBytes || this.#files.size > MAX_FILES;
      if (!isOld && !isFull) return;
      this.#forget(id, file);
      await rm(join(folder, nameOf(id, file)), { force: true });
    }
  }

  async #replace(folder: string, id: string, temporary: string, file: StoredAttachment): Promise<void> {
    await this.#sweep(folder, file.storedMs, file.bytes);
    await rename(temporary, join(folder, nameOf(id, file)));
    const before = this.#files.get(id);
    this.#remember(id, file);
    if (before !== undefined && nameOf(id, before) !== nameOf(id, file))
      await rm(join(folder, nameOf(id, before)), { force: true });
  }

  #remember(id: string, file: StoredAttachment): void {
    const before = this.#files.get(id);
    if (before) this.#forget(id, before);
    this.#failed.delete(id);
    this.#files.set(id, file);
    this.#bytes += file.bytes;
  }

  #forget(id: string, { bytes }: StoredAttachment): void {
    if (this.#files.delete(id)) this.#bytes -= bytes;
  }
}

const nameOf = (id: string, { sha256, bytes, storedMs }: StoredAttachment): string =>
  `${id}-${sha256}-${bytes}-${storedMs}`;

/** Writes a body to a new file and syncs it. */
async function write(
  path: string,
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<StoredAttachment | 'too_large'> {
  const handle = await open(path, 'wx', 0o600);
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > maxBytes) return 'too_large';
      hash.update(chunk);
      await handle.writeFile(chunk);
    }
    await handle.sync();
    return { bytes, sha256: hash.digest('hex'), storedMs: Date.now() };
  } finally {
    await handle.close();
  }
}
