// A duplex stream that is used in place of a socket.
// Invariant: what is set on it changes no connection, since other streams share it.
import { Duplex } from 'node:stream';

export class SocketDuplex extends Duplex {
  /** Destroys it when everything is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Does nothing, like the next ones: these are matters of the connection, which has time limits of its own. */
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
