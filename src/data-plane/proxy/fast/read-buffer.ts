// Buffers that sockets of the fast lane read into. Hot path.
// Invariant: bytes of the shared buffer are used or copied before the next read of any socket. A large body is read into
// a buffer of its own, which is not read into again before what was written from it is out.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { askForBuffer } from '../../../protocol/http/socket-reads.ts';

/** Size of the shared buffer: what libuv reads at a time. */
const READ_BYTES = 64 * 1024;
export const sharedBuffer = Buffer.allocUnsafeSlow(READ_BYTES);
/** Size of the buffer of a large body: fewer, larger reads. */
const BULK_BYTES = 256 * 1024;
/** Unused buffers for large bodies. */
const MAX_UNUSED = 4;
const unusedBulks: Buffer[] = [];

/** The buffer of a large body, while one socket reads it. */
class Bulk {
  readonly bytes = unusedBulks.pop() ?? Buffer.allocUnsafeSlow(BULK_BYTES);
  /** A part of it is not written out yet. */
  isPending = false;
  readonly #resume: () => void;

  constructor(resume: () => void) {
    this.#resume = resume;
  }

  write(socket: Duplex, from: number, to: number): void {
    socket.write(this.bytes.subarray(from, to), this.#onWritten);
    this.isPending = socket.writableLength > 0;
  }

  readonly #onWritten = (): void => {
    if (!this.isPending) return;
    this.isPending = false;
    this.#resume();
  };
}

/** What one socket reads into: the shared buffer, until a large body comes. */
export class ReadBuffer {
  #bulk: Bulk | undefined;
  /** undefined: bytes that were read are in buffers of their own. */
  readonly #socket: Socket | undefined;
  readonly #resume: () => void;

  /** `resume` is called when `isPending` ends. */
  constructor(socket: Duplex, resume: () => void) {
    this.#socket = socket instanceof Socket ? socket : undefined;
    this.#resume = resume;
  }

  /** The next read would overwrite bytes that are not written out. */
  get isPending(): boolean {
    return this.#bulk !== undefined && this.#bulk.isPending;
  }

  /**
   * Writes bytes[from, to) of a body, which were read just now, to `socket`. Once they fill the buffer, the rest of the
   * body comes in larger pieces.
   */
  forward(bytes: Buffer, from: number, to: number, socket: Duplex): void {
    if (this.#socket === undefined) {
      socket.write(bytes.subarray(from, to));
      return;
    }
    if (bytes === this.#bulk?.bytes) return this.#bulk.write(socket, from, to);
    socket.write(Buffer.from(bytes.subarray(from, to)));
    if (to === bytes.length && this.#bulk === undefined && askForBuffer(this.#socket, this.#next))
      this.#bulk = new Bulk(this.#written);
  }

  /** The body has ended. Called only while its last bytes are read, since the socket asks for a buffer after that. */
  endBulk(): void {
    const bulk = this.#bulk;
    this.#bulk = undefined;
    if (bulk?.isPending === false && unusedBulks.length < MAX_UNUSED) unusedBulks.push(bulk.bytes);
  }

  /** The bytes of an earlier body may be written out while those of the current one are not. */
  readonly #written = (): void => {
    if (!this.isPending) this.#resume();
  };

  readonly #next = (): Buffer => {
    if (this.#bulk !== undefined) return this.#bulk.bytes;
    askForBuffer(this.#socket!, undefined);
    return sharedBuffer;
  };
}
