// Writes to a socket without the bookkeeping of a stream, which costs more than the rest of a small response.
// Hot path.
// Invariant: bytes keep their order, also with those that are written to the socket as a stream.
// Node has no public function for that. Where its internal one is missing nothing is written here.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getSystemErrorName } from 'node:util';

/** Longer texts are never taken at once. */
const MAX_TEXT = 16_000;

/** What Node passes to the system for one write; used again unless the system did not take all at once. */
interface WriteRequest {
  oncomplete?: (status: number) => void;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: Readonly<Record<number, number>>;
  readonly kLastWriteWasAsync: number;
}

type WithHandle = Socket & {
  readonly _handle: {
    writeLatin1String(request: WriteRequest, text: string): number;
    writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  } | null;
};

const binding = findBinding();
let unused = binding && new binding.WriteWrap();

/** `undefined`: another version of Node, or its settings forbid it. */
function findBinding(): StreamBinding | undefined {
  try {
    const found = (process as unknown as { binding(name: string): StreamBinding }).binding('stream_wrap');
    const isComplete =
      typeof found.WriteWrap === 'function' && found.kLastWriteWasAsync in found.streamBaseState;
    return isComplete ? found : undefined;
  } catch {
    // process.binding is deprecated, and settings can make it throw.
    return undefined;
  }
}

export interface DirectWriteListener {
  /** All bytes are with the operating system. Called only if they were not at once. */
  written(): void;
  failed(error: NodeJS.ErrnoException): void;
}

export class DirectWrites {
  /** Bytes wait for the operating system to take them. */
  isPending = false;
  /** undefined: the socket cannot be written to directly. */
  readonly #socket: WithHandle | undefined;
  readonly #listener: DirectWriteListener;

  constructor(socket: Duplex, listener: DirectWriteListener) {
    this.#socket =
      binding !== undefined && socket.constructor === Socket ? (socket as WithHandle) : undefined;
    this.#listener = listener;
  }

  /** Writes text of Latin-1 characters. Returns false if it must be written to the socket as a stream. */
  write(text: string): boolean {
    const handle = text.length > MAX_TEXT ? undefined : this.#handle();
    // The stream meets the same error, and reports it.
    return handle !== undefined && handle.writeLatin1String(unused!, text) === 0 && this.#begun();
  }

  /** The same with bytes, which must not change while `isPending`. */
  writeBytes(bytes: Uint8Array): boolean {
    const handle = this.#handle();
    return handle !== undefined && handle.writeBuffer(unused!, bytes) === 0 && this.#begun();
  }

  /** `undefined`: the socket must be written to as a stream. */
  #handle(): NonNullable<WithHandle['_handle']> | undefined {
    const socket = this.#socket;
    if (socket === undefined || this.isPending) return undefined;
    const handle = socket._handle;
    // Corked bytes count for the length. `writable` is false after `end`.
    if (handle === null || socket.connecting || socket.writableLength > 0 || !socket.writable)
      return undefined;
    return handle;
  }

  /** A write has begun: it is done, unless the system has taken only a part. */
  #begun(): true {
    if (binding!.streamBaseState[binding!.kLastWriteWasAsync] === 0) return true;
    const request = unused!;
    unused = new binding!.WriteWrap();
    this.isPending = true;
    request.oncomplete = (status) => this.#completed(status);
    return true;
  }

  #completed(status: number): void {
    this.isPending = false;
    if (status === 0) return this.#listener.written();
    // The socket was closed.
    if (this.#socket!.destroyed) return;
    const code = getSystemErrorName(status);
    this.#listener.failed(
      Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' }),
    );
  }
}
