// What a forwarder of HTTP/1.1 uses in place of a socket to a replica that speaks HTTP/2: it takes a request in HTTP/1.1,
// sends it on a stream of a shared connection, and gives the response in HTTP/1.1. Hot path.
// Invariant: one request at a time; a request that did not end well destroys the socket with an error that says whether
// the replica may have processed the request; bytes of a response that are not read hold back the replica.
//
//   IDLE ─ bytes ─► WAITING ─ a connection ─► OPEN ─ response and request whole ─► IDLE
//                      │ none can be made        │ reset, connection lost, malformed
//                      └────────► destroyed ◄────┘
import { errorCodeName, ERROR_CODE } from '../error-code.ts';
import type { HeaderBlock } from '../hpack/header-block.ts';
import { intern } from '../hpack/interned-fields.ts';
import type { StreamListener } from '../stream-listener.ts';
import type { Http2Stream } from '../stream.ts';
import {
  REPLICA_ERROR,
  type ConnectionSource,
  type ConnectionTaker,
  type SharedConnection,
} from './shared-connection.ts';
import { Http1RequestReader, type RequestParts, type RequestSink } from './http1-request-reader.ts';
import { Http1ResponseWriter } from './http1-response-writer.ts';
import { SocketDuplex } from './socket-duplex.ts';

type Done = (error?: Error | null) => void;
interface Piece {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

/** Parts of a body up to this size are joined with the text around them. */
const SMALL_BYTES = 8 * 1024;
const NOTHING = Buffer.alloc(0);

/** Fields whose value differs each time. */
const CHANGING = new Set([
  'x-baseten-request-id',
  'x-request-id',
  'traceparent',
  'tracestate',
  'content-length',
  'x-forwarded-for',
  'date',
]);

const failed = (code: string, message: string): NodeJS.ErrnoException =>
  Object.assign(new Error(message), { code });

export class Http2ReplicaSocket extends SocketDuplex implements RequestSink, StreamListener, ConnectionTaker {
  /** The request waits for a connection, or none was sent yet. 'connect' is emitted when that ends. */
  connecting = true;
  /** A connection was made for the current request. */
  hasWaited = false;
  /** The connection was lost, and it had served other requests: the replica may have closed it before it got this one. */
  mayBeStale = false;
  readonly #source: ConnectionSource;
  /** The next request gets a connection that has served no other. */
  #isFresh: boolean;
  readonly #reader = new Http1RequestReader(this);
  readonly #writer = new Http1ResponseWriter();
  #connection: SharedConnection | undefined;
  /** It had served another request when it was taken. */
  #wasKept = false;
  #stream: Http2Stream | undefined;
  /** What was written before there was a connection. */
  #pending: readonly Piece[] | undefined;
  #isWaiting = false;
  /** Ends the current write. Held while bytes wait, so that who writes is held back. */
  #done: Done | undefined;
  /** The replica takes no more of the request: what is written is dropped. */
  #isDropping = false;
  /** The response has ended. */
  #isWhole = false;
  /** What came of the response and is not pushed yet: pieces, then text in latin1. */
  readonly #pieces: Buffer[] = [];
  #text = '';
  #isFlushing = false;
  /** Bytes of the body that came since the last push. */
  #received = 0;
  /** Bytes of the body that are not read, and hold back the replica. */
  #unread = 0;

  /** `isFresh`: the first request gets a connection that has served no other. */
  constructor(source: ConnectionSource, isFresh = false) {
    super({ decodeStrings: false, allowHalfOpen: false });
    this.#source = source;
    this.#isFresh = isFresh;
  }

