// Reads from the socket of a client. Hot path.
// Invariant: bytes are given in order. They are only borrowed, since sockets read into a buffer that all share.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { ReadBuffer, sharedBuffer } from './read-buffer.ts';
import { Http1StreamSocket } from '../../../protocol/http2/http1/http1-stream-socket.ts';
import type { ReplicaConnection } from './replica-connection.ts';
import { readInto, type ReadListener } from '../../../protocol/http/socket-reads.ts';

/** Bytes came: bytes[0, size), until the listener returns. */
type BytesListener = (bytes: Buffer, size: number) => void;

export class ClientReads {
  readonly #socket: Socket;
  readonly #listener: BytesListener;
  readonly #buffer: ReadBuffer;
  /** The socket reads into `#buffer`. */
  readonly #isShared: boolean;
  #isPaused = false;
  #isHandedOver = false;

  /** `written` is called when what kept `forward` from more bytes is written out. */
  constructor(socket: Socket, listener: BytesListener, written: () => void) {
    this.#socket = socket;
    this.#listener = listener;
    this.#buffer = new ReadBuffer(socket, written);
    this.#isShared = readInto(socket, sharedBuffer, this.#onRead);
    if (this.#isShared) return;
    if (Http1StreamSocket.is(socket)) socket.readWith(listener);
    else socket.on('data', this.#onData);
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  /** Reads again, if it was paused. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /**
   * Writes bytes[0, end) of a body, which were read just now. `copy`: is written instead. Returns false if no more is to be
   * read for now.
   */
  forward(bytes: Buffer, end: number, to: ReplicaConnection, copy: Buffer | undefined): boolean {
    if (copy !== undefined) to.socket.write(copy);
    else if (this.#isShared) this.#buffer.forward(bytes, 0, end, to.socket);
    else to.socket.write(bytes.subarray(0, end));
    return !to.isWritable || !(to.socket.writableNeedDrain || this.#buffer.isPending);
  }

  /** A body has ended. Called only while bytes come. */
  endBulk(): void {
    this.#buffer.endBulk();
  }

  /** From here on the socket has its bytes for others, as any socket. */
  handOver(): void {
    this.#isHandedOver = true;
    if (Http1StreamSocket.is(this.#socket)) return this.#socket.readWith(undefined);
    this.#socket.off('data', this.#onData);
    // Like any other socket it is read on until its stream is full, so that the stream notices the end of the connection.
    this.#socket.pause = () => Duplex.prototype.pause.call(this.#socket) as Socket;
  }

  readonly #onData = (chunk: Buffer): void => this.#listener(chunk, chunk.length);

  readonly #onRead: ReadListener = (size, bytes) => {
    if (this.#isHandedOver) return this.#socket.push(Buffer.from(bytes.subarray(0, size)));
    this.#listener(bytes, size);
    return true;
  };
}
