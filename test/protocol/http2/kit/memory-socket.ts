// A socket without a network for property tests: bytes are read in the pieces that the test chooses.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

export class MemorySocket extends Duplex {
  readonly connecting = false;
  readonly written: Buffer[] = [];

  /** As the type that a connection takes. */
  get socket(): Socket {
    return this as unknown as Socket;
  }

  /** All bytes that were written. */
  get output(): Buffer {
    return Buffer.concat(this.written);
  }

  override _read(): void {
    // Bytes are given to the connection itself.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    done();
  }

  setNoDelay(): this {
    return this;
  }

  destroySoon(): void {
    this.destroy();
  }
}