  // ── The request ──────────────────────────────────────────────────────────────────────────────────────────────────

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: Done): void {
    this.#leaveComplete();
    if (this.#stream === undefined) this.#take([{ chunk, encoding }], done);
    else {
      this.#done = done;
      this.#send(chunk, encoding);
      this.#endWrite();
    }
  }

  override _writev(pieces: readonly Piece[], done: Done): void {
    this.#leaveComplete();
    if (this.#stream === undefined) return this.#take(pieces, done);
    this.#done = done;
    for (const { chunk, encoding } of pieces) this.#send(chunk, encoding);
    this.#endWrite();
  }

  /** A WebSocket ends here. The end of a request is in its framing. */
  override _final(done: Done): void {
    if (this.#writer.isTunnel && this.#stream?.hasEnded === false) this.#stream.write(NOTHING, 0, 0, true);
    done();
  }

  /** A request is written after a response that is complete by its length, but whose stream may not have ended yet. */
  #leaveComplete(): void {
    if (this.#stream === undefined || !this.#reader.hasEnded) return;
    if (this.#isFlushing) this.flush();
    const stream = this.#stream as Http2Stream | undefined;
    if (stream === undefined || !this.#writer.isComplete) return;
    this.#connection!.end(stream);
    this.#isWhole = true;
    this.#settle();
  }

  /** A request begins: gets a connection for it. */
  #take(pieces: readonly Piece[], done: Done): void {
    this.#pending = pieces;
    this.#done = done;
    this.#isWaiting = true;
    this.hasWaited = false;
    this.#source.take(this, this.#isFresh);
    this.#isFresh = false;
    if (this.#isWaiting) this.connecting = this.hasWaited = true;
  }

  connected(connection: SharedConnection): void {
    this.#isWaiting = false;
    this.#connection = connection;
    this.#wasKept = connection.isKept;
    if (this.connecting) {
      this.connecting = false;
      this.emit('connect');
    }
    const pieces = this.#pending!;
    this.#pending = undefined;
    for (const { chunk, encoding } of pieces) this.#send(chunk, encoding);
    this.#endWrite();
  }

  unreachable(error: NodeJS.ErrnoException): void {
    this.#isWaiting = false;
    this.destroy(error);
  }

  #send(chunk: Buffer | string, encoding: BufferEncoding): void {
    if (this.#isDropping || this.destroyed) return;
    try {
      if (typeof chunk !== 'string') this.#reader.read(chunk);
      else if (encoding === 'latin1') this.#reader.readText(chunk);
      else this.#reader.read(Buffer.from(chunk, encoding));
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  /** The write is done, unless some of it waits. */
  #endWrite(): void {
    if (!this.#isDropping && this.#stream !== undefined && this.#stream.waiting > 0) return;
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  onRequest(parts: RequestParts, isEnd: boolean): void {
    const connection = this.#connection!;
    const { method, path, authority, isWebSocket, fields } = parts;
    if (isWebSocket && !connection.allowsExtendedConnect) {
      const what = 'the replica does not support WebSockets over HTTP/2';
      this.destroy(failed(REPLICA_ERROR.noWebSocket, `${what} (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441)`));
      return;
    }
    this.#isWhole = this.#isDropping = this.mayBeStale = false;
    this.#writer.begin(method === 'HEAD', isWebSocket ? parts.webSocketKey : undefined);
    const stream = connection.open(this);
    this.#stream = stream;
    const head = stream.head();
    head.field(intern(':method', method)).field(intern(':scheme', this.#source.scheme));
    head.field(intern(':authority', authority)).field(intern(':path', path));
    if (isWebSocket) head.field(intern(':protocol', 'websocket'));
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      if (CHANGING.has(name)) head.add(name, fields[i + 1]!);
      else head.field(intern(name, fields[i + 1]!));
    }
    head.send(isEnd);
  }

  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#stream?.write(bytes, from, to, isEnd);
    if (isEnd) this.#settle();
  }

  onTrailers(fields: readonly string[]): void {
    const head = this.#stream?.head();
    for (let i = 0; i < fields.length; i += 2) head?.add(fields[i]!, fields[i + 1]!);
    head?.send(true);
    this.#settle();
  }

  onSent(stream: Http2Stream): void {
    if (stream === this.#stream && stream.waiting === 0) this.#endWrite();
  }

  // ── The response ─────────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(_stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    const writer = this.#writer;
    if (!writer.hasHead) {
      this.#text += writer.head(block, isEnd);
      if (isEnd) this.#end(undefined);
    } else if (isEnd) this.#end(block);
    else writer.problem = 'trailers that do not end the response';
    this.#pushSoon();
  }

  onData(_stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    const size = to - from;
    const writer = this.#writer;
    this.#received += size;
    if (size > 0) {
      this.#text += writer.before(size);
      if (size <= SMALL_BYTES) this.#text += bytes.latin1Slice(from, to);
      else {
        this.#endText();
        this.#pieces.push(Buffer.from(bytes.subarray(from, to)));
      }
      this.#text += writer.after;
    }
    if (isEnd) this.#end(undefined);
    this.#pushSoon();
  }

  #end(trailers: HeaderBlock | undefined): void {
    if (this.#writer.problem === '') this.#text += this.#writer.end(trailers);
    this.#isWhole = true;
  }

  /**
   * Something of the response came. It is pushed when all that came with it was read, since a short response then is one
   * piece.
   */
  #pushSoon(): void {
    const { problem } = this.#writer;
    if (problem !== '') {
      this.destroy(failed(REPLICA_ERROR.malformed, problem));
      return;
    }
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    process.nextTick(flush, this);
  }

  #endText(): void {
    if (this.#text === '') return;
    this.#pieces.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }

  /** Pushes what came. */
  flush(): void {
    this.#isFlushing = false;
    if (this.destroyed) return;
    this.#endText();
    const pieces = this.#pieces;
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    pieces.length = 0;
    const stream = this.#stream;
    const received = this.#received;
    this.#received = 0;
    if (this.#isWhole) {
      // Nothing more comes that could be held back. First, since who gets the end may write the next request at once.
      this.#readOn();
      stream?.consumed(received);
      const isTunnel = this.#writer.isTunnel;
      this.#settle();
      if (bytes.length > 0) this.push(bytes);
      if (isTunnel) this.push(null);
    } else {
      const isRead = (bytes.length === 0 || this.push(bytes)) && !this.isPaused();
      if (isRead) stream?.consumed(received);
      else if (!this.destroyed) this.#holdBack(received);
    }
  }

  /** The bytes are not read: the replica gets credit for them when they are. */
  #holdBack(bytes: number): void {
    if (bytes > 0 && this.#unread === 0) this.#connection!.unread++;
    this.#unread += bytes;
  }

  #readOn(): void {
    if (this.#unread === 0) return;
    this.#stream?.consumed(this.#unread);
    this.#unread = 0;
    this.#connection!.unread--;
  }

  /** What was pushed is read. */
  override _read(): void {
    this.#readOn();
  }

  /** Both sides have ended: the next bytes are another request. */
  #settle(): void {
    if (!this.#isWhole || !this.#reader.hasEnded || this.#isFlushing || this.#writer.isTunnel) return;
    this.#reader.begin();
    this.#stream = undefined;
    this.#connection = undefined;
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  onReset(stream: Http2Stream, code: number, isLost: boolean): void {
    // After the response it means that the rest of the request is not wanted (RFC 9113 8.1).
    if (this.#isWhole) {
      this.#isDropping = true;
      this.#endWrite();
      return;
    }
    if (this.#isFlushing) this.flush();
    this.mayBeStale = isLost && this.#wasKept;
    this.destroy(resetError(stream, code, isLost));
  }

  override _destroy(error: Error | null, done: Done): void {
    if (this.#isWaiting) this.#source.leave(this);
    this.#readOn();
    const stream = this.#stream;
    if (stream !== undefined) this.#connection!.end(stream);
    this.#stream = undefined;
    this.#done = undefined;
    done(error);
  }
}

const flush = (socket: Http2ReplicaSocket): void => socket.flush();

function resetError({ problem }: Http2Stream, code: number, isLost: boolean): NodeJS.ErrnoException {
  if (code === ERROR_CODE.refusedStream)
    return failed(REPLICA_ERROR.unread, 'the replica refused the request before it read it (REFUSED_STREAM)');
  if (isLost) return failed(REPLICA_ERROR.lost, 'the HTTP/2 connection was closed before the response ended');
  if (problem !== '') return failed(REPLICA_ERROR.malformed, `the response is malformed: ${problem}`);
  return failed(REPLICA_ERROR.reset, `the replica reset the stream (${errorCodeName(code)})`);
}
