// Reads from the socket of a client. Hot path.
// Invariant: bytes are given in order. They are only borrowed, since sockets without TLS read into a buffer that all share.
import { Socket } from 'node:net';
import { ReadBuffer } from './read-buffer.ts';
import type { ReplicaConnection } from './replica-connection.ts';

/** Bytes came: bytes[0, size), until the listener returns. */
type BytesListener = (bytes: Buffer, size: number) => void;

/** Properties that the option `onread` sets in a new socket. Node has no such option for accepted sockets. */
interface Internals {
  buffer: symbol;
  callback: symbol;
  generator: symbol;
}
let internals: Internals | undefined;

interface ReadingHandle {
  useUserBuffer?(buffer: Buffer): void;
}

function internalsOf(socket: Socket): Internals | undefined {
  const names = new Map(Object.getOwnPropertySymbols(socket).map((one) => [one.description, one]));
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) => names.get(name));
  return buffer && callback && generator && { buffer, callback, generator };
}

/** Lets an accepted socket read into `buffer`. Returns false if it cannot: over TLS, or in another version of Node. */
function readInto(
  socket: Socket,
  buffer: ReadBuffer,
  onRead: (size: number, bytes: Buffer) => boolean,
): boolean {
  if (socket.constructor !== Socket) return false;
  internals ??= internalsOf(socket);
  const { _handle: handle } = socket as unknown as { _handle: ReadingHandle | null };
  if (internals === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  const first = buffer.next();
  Object.assign(socket, {
    [internals.buffer]: first,
    [internals.callback]: onRead,
    [internals.generator]: buffer.next,
  });
  handle.useUserBuffer(first);
  return true;
}

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
    this.#buffer = new ReadBuffer(written);
    this.#isShared = readInto(socket, this.#buffer, this.#onRead);
    if (!this.#isShared) socket.on('data', this.#onData);
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
    this.#socket.off('data', this.#onData);
  }

  readonly #onData = (chunk: Buffer): void => this.#listener(chunk, chunk.length);

  readonly #onRead = (size: number, bytes: Buffer): boolean => {
    if (this.#isHandedOver) return this.#socket.push(Buffer.from(bytes.subarray(0, size)));
    this.#listener(bytes, size);
    return true;
  };
}
