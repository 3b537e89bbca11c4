// What stands in for a client's socket when a request came over a stream of HTTP/2: the HTTP/1.1 lanes read the request
// from it and write the response to it. Hot path.
// Invariant: bytes of two streams never mix: the next stream is served only after request and response of the last one
// are complete. If the client resets its stream or is lost, the socket closes; if the lane closes the socket in the
// middle of a response, the stream is reset.
//
//   stream ─► begin ─► request bytes ─► lane ─► response bytes ─► complete ─► used for another stream
//                                                                   └► request not whole, or the lane closes: destroyed
import type { Duplex } from 'node:stream';
import { hasPeerOf } from '../../http/peer.ts';
import type { ResponseHead } from '../../http/response-head-parser.ts';
import { ERROR_CODE } from '../error-code.ts';
import type { HeaderBlock } from '../hpack/header-block.ts';
import type { StreamListener } from '../stream-listener.ts';
import type { Http2Stream } from '../stream.ts';
import { discardRest } from './discarded-request.ts';
import { RequestWriter } from './request-writer.ts';
import { SocketDuplex } from './socket-duplex.ts';
import { StreamResponse } from './stream-response.ts';

/** Bytes that may wait in a stream when the lane is asked for more. */
const LOW_BYTES = 32 * 1024;

/** Text of responses as bytes. Used for one call at a time. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** Bytes came: bytes[0, size). */
type BytesListener = (bytes: Buffer, size: number) => void;
type Written = (error?: Error | null) => void;

/** The sockets of one connection of HTTP/2. */
export interface SocketOwner {
  /** The socket can serve another stream. */
  idle(socket: Http1StreamSocket): void;
  /** The socket is closed. */
  gone(socket: Http1StreamSocket): void;
}

const ignore: Written = () => undefined;

export class Http1StreamSocket extends SocketDuplex implements StreamListener {
  readonly #client: Duplex;
  readonly #owner: SocketOwner;
  readonly #request = new RequestWriter();
  readonly #response = new StreamResponse();
  #stream: Http2Stream | undefined;
  /** It serves one stream only. */
  #isForOne = false;
  /** Bytes of DATA that the lane has not read. */
  #unread = 0;
  /** Bytes that the client sent before the answer to its extended CONNECT. */
  #early: Buffer[] | undefined;
  /** Reads all bytes, in place of the listeners of 'data'. */
  #reader: BytesListener | undefined;
  #isPaused = false;
  /** Bytes for `#reader` that came while it was paused. */
  readonly #held: Buffer[] = [];
  /** The lane's last write, while it waits. */
  #written: Written | undefined;

  /** `client`: the socket of the connection. */
  constructor(client: Duplex, owner: SocketOwner) {
    super({ decodeStrings: false });
    this.#client = client;
    this.#owner = owner;
    hasPeerOf(this, client);
  }

  /** True for such a socket. The lanes see it as that of a client. */
  static is(socket: Duplex): socket is Http1StreamSocket {
    return socket instanceof Http1StreamSocket;
  }

  /** Why the last stream was malformed. */
  get problem(): string {
    return this.#request.problem;
  }

  /** Serves a stream. Returns false, and takes nothing, if its head is malformed: `problem` says why. */
  begin(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): boolean {
    const head = this.#request.head(block, isEnd);
    if (head === undefined) return false;
    const { isTunnel } = this.#request;
    this.#stream = stream;
    stream.listener = this;
    this.#response.begin(stream, block.method === 'HEAD', isTunnel);
    if (isTunnel) this.#early = [];
    this.#pass(head);
    return true;
  }

  /** From now on it is closed after the stream that it serves. */
  serveOne(): void {
    this.#isForOne = true;
  }

  // ── From the client ──────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(stream: Http2Stream, block: HeaderBlock): void {
    if (stream !== this.#stream) return;
    this.#take(stream, this.#request.trailers(block), 0);
  }

