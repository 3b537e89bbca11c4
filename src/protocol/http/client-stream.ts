// A client's connection as Node's HTTP/1.1 server sees it.
// Invariants: the server gets one request at a time, and the next one only when the one before is answered (RFC 9112 9.3.2); of
// later requests no more than MAX_HELD_BYTES and one read are held; chunked bodies come without extensions and forbidden
// trailer fields; and a connection that the server closes is read for a while longer, so that the client gets the answer.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { DISCARD_MS, linger, LINGER_MS } from './linger.ts';
import { BROKEN, RequestScanner } from './request-scanner.ts';
import { registerRawSocket } from './reset.ts';

/** Bytes of later requests to hold while one is answered. Above this the client is not read. */
const MAX_HELD_BYTES = 64 * 1024;

interface Options {
  readonly maxHeadBytes: number;
  /** Called once if input is malformed in a way that the parser does not see, after the server has received what came before. */
  readonly malformed: (problem: string) => void;
}

export class ClientStream extends Duplex {
  readonly #socket: Socket;
  readonly #malformed: (problem: string) => void;
  readonly #request: RequestScanner;
  /** The request that the server has is answered, though the rest of it may still come. */
  #isAnswered = false;
  /** The input is malformed, so nothing more is passed on. */
  #isBroken = false;
  #isReleased = false;
  /** Bytes of later requests. */
  #held: Buffer | undefined;
  #wantsMore = true;
  #discardTimer: NodeJS.Timeout | undefined;

  /** `socket`: paused, with unread bytes in place, at the beginning of a request. */
  constructor(socket: Socket, { maxHeadBytes, malformed }: Options) {
    super({ decodeStrings: false });
    this.#socket = socket;
    this.#malformed = malformed;
    this.#request = new RequestScanner(maxHeadBytes);
    registerRawSocket(socket, this);
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('timeout', this.#onTimeout);
  }

  /** The answer to the request that the server has is sent, or given up. */
  responseEnded(): void {
    this.#isAnswered = true;
    if (this.#request.isWhole) this.#next();
    else if (!this.destroyed && this.#discardTimer === undefined)
      this.#discardTimer = setTimeout(() => this.destroy(), DISCARD_MS).unref();
  }

  /**
   * Gives the connection back, for a protocol that the client asked to switch to. Returns it paused, with the bytes that
   * came behind the request. This stream must not be used any more.
   */
  release(): { socket: Socket; head: Buffer } {
    const socket = this.#socket;
    socket.pause();
    socket.setTimeout(0);
    this.#leave();
    this.#isReleased = true;
    const unread = (this.read() as Buffer | null) ?? Buffer.alloc(0);
    const head = Buffer.concat([unread, this.#held ?? Buffer.alloc(0)]);
    this.#held = undefined;
    return { socket, head };
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  override _read(): void {
    this.#wantsMore = true;
    this.#flow();
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#isBroken) return;
    if (this.#request.isWhole) this.#hold(bytes);
    else this.#pass(bytes);
    this.#flow();
  };

  #pass(bytes: Buffer): void {
    const end = this.#request.scan(bytes);
    if (end === BROKEN) {
      this.#isBroken = true;
      // By then the server has read what was passed before.
      setImmediate(() => {
        if (!this.destroyed) this.#malformed(this.#request.problem);
      });
      return;
    }
    if (end < bytes.length) this.#hold(bytes.subarray(end));
    const passing = this.#request.passing(bytes, end);
    // Before `push`, since the server may answer within it.
    const isWhole = this.#request.isWhole;
    if (passing.length > 0 && !this.push(passing)) this.#wantsMore = false;
    if (isWhole && this.#isAnswered) this.#next();
  }

  #hold(bytes: Buffer): void {
    this.#held = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
  }

  /** The request is whole and answered: the next one may come. */
  #next(): void {
    clearTimeout(this.#discardTimer);
    this.#discardTimer = undefined;
    this.#isAnswered = false;
    this.#request.begin();
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && !this.destroyed && !this.writableEnded) this.#pass(held);
    this.#flow();
  }

  #flow(): void {
    if (this.#isReleased || this.destroyed) return;
    const isFull = this.#held !== undefined && this.#held.length > MAX_HELD_BYTES;
    if (this.#wantsMore && !isFull) this.#socket.resume();
    else this.#socket.pause();
  }

  // ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  override _write(
    chunk: Buffer | string,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _writev(
    chunks: { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const socket = this.#socket;
    const last = chunks.length - 1;
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(chunks[i]!.chunk, chunks[i]!.encoding);
    socket.write(chunks[last]!.chunk, chunks[last]!.encoding, done);
    socket.uncork();
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Called by Node's server: ends the connection once what was written is sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#discardTimer);
    this.#held = undefined;
    if (!this.#isReleased) {
      this.#leave();
      if (error === null && this.writableFinished && !this.#socket.destroyed)
        linger(this.#socket, this.#request.isInBody ? DISCARD_MS : LINGER_MS);
      else this.#socket.destroy();
    }
    done(error);
  }

  /** The client has closed its side: what it sent behind an unanswered request is not served any more. */
  readonly #onEnd = (): void => {
    this.#held = undefined;
    this.push(null);
  };

  readonly #onError = (error: Error): void => {
    this.destroy(error);
  };

  readonly #onClose = (): void => {
    this.destroy();
  };

  #leave(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onClose);
    this.#socket.off('timeout', this.#onTimeout);
  }

  // ── What Node's server and weir ask of a socket ──────────────────────────────────────────────────────────────────

  readonly #onTimeout = (): void => {
    this.emit('timeout');
  };

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** Emits 'timeout' when the connection is idle in both directions for `ms` milliseconds; 0: never. */
  setTimeout(ms: number, listener?: () => void): this {
    this.#socket.setTimeout(ms);
    if (listener) this.once('timeout', listener);
    return this;
  }

  setNoDelay(isOn?: boolean): this {
    this.#socket.setNoDelay(isOn);
    return this;
  }

  setKeepAlive(isOn?: boolean, delayMs?: number): this {
    this.#socket.setKeepAlive(isOn, delayMs);
    return this;
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }
}
