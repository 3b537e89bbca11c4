// A client's connection as Node's HTTP/1.1 server sees it.
// Invariant: the server gets one request at a time, and the next one only after its response is sent (RFC 9112 9.3.2).
// Of later requests, at most MAX_HELD_BYTES and one read are buffered. Chunked bodies are passed without extensions and
// forbidden trailers. After the server closes the connection, it is read for a while, so that the client gets the
// response.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { DISCARD_MS, linger, LINGER_MS } from './linger.ts';
import { BROKEN, RequestScanner } from './request-scanner.ts';
import { registerRawSocket } from './reset.ts';

/** Bytes of later requests to buffer during a request. Above this the connection is not read. */
const MAX_HELD_BYTES = 64 * 1024;

interface ClientStreamOptions {
  readonly maxHeadBytes: number;
  /** Called once if input is malformed but Node's parser would accept it. The server has read all input before it. */
  readonly onMalformed: (problem: string) => void;
}

export class ClientStream extends Duplex {
  readonly #socket: Socket;
  readonly #onMalformed: (problem: string) => void;
  readonly #request: RequestScanner;
  /** The response to the current request is sent. The rest of the request may be unread. */
  #hasResponded = false;
  /** The input is malformed. Nothing more is passed to the server. */
  #isBroken = false;
  #isReleased = false;
  /** Bytes of later requests. */
  #held: Buffer | undefined;
  #wantsMore = true;
  #discardTimer: NodeJS.Timeout | undefined;

  /** `socket`: paused at the beginning of a request. */
  constructor(socket: Socket, { maxHeadBytes, onMalformed }: ClientStreamOptions) {
    super({ decodeStrings: false });
    this.#socket = socket;
    this.#onMalformed = onMalformed;
    this.#request = new RequestScanner(maxHeadBytes);
    registerRawSocket(socket, this);
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('timeout', this.#onTimeout);
  }

  /** Must be called when the response to the current request is sent or aborted. */
  responseEnded(): void {
    this.#hasResponded = true;
    if (this.#request.isWhole) this.#next();
    else if (!this.destroyed && this.#discardTimer === undefined)
      this.#discardTimer = setTimeout(() => this.destroy(), DISCARD_MS).unref();
  }

  /**
   * Returns the socket for another protocol after an upgrade, paused, and the bytes after the request. This stream must
   * not be used afterwards.
   */
  release(): { socket: Socket; head: Buffer } {
    const socket = this.#socket;
    socket.pause();
    socket.setTimeout(0);
    this.#removeListeners();
    this.#isReleased = true;
    const unread = (this.read() as Buffer | null) ?? Buffer.alloc(0);
    const head = Buffer.concat([unread, this.#held ?? Buffer.alloc(0)]);
    this.#held = undefined;
    return { socket, head };
  }

  // ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

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
      // Until then the server has read all input before it.
      setImmediate(() => {
        if (!this.destroyed) this.#onMalformed(this.#request.problem);
      });
      return;
    }
    if (end < bytes.length) this.#hold(bytes.subarray(end));
    const passed = this.#request.bytesToPass(bytes, end);
    // Read before `push`, since the server may respond within it.
    const isWhole = this.#request.isWhole;
    if (passed.length > 0 && !this.push(passed)) this.#wantsMore = false;
    if (isWhole && this.#hasResponded) this.#next();
  }

  #hold(bytes: Buffer): void {
    this.#held = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
  }

  /** Begins the next request: the current one has ended and its response is sent. */
  #next(): void {
    clearTimeout(this.#discardTimer);
    this.#discardTimer = undefined;
    this.#hasResponded = false;
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

  // ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

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

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Called by Node's server. Ends the connection after all written bytes are sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#discardTimer);
    this.#held = undefined;
    if (!this.#isReleased) {
      this.#removeListeners();
      if (error === null && this.writableFinished && !this.#socket.destroyed)
        linger(this.#socket, this.#request.isInBody ? DISCARD_MS : LINGER_MS);
      else this.#socket.destroy();
    }
    done(error);
  }

  /** The client has closed its side. Requests after the current one are dropped. */
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

  #removeListeners(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onClose);
    this.#socket.off('timeout', this.#onTimeout);
  }

  // ── Methods of a socket that Node's server and weir call ────────────────────────────────────────────────────────

  readonly #onTimeout = (): void => {
    this.emit('timeout');
  };

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** Emits 'timeout' when the connection is idle in both directions for `ms` milliseconds; 0 means never. */
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
