// The file of a job while it is written: counts and hashes its bytes.
// Invariant: after `resume` the file has exactly the bytes of the checkpoint, and the hash is of these.
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';

const MODE = 0o600;
const READ_BYTES = 1024 ** 2;

export class OutputFile {
  readonly #fd: number;
  readonly #hash = createHash('sha256');
  /** Bytes that are in the file before the first write, and how many of them are hashed. */
  readonly #kept: number;
  #hashed = 0;
  #bytes: number;

  /** Begins the file again, or goes on behind `kept` bytes of it. Throws errors of the file system. */
  constructor(path: string, kept: number) {
    this.#fd = openSync(path, kept === 0 ? 'w+' : 'r+', MODE);
    this.#kept = this.#bytes = kept;
    if (kept > 0) ftruncateSync(this.#fd, kept);
  }

  /** Size of the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that were there before are not hashed yet, so nothing may be written. */
  get mustHash(): boolean {
    return this.#hashed < this.#kept;
  }

  /** Hashes a part of the bytes that were there before. */
  hashMore(): void {
    const bytes = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#kept - this.#hashed));
    const length = readSync(this.#fd, bytes, 0, bytes.length, this.#hashed);
    if (length === 0) throw new Error('the file became shorter while it was read');
    this.#hash.update(bytes.subarray(0, length));
    this.#hashed += length;
  }

  /** Writes all bytes. */
  write(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;)
      from += writeSync(this.#fd, bytes, from, bytes.length - from, this.#bytes + from);
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }

  /** Returns when all bytes are on disk. */
  sync(): void {
    fsyncSync(this.#fd);
  }

  /** The hash of the whole file, in hex. Nothing can be written after this. */
  digest(): string {
    return this.#hash.digest('hex');
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Size of a file; 0: it does not exist. */
export const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
