// Sockets to replicas that can still be read after a write has failed.
// A replica may answer before it has read the whole request, and close. weir's next write then fails with ECONNRESET or EPIPE
// while the answer waits in the receive buffer. Node destroys a socket whose write fails, and the answer with it.
// Invariant: such a failure is reported only once everything that was received has been read. Writes that fail in any other
// way are reported at once. Linux keeps received bytes after a reset; the end of the connection follows them at once.
import type { Socket } from 'node:net';

/** Errors of a write that say that the other side has closed, not that nothing can be read. */
const CLOSED = new Set(['ECONNRESET', 'EPIPE']);

/** Watches the writes of one socket. */
export class WriteGuard {
  /** The first write that failed. */
  error: NodeJS.ErrnoException | undefined;
  /**
   * Called in a later tick after a write has failed: nothing more can be sent, but bytes may still come. If it is undefined,
   * all failures are reported at once.
   */
  onFailed: (() => void) | undefined;

  constructor(socket: Socket) {
    // Node passes the same function to every call of _write and _writev: one guard around it is enough.
    let guarded: ((error?: Error | null) => void) | undefined;
    const guard = (done: (error?: Error | null) => void) =>
      (guarded ??= (error) => {
        if (!error || this.onFailed === undefined) return done(error);
        if (!CLOSED.has((error as NodeJS.ErrnoException).code ?? '')) return done(error);
        this.error ??= error as NodeJS.ErrnoException;
        process.nextTick(() => this.onFailed?.());
      });
    // Stream implementers' methods, in documented use; bound to the socket, since a TLS socket cannot be made of a subclass.
    const write = socket._write.bind(socket);
    const writev = socket._writev!.bind(socket);
    socket._write = (chunk, encoding, done) => write(chunk, encoding, guard(done));
    socket._writev = (chunks, done) => writev(chunks, guard(done));
  }

  /**
   * True if the connection ended with a reset. EPIPE: the other side closed its side normally before it reset the
   * connection.
   */
  get isReset(): boolean {
    return this.error?.code === 'ECONNRESET';
  }
}
