// Reads the socket of a connection into a buffer that all connections share, so that a read costs no memory. Hot path.
// Invariant: bytes come in order, and are only borrowed: the next read of any connection overwrites them.
import type { Socket } from 'node:net';
import { readInto } from '../http/socket-reads.ts';

/** More than libuv reads at a time otherwise: large bodies take fewer reads. */
const READ_BYTES = 128 * 1024;
const sharedBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Bytes came: bytes[from, to), until the listener returns. */
type BytesListener = (bytes: Buffer, from: number, to: number) => void;

export class ConnectionReads {
  readonly #socket: Socket;
  readonly #listener: BytesListener;
  #isStopped = false;

  constructor(socket: Socket, listener: BytesListener) {
    this.#socket = socket;
    this.#listener = listener;
    if (!this.#readShared()) socket.on('data', this.#onChunk);
  }

  /** The listener gets no more bytes: they are dropped. */
  stop(): void {
    this.#isStopped = true;
  }

  #readShared(): boolean {
    return readInto(this.#socket, sharedBuffer, this.#onRead);
  }

  readonly #onRead = (size: number, bytes: Buffer): boolean => {
    if (!this.#isStopped) this.#listener(bytes, 0, size);
    return true;
  };

  /** What was put back into the socket comes first, and what it reads into buffers of its own. */
  readonly #onChunk = (bytes: Buffer): void => {
    if (!this.#isStopped) this.#listener(bytes, 0, bytes.length);
    if (!this.#socket.destroyed && this.#readShared()) this.#socket.off('data', this.#onChunk);
  };
}
