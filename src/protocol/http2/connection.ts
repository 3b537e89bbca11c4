// One HTTP/2 connection over a TCP, Unix or TLS socket, as server or client (RFC 9113). Hot path.
//
//   socket ──► FrameReader ──► FrameReceiver ──► HeaderReceiver ──► listeners
//                 frames          rules            header blocks
//   streams ──► HeaderWriter, DataSender ──► Output ──► socket, once per turn of the event loop
//
// Invariant: every stream that a listener knows ends with END_STREAM of both sides, `reset`, or `onReset`; and no bytes of a
// peer make this throw.
import type { Socket } from 'node:net';
import { linger, LINGER_MS } from '../http/linger.ts';
import { CLOSED, type ClosedHow } from './closed-streams.ts';
import type { Http2Options } from './connection-options.ts';
import { ConnectionReads } from './connection-reads.ts';
import { ConnectionWindow } from './connection-window.ts';
import { DataSender } from './data-sender.ts';
import { ERROR_CODE, errorCodeName, Http2ConnectionError } from './error-code.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameReceiver } from './frame-receiver.ts';
import { FLAG, FRAME, MAX_STREAM_ID, PREFACE } from './frame-types.ts';
import { FloodGuard } from './flood-guard.ts';
import { HeaderWriter } from './header-writer.ts';
import { Encoder } from './hpack/encoder.ts';
import type { HeaderBlock } from './hpack/header-block.ts';
import { GOAWAY_PING, Lifetime } from './lifetime.ts';
import { Output } from './output.ts';
import { OpenStreams } from './open-streams.ts';
import { ownSettings, PeerSettings } from './peer-settings.ts';
import { Http2Stream } from './stream.ts';
import type { StreamListener } from './stream-listener.ts';

/** Events of a connection. */
export interface ConnectionListener {
  /**
   * Server: a request. Must set `stream.listener`. `block` is well formed; if it is too large (`isTooLarge`), some of its
   * fields are missing.
   */
  onStream(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void;
  /** The peer's SETTINGS came. */
  onReady(connection: Http2Connection): void;
  /** The peer sent GOAWAY, or this side does: no new streams. Streams that are open go on. */
  onLeaving(connection: Http2Connection): void;
  /** The connection has ended, after `onReset` of all its streams. `error`: why, if not as planned. */
  onGone(connection: Http2Connection, error: Http2ConnectionError | undefined): void;
}

export class Http2Connection {
  readonly socket: Socket;
  readonly options: Http2Options;
  readonly isServer: boolean;
  /** The peer's SETTINGS came. */
  isReady = false;
  /** GOAWAY was sent or received. */
  isLeaving = false;
  isGone = false;
  /** Why it has ended; `undefined` while it is open, or if it ended as planned. Set before the streams are told. */
  error: Http2ConnectionError | undefined = undefined;
  /** What the peer has set. */
  readonly peer = new PeerSettings();

  // For the parts of the connection.
  readonly listener: ConnectionListener;
  readonly output: Output;
  readonly headerWriter: HeaderWriter;
  readonly sender: DataSender;
  readonly window: ConnectionWindow;
  readonly guard: FloodGuard;
  readonly streams: OpenStreams;
  /** The GOAWAY with the last id was sent: later streams are refused. */
  hasSaidLastId = false;
  readonly #encoder = new Encoder();
  readonly #reads: ConnectionReads;
  readonly #reader: FrameReader;
  readonly #lifetime: Lifetime;
  #socketError: Error | undefined;
  /** The error of the peer's GOAWAY. */
  #peerError: Http2ConnectionError | undefined;