  onData(stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (stream !== this.#stream) return;
    this.#take(stream, this.#request.data(bytes, from, to, isEnd), to - from);
  }

  /** `piece`: HTTP/1.1 of `size` bytes of DATA; `undefined` if the request is malformed. */
  #take(stream: Http2Stream, piece: Buffer | undefined, size: number): void {
    if (piece === undefined) {
      this.#stream = undefined;
      stream.reset(ERROR_CODE.protocolError);
      this.destroy();
      return;
    }
    this.#unread += size;
    // Without the 101 these bytes would be read as another request.
    if (this.#early !== undefined) {
      this.#early.push(piece);
      return;
    }
    if (piece.length === 0 || this.#pass(piece)) this.#consume();
    if (this.#request.isTunnel && this.#request.isWhole) this.push(null);
  }

  /** Gives bytes to the lane. Returns false if it has more than it wants. */
  #pass(piece: Buffer): boolean {
    const listener = this.#reader;
    if (listener === undefined) return this.push(piece);
    if (this.#isPaused || this.#held.length > 0) {
      this.#held.push(piece);
      return false;
    }
    listener(piece, piece.length);
    return true;
  }

  /**
   * From now on `listener` gets all bytes as they come, in place of 'data'. `undefined`: no longer. A lane that reads so is
   * spared the work of a stream. The bytes stay as they are.
   */
  readWith(listener: BytesListener | undefined): void {
    this.#reader = listener;
    if (listener !== undefined) {
      for (let first = this.read() as Buffer | null; first !== null; first = this.read() as Buffer | null)
        this.#held.push(first);
      if (this.#held.length > 0) process.nextTick(this.#passHeld);
    } else for (const piece of this.#held.splice(0)) this.push(piece);
  }

  override pause(): this {
    this.#isPaused = true;
    return this.#reader === undefined ? super.pause() : this;
  }

  override resume(): this {
    this.#isPaused = false;
    if (this.#reader === undefined) return super.resume();
    if (this.#held.length > 0) process.nextTick(this.#passHeld);
    return this;
  }

  readonly #passHeld = (): void => {
    while (!this.#isPaused && !this.destroyed && this.#reader !== undefined) {
      const piece = this.#held.shift();
      if (piece === undefined) return this.#consume();
      this.#reader(piece, piece.length);
    }
  };

  override _read(): void {
    if (this.#unread > 0 && this.#early === undefined) this.#consume();
  }

  #consume(): void {
    const bytes = this.#unread;
    this.#unread = 0;
    this.#stream?.consumed(bytes);
  }

  onReset(stream: Http2Stream): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    const { problem, connection } = stream;
    if (problem !== '') this.destroy(new Error(`the client broke a rule of HTTP/2: ${problem}`));
    else this.destroy(connection.error);
  }

  // ── From the lane ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A response can be written with `respond` and `pass`: nothing of another write waits. */
  get isClear(): boolean {
    return this.#written === undefined && this.writableLength === 0 && this.#stream?.waiting === 0;
  }

  /** Writes the head of a response. `isClear` must be true. See StreamResponse.respond. */
  respond(
    head: ResponseHead,
    lines: string,
    isLast: boolean,
    id: string,
    attempts: number,
    timing: string,
  ): void {
    this.#response.respond(head, lines, isLast, id, attempts, timing);
    if (this.#response.isWhole) this.#afterWrite(ignore);
  }

  /** Writes bytes[from, to) of a response, which are only borrowed: a few kilobytes. `isClear` must be true. */
  pass(bytes: Buffer, from: number, to: number): void {
    if (!this.#response.read(bytes, from, to)) this.destroy();
    else if (this.#response.isWhole) this.#afterWrite(ignore);
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: Written): void {
    if (this.#read(chunk, encoding)) this.#afterWrite(done);
    else this.#refuse(done);
  }

  override _writev(chunks: { chunk: Buffer | string; encoding: BufferEncoding }[], done: Written): void {
    for (const { chunk, encoding } of chunks) if (!this.#read(chunk, encoding)) return this.#refuse(done);
    this.#afterWrite(done);
  }

  override _final(done: Written): void {
    if (this.#stream === undefined) {
      setImmediate(() => this.destroy());
      done();
    } else if (this.#response.end()) this.#afterWrite(done);
    else {
      this.destroy();
      done();
    }
  }

  #read(chunk: Buffer | string, encoding: BufferEncoding): boolean {
    const wasTunnel = this.#response.isTunnel;
    let isRead: boolean;
    if (typeof chunk !== 'string') isRead = this.#response.read(chunk, 0, chunk.length);
    else if (encoding === 'latin1' && chunk.length <= scratch.length)
      isRead = this.#response.read(scratch, 0, scratch.write(chunk, 0, 'latin1'));
    else {
      const bytes = Buffer.from(chunk, encoding);
      isRead = this.#response.read(bytes, 0, bytes.length);
    }
    if (this.#response.isTunnel && !wasTunnel) this.#openTunnel();
    return isRead;
  }

  /** The extended CONNECT is accepted: the client's bytes pass. */
  #openTunnel(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const piece of early) this.#pass(piece);
    this.#consume();
    if (this.#request.isWhole) this.push(null);
  }

  /** The lane wrote bytes that do not belong to the response. */
  #refuse(done: Written): void {
    done(new Error('more bytes than the HTTP/1.1 response has'));
  }

  /** Calls `done` when the stream can take more, or has sent everything if the response is complete. */
  #afterWrite(done: Written): void {
    const stream = this.#stream;
    if (stream !== undefined && this.#isBehind(stream)) {
      this.#written = done;
      return;
    }
    if (stream !== undefined && this.#response.isWhole) this.#complete(stream);
    done();
  }

  #isBehind({ waiting }: Http2Stream): boolean {
    return waiting > (this.#response.isWhole ? 0 : LOW_BYTES);
  }

  onSent(stream: Http2Stream): void {
    const done = this.#written;
    if (stream !== this.#stream || done === undefined || this.#isBehind(stream)) return;
    this.#written = undefined;
    this.#afterWrite(done);
  }

  /** The response is sent. */
  #complete(stream: Http2Stream): void {
    this.#consume();
    this.#stream = undefined;
    const { isWhole } = this.#request;
    if (stream.isOpen && !stream.hasPeerEnded) {
      if (this.#request.isConnect) stream.stopPeer();
      else discardRest(stream);
    }
    if (isWhole && this.#response.isReusable && !this.#isForOne) this.#owner.idle(this);
    // Later, since the lane must first learn that its response was sent.
    else setImmediate(() => this.destroy());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#early = undefined;
    this.#written = undefined;
    if (stream !== undefined)
      stream.reset(this.#request.isTunnel ? ERROR_CODE.cancel : ERROR_CODE.internalError);
    this.#owner.gone(this);
    done(error);
  }

  // ── Methods of a socket that the lanes call ──────────────────────────────────────────────────────────────────────

  get remoteAddress(): string | undefined {
    return (this.#client as Partial<{ remoteAddress: string }>).remoteAddress;
  }
}
