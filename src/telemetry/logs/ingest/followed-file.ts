// One file that is followed: what was appended to it, as records, and where that stands.
// Must stay true: a position is where a record ended that was given out, so that whoever goes on there neither loses nor
// doubles a line; the file is known by what it begins with, not by its name alone.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { StreamRecords } from './stream-records.ts';
import type { LogRecord } from '../log-record.ts';

/** How many bytes at its beginning tell a file from another. */
const HEAD_BYTES = 256;

/** Where reading goes on after a restart. */
export interface FilePosition {
  readonly path: string;
  /** Device and inode, `dev:ino`. */
  readonly inode: string;
  readonly offset: number;
  /** The first `headBytes` bytes (at most 256) had this SHA-256. */
  readonly headBytes: number;
  readonly headHash: string;
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export class FollowedFile {
  readonly path: string;
  readonly inode: string;
  /** No longer at a path that is followed: renamed or deleted. It is read to its end. */
  isGone = false;
  /** When it last had something to read. */
  lastNs: bigint;
  readonly #handle: FileHandle;
  readonly #makeReader: () => StreamRecords;
  #reader: StreamRecords;
  #offset = 0;
  /** The place in the file that is byte 0 of the reader's stream. */
  #base = 0;
  #head: Buffer = Buffer.alloc(0);
  #headHash = hash(this.#head);

  private constructor(
    path: string,
    inode: string,
    handle: FileHandle,
    makeReader: () => StreamRecords,
    nowNs: bigint,
  ) {
    this.path = path;
    this.inode = inode;
    this.#handle = handle;
    this.#makeReader = makeReader;
    this.#reader = makeReader();
    this.lastNs = nowNs;
  }

  /**
   * Opens the file; `undefined` where another has taken its place meanwhile. Never waits for a writer, should it have
   * become a FIFO. Throws what open throws.
   */
  static async open(
    path: string,
    inode: string,
    makeReader: () => StreamRecords,
    nowNs: bigint,
  ): Promise<FollowedFile | undefined> {
    // oxlint-disable-next-line no-bitwise -- flags of open(2)
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { dev, ino } = await handle.stat({ bigint: true });
    if (`${dev}:${ino}` === inode) return new FollowedFile(path, inode, handle, makeReader, nowNs);
    await handle.close();
    return undefined;
  }

  get position(): FilePosition {
    return {
      path: this.path,
      inode: this.inode,
      offset: this.#base + this.#reader.emittedBytes,
      headBytes: this.#head.length,
      headHash: this.#headHash,
    };
  }

  /** True where this is the file that the position was taken of, and all that was read is still in it. */
  async matches(position: FilePosition): Promise<boolean> {
    const { size } = await this.#handle.stat();
    if (size < position.offset || size < position.headBytes) return false;
    return hash(await this.#firstBytes(Math.min(position.headBytes, HEAD_BYTES))) === position.headHash;
  }

  /** Goes on at an offset, or at the end. */
  async seek(offset: number | 'end'): Promise<void> {
    this.#offset = this.#base = offset === 'end' ? (await this.#handle.stat()).size : offset;
    await this.#readHead();
  }

  /**
   * Reads up to one buffer full and adds the records in it to `out`. Returns how many bytes came; 0: nothing new.
   * Begins anew where the file was cut off or written anew since (copytruncate).
   */
  async read(buffer: Buffer, nowNs: bigint, out: LogRecord[]): Promise<number> {
    const { size } = await this.#handle.stat();
    if (size === this.#offset) return 0;
    if (size < this.#offset || !(await this.#firstBytes(this.#head.length)).equals(this.#head)) {
      out.push(...this.#reader.end());
      this.#reader = this.#makeReader();
      await this.seek(0);
    }
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#offset);
    if (bytesRead === 0) return 0;
    let from = 0;
    // Who writes on at the old place in a file that was cut off leaves a hole of zeros before it.
    if (this.#base + this.#reader.emittedBytes === this.#offset) {
      while (from < bytesRead && buffer[from] === 0) from++;
      this.#base += from;
    }
    this.#offset += bytesRead;
    this.lastNs = nowNs;
    for (const record of this.#reader.push(buffer.subarray(from, bytesRead), nowNs)) out.push(record);
    if (this.#head.length < HEAD_BYTES) await this.#readHead();
    return bytesRead;
  }

  tick(nowNs: bigint): LogRecord[] {
    return this.#reader.tick(nowNs);
  }

  /** Every line that has its end; one that has none is read again by whoever goes on from the position. */
  flush(): LogRecord[] {
    return this.#reader.flush();
  }

  /** All that is left, the line without its end too. */
  end(): LogRecord[] {
    return this.#reader.end();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #readHead(): Promise<void> {
    this.#head = await this.#firstBytes(Math.min(HEAD_BYTES, this.#offset));
    this.#headHash = hash(this.#head);
  }

  async #firstBytes(length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    if (length === 0) return buffer;
    const { bytesRead } = await this.#handle.read(buffer, 0, length, 0);
    return buffer.subarray(0, bytesRead);
  }
}