  /** `socket`: connected or connecting. What was read from it must be put back with `unshift`. */
  constructor(socket: Socket, options: Http2Options, listener: ConnectionListener) {
    this.socket = socket;
    this.options = options;
    this.listener = listener;
    this.isServer = options.role === 'server';
    this.streams = new OpenStreams(this.isServer, options.counters);
    this.output = new Output(socket, options.maxUnreadBytes, () => this.#onDrain());
    this.headerWriter = new HeaderWriter(this.output, this.#encoder);
    this.sender = new DataSender(this.output, this.headerWriter);
    this.guard = new FloodGuard(options);
    this.#reader = new FrameReader(new FrameReceiver(this), this.isServer);
    this.#lifetime = new Lifetime(this);
    if (!this.isServer) this.output.raw(PREFACE);
    const settings = ownSettings(options);
    this.output.whole(FRAME.settings, 0, 0, settings, 0, settings.length);
    this.window = new ConnectionWindow(this.output, options, () => this.streams.mostHeld());
    options.counters.connections++;
    socket.setNoDelay(true);
    this.#reads = new ConnectionReads(socket, (bytes, from, to) => this.read(bytes, from, to));
    socket.on('drain', this.#onDrain);
    socket.on('error', this.#onError);
    socket.on('end', this.#onClose);
    socket.on('close', this.#onClose);
    socket.resume();
  }

  /** A stream may be opened now. Before `isReady` the peer's limit of streams is not known. */
  get hasRoom(): boolean {
    return !this.isGone && !this.isLeaving && this.openStreams < this.peer.maxStreams;
  }

  /** Streams that are open now. */
  get openStreams(): number {
    return this.streams.count;
  }

  /** Bytes of DATA that were received and are not consumed yet. */
  get heldBytes(): number {
    return this.window.held;
  }

  /** Client: opens a stream. `hasRoom` must be true. Its head is sent next. */
  openStream(listener: StreamListener): Http2Stream {
    if (!this.hasRoom) throw new Error('no stream may be opened on this HTTP/2 connection');
    const stream = new Http2Stream(this, 0, listener);
    this.addStream(stream);
    return stream;
  }

  /** Ends gracefully: no new streams, and the connection closes when none is open. */
  goAway(): void {
    if (this.isGone || this.hasSaidLastId || this.#lifetime.goAwayMs !== -1) return;
    this.isLeaving = true;
    if (this.isServer) {
      // Streams on the way are still served: the last id is said when the peer knows (RFC 9113 6.8).
      this.#lifetime.goAwayMs = performance.now();
      this.#writeGoAway(MAX_STREAM_ID, ERROR_CODE.noError);
      this.sendPing(GOAWAY_PING);
    } else this.sayLastId();
    this.listener.onLeaving(this);
  }

  /** Ends at once, with GOAWAY. `code`: ERROR_CODE.noError unless something is wrong. */
  destroy(code: number = ERROR_CODE.noError): void {
    if (this.isGone) return;
    this.#writeGoAway(this.streams.lastPeerId, code);
    this.#end(undefined, code);
    this.#close();
  }

  /** Checks the time limits. Must be called about every 100 ms with performance.now(). */
  sweep(nowMs: number): void {
    if (!this.isGone) this.#lifetime.sweep(nowMs);
  }

  /** Reads bytes[from, to), which are only borrowed. */
  read(bytes: Buffer, from: number, to: number): void {
    if (this.isGone) return;
    this.#lifetime.hasReceived = true;
    this.#reader.read(bytes, from, to);
    if (this.output.isOverflowing) this.fail(this.guard.unreadOutput());
  }

  // ── Errors ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends the connection with GOAWAY and this error. */
  fail(error: Http2ConnectionError): void {
    if (this.isGone) return;
    this.#writeGoAway(this.streams.lastPeerId, error.code);
    this.#end(error, error.code);
    // Its output would be kept until the peer reads.
    if (error.problem === 'unread_output') this.socket.destroy();
    else this.#close();
  }

  /** The peer broke a rule: the connection ends (RFC 9113 5.4.1). */
  violated(message: string, code: number = ERROR_CODE.protocolError): void {
    this.fail(new Http2ConnectionError('protocol', code, message));
  }

  wrongSize(frame: string): void {
    this.violated(`${frame} with a wrong size`, ERROR_CODE.frameSizeError);
  }

  /** The peer broke a rule on a stream: it is reset (RFC 9113 5.4.2). */
  streamViolated(stream: Http2Stream, code: number, problem: string): void {
    stream.problem = problem;
    stream.reset(code);
    stream.listener.onReset(stream, code, false);
    this.#allow(this.guard.reset());
  }

  /** Resets a stream that the peer has just opened, before a listener knows it. */
  refuseStream(id: number, code: number): void {
    this.streams.refuse(id);
    this.writeReset(id, code);
    this.#allow(this.guard.reset());
  }

  /** A frame came that must not come on a closed stream. */
  resetClosed(id: number): void {
    this.writeReset(id, ERROR_CODE.streamClosed);
    this.#allow(this.guard.reset());
  }

  writeReset(id: number, code: number): void {
    this.options.counters.resetByWeir++;
    this.output.frame32(FRAME.rstStream, id, code);
  }

  /** Counts a frame that moves nothing. Returns false if the connection has ended for it. */
  control(type: number, cost = 1): boolean {
    return this.#allow(this.guard.control(type, cost));
  }

  /** Counts a WINDOW_UPDATE. Returns false if the connection has ended for it. */
  countUpdate(): boolean {
    return this.#allow(this.guard.windowUpdate());
  }

  #allow(error: Http2ConnectionError | undefined): boolean {
    if (error !== undefined) this.fail(error);
    return error === undefined;
  }

  // ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────

  addStream(stream: Http2Stream): void {
    this.streams.add(stream);
    this.guard.streamOpened();
  }

  /** Client: gives a stream its id, since its head is sent now. */
  nameStream(stream: Http2Stream): void {
    this.streams.name(stream);
    if (this.streams.isExhausted) this.goAway();
  }

  /** Removes a stream that has ended or was reset. */
  closeStream(stream: Http2Stream, how: ClosedHow): void {
    stream.isOpen = false;
    this.streams.close(stream, how);
    if (stream.queue !== undefined) this.sender.drop(stream);
    if (how === CLOSED.ended) this.guard.streamEnded();
    if (this.isLeaving) this.#closeIfEmpty();
  }

  /** The peer has sent END_STREAM. */
  peerEnded(stream: Http2Stream): void {
    stream.hasPeerEnded = true;
    if (stream.hasSentEnd) this.closeStream(stream, CLOSED.ended);
  }

  /** The peer has sent RST_STREAM. */
  peerReset(stream: Http2Stream, code: number): void {
    this.options.counters.resetByPeer++;
    stream.release();
    this.closeStream(stream, CLOSED.resetByPeer);
    stream.listener.onReset(stream, code, false);
    this.#allow(this.guard.reset());
  }

  // ── Frames for the connection ───────────────────────────────────────────────────────────────────────────────────

  /** The payload of a SETTINGS frame. */
  applySettings(bytes: Buffer, from: number, to: number): void {
    const { peer } = this;
    const { streamWindow, headerTableBytes } = peer;
    const code = peer.apply(bytes, from, to, !this.isServer);
    if (code !== ERROR_CODE.noError) return this.violated('SETTINGS with a value that is not allowed', code);
    if (peer.headerTableBytes !== headerTableBytes) this.#encoder.limit(peer.headerTableBytes);
    this.output.whole(FRAME.settings, FLAG.ack, 0, bytes, to, to);
    if (peer.streamWindow !== streamWindow && !this.#changeWindows(peer.streamWindow - streamWindow)) return;
    if (this.isReady) return;
    this.isReady = true;
    this.listener.onReady(this);
  }

  /** Changes the windows of all streams (RFC 9113 6.9.2). */
  #changeWindows(by: number): boolean {
    for (const stream of this.streams.all()) {
      // Sending to one may have closed another.
      if (!stream.isOpen || this.sender.growStream(stream, by)) continue;
      this.violated('SETTINGS make a window larger than 2^31-1', ERROR_CODE.flowControlError);
      return false;
    }
    return !this.isGone;
  }

  settingsAcknowledged(): void {
    this.#lifetime.areSettingsAcknowledged = true;
  }

  sendPing(payload: Buffer): void {
    this.output.whole(FRAME.ping, 0, 0, payload, 0, payload.length);
  }

  pingAcknowledged(bytes: Buffer, from: number): void {
    if (bytes.compare(GOAWAY_PING, 0, GOAWAY_PING.length, from, from + GOAWAY_PING.length) === 0)
      this.sayLastId();
  }

  /** The second step of a graceful shutdown: later streams are not served. */
  sayLastId(): void {
    if (this.hasSaidLastId || !this.isLeaving) return;
    this.hasSaidLastId = true;
    this.#writeGoAway(this.streams.lastPeerId, ERROR_CODE.noError);
    this.#closeIfEmpty();
  }

  #writeGoAway(lastId: number, code: number): void {
    this.options.counters.goAwaysSent++;
    this.output.goAway(lastId, code);
  }

  /** The peer has sent GOAWAY. */
  peerLeaves(lastId: number, code: number, text: string): void {
    this.options.counters.goAwaysReceived++;
    this.isLeaving = true;
    if (code !== ERROR_CODE.noError) {
      const reason = text === '' ? errorCodeName(code) : `${errorCodeName(code)} (${text})`;
      this.#peerError = new Http2ConnectionError('goaway', code, `the peer ended the connection: ${reason}`);
    }
    if (!this.isServer)
      for (const stream of this.streams.all()) {
        if (!stream.isOpen || (stream.id !== 0 && stream.id <= lastId)) continue;
        stream.release();
        this.closeStream(stream, CLOSED.resetByPeer);
        stream.listener.onReset(stream, ERROR_CODE.refusedStream, false);
      }
    if (this.isGone) return;
    this.listener.onLeaving(this);
    this.#closeIfEmpty();
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Closes a connection that is leaving and has no stream. Later, since a listener may still be told of the last one. */
  #closeIfEmpty(): void {
    if (this.openStreams > 0 || this.isGone) return;
    setImmediate(() => {
      // Streams may be on the way.
      const isBetweenSteps = this.#lifetime.goAwayMs !== -1 && !this.hasSaidLastId;
      if (this.openStreams > 0 || this.isGone || isBetweenSteps) return;
      if (!this.hasSaidLastId) this.#writeGoAway(this.streams.lastPeerId, ERROR_CODE.noError);
      this.#end(this.#peerError, ERROR_CODE.noError);
      this.#close();
    });
  }

  /** Writes what is left and lets the peer read it. */
  #close(): void {
    if (this.socket.connecting) return void this.socket.destroy();
    this.socket.end();
    linger(this.socket, LINGER_MS);
  }

  /** Tells all listeners. */
  #end(error: Http2ConnectionError | undefined, code: number): void {
    this.output.flush();
    this.isGone = true;
    this.error = error;
    for (const stream of this.streams.all()) {
      if (!stream.isOpen) continue;
      stream.release();
      this.closeStream(stream, CLOSED.resetByPeer);
      stream.listener.onReset(stream, code, true);
    }
    this.window.close();
    this.#reads.stop();
    this.options.counters.connectionEnded(error?.problem);
    this.listener.onGone(this, error);
  }

  readonly #onDrain = (): void => {
    this.output.isFull = false;
    if (!this.isGone) this.sender.pump();
  };

  readonly #onError = (error: Error): void => {
    this.#socketError = error;
  };

  /** The peer has closed its side, or the socket has failed. */
  readonly #onClose = (): void => {
    if (!this.isGone) this.#end(this.#lossError(), ERROR_CODE.internalError);
    this.socket.destroySoon();
  };

  #lossError(): Http2ConnectionError | undefined {
    const error = this.#socketError;
    if (error !== undefined)
      return new Http2ConnectionError(
        'socket',
        ERROR_CODE.internalError,
        `the connection failed: ${error.message}`,
        error,
      );
    if (this.#peerError !== undefined || this.openStreams === 0) return this.#peerError;
    return new Http2ConnectionError('socket', ERROR_CODE.internalError, 'the peer closed the connection');
  }
}
