// One followed log file: reads appended bytes as records, and keeps the position to continue from after a restart.
// Invariant: a position is the end of the last returned record, so no line is lost or read twice.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { StreamRecords } from './stream-records.ts';
import type { LogRecord } from '../log-record.ts';

/** Number of bytes at the beginning that identify a file. */
const HEAD_BYTES = 256;

/** Where to continue reading after a restart. */
export interface FilePosition {
  readonly path: string;
  /** Device and inode, `dev:ino`. */
  readonly inode: string;
  readonly offset: number;
  /** Number of bytes in `headHash`, at most 256. */
  readonly headBytes: number;
  /** SHA-256 of the first bytes of the file, as hex. */
  readonly headHash: string;
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export class FollowedFile {
  readonly path: string;
  readonly inode: string;
  /** The file was renamed or deleted. It is read to its end. */
  isGone = false;
  /** When bytes were read last, nanoseconds since the epoch. */
  lastNs: bigint;
  readonly #handle: FileHandle;
  readonly #makeReader: () => StreamRecords;
  #reader: StreamRecords;
  #offset = 0;
  /** Offset in the file of the first byte of the reader's stream. */
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
   * Opens the file; `undefined` if another file is at the path now. Does not block if the path is a FIFO. Throws the
   * errors of open(2).
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

  /** Where to continue after a restart. */
  get position(): FilePosition {
    return {
      path: this.path,
      inode: this.inode,
      offset: this.#base + this.#reader.emittedBytes,
      headBytes: this.#head.length,
      headHash: this.#headHash,
    };
  }

  /** True if the position belongs to this file, and the file still has all bytes before it. */
  async matches(position: FilePosition): Promise<boolean> {
    const { size } = await this.#handle.stat();
    if (size < position.offset || size < position.headBytes) return false;
    return hash(await this.#firstBytes(Math.min(position.headBytes, HEAD_BYTES))) === position.headHash;
  }

  /** Continues at an offset, or at the end. */
  async seek(offset: number | 'end'): Promise<void> {
    this.#offset = this.#base = offset === 'end' ? (await this.#handle.stat()).size : offset;
    await this.#readHead();
  }

  /**
   * Reads at most the size of the buffer, and adds the finished records to `out`. Returns the number of bytes read.
   * Starts again at the beginning if the file was truncated or overwritten (copytruncate).
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
    // Skips the zeros that a writer leaves which continues at its old offset after the file was truncated.
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

  /** Returns the records that waited long enough for further lines. */
  tick(nowNs: bigint): LogRecord[] {
    return this.#reader.tick(nowNs);
  }

  /** Returns the records of all finished lines. An unfinished line is read again after a restart. */
  flush(): LogRecord[] {
    return this.#reader.flush();
  }

  /** Ends the stream and returns all remaining records, with an unfinished line too. */
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
