// Keeps a socket to a replica readable after a write has failed.
// Invariant: a write that fails with ECONNRESET or EPIPE is reported only after all received bytes are read.
// A replica may respond before it has read the whole request, and close the connection. The next write then fails while
// the response is in the receive buffer, and Node would destroy the socket with the response. Linux keeps received
// bytes after a reset, and reports the end of the connection after them. Other errors are reported at once.
import type { Writable } from 'node:stream';

/** Write errors that mean that the other side has closed the connection. */
const CLOSED = new Set(['ECONNRESET', 'EPIPE']);

/** Watches the writes of one socket. */
export class WriteGuard {
  /** The first write that failed. */
  error: NodeJS.ErrnoException | undefined;
  /**
   * Called in a later tick after a write has failed. Nothing more can be sent, but bytes can still be received. If
   * `undefined`, all failures are reported at once.
   */
  onFailed: (() => void) | undefined;

  readonly #socket: Writable;

  constructor(socket: Writable) {
    this.#socket = socket;
    // Node passes the same callback to every call of _write and _writev, so it is wrapped once.
    let guarded: ((error?: Error | null) => void) | undefined;
    const guard = (done: (error?: Error | null) => void) =>
      (guarded ??= (error) => {
        if (!error || !this.#keeps(error)) done(error);
      });
    // _write and _writev are documented for stream implementers. A TLS socket cannot be made from a subclass.
    const write = socket._write.bind(socket);
    const writev = socket._writev!.bind(socket);
    socket._write = (chunk, encoding, done) => write(chunk, encoding, guard(done));
    socket._writev = (chunks, done) => writev(chunks, guard(done));
  }

  /** A write that was not made through the stream has failed. */
  failed(error: NodeJS.ErrnoException): void {
    if (!this.#keeps(error)) this.#socket.destroy(error);
  }

  /** Remembers an error after which the socket stays readable. Returns false for any other one. */
  #keeps(error: NodeJS.ErrnoException): boolean {
    if (this.onFailed === undefined || !CLOSED.has(error.code ?? '')) return false;
    this.error ??= error;
    process.nextTick(() => this.onFailed?.());
    return true;
  }

  /** True if the connection was reset. After EPIPE it is false, since the other side had closed its side before. */
  get isReset(): boolean {
    return this.error?.code === 'ECONNRESET';
  }
}
