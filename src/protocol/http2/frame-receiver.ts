// The rules for each frame that a connection receives (RFC 9113 6). Hot path.
// Invariant: an error of one stream ends that stream only, unless the RFC wants the connection to end.
import { CLOSED } from './closed-streams.ts';
import type { Http2Connection } from './connection.ts';
import { ERROR_CODE } from './error-code.ts';
import { FLAG, FRAME, frameName, readUint31, readUint32 } from './frame-types.ts';
import type { FrameListener } from './frame-reader.ts';
import { HeaderReceiver, WRONG_LENGTH } from './header-receiver.ts';
import { SETTING_BYTES } from './peer-settings.ts';
import type { Http2Stream } from './stream.ts';

const PING_BYTES = 8;
const PRIORITY_BYTES = 5;
const CODE_BYTES = 4;
/** Settings in one frame that cost as much as another frame. */
const SETTINGS_PER_FRAME = 16;

export class FrameReceiver implements FrameListener {
  readonly #connection: Http2Connection;
  readonly #headers: HeaderReceiver;
  /** Stream of the current DATA frame; `undefined`: its bytes are dropped. */
  #dataStream: Http2Stream | undefined;
  #isDataEnd = false;

  constructor(connection: Http2Connection) {
    this.#connection = connection;
    this.#headers = new HeaderReceiver(connection);
  }

  get isGone(): boolean {
    return this.#connection.isGone;
  }

  onWrongPreface(): void {
    this.#connection.violated('the client does not begin with the HTTP/2 preface');
  }

  onTooLong(type: number, length: number): void {
    const connection = this.#connection;
    // "HTTP/1.1 400" read as a frame has a length of 4,740,180.
    if (!connection.isReady && length === HTTP_LENGTH)
      return connection.violated('the peer speaks HTTP/1.1, not HTTP/2');
    connection.violated(`${frameName(type)} with ${length} bytes`, ERROR_CODE.frameSizeError);
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (!this.#isInOrder(type, flags)) return;
    switch (type) {
      case FRAME.data:
        return this.#onPaddedData(flags, id, bytes, from, to);
      case FRAME.headers:
        return this.#headers.onHeaders(flags, id, bytes, from, to);
      case FRAME.continuation:
        return this.#headers.onContinuation(flags, id, bytes, from, to);
      case FRAME.windowUpdate:
        return this.#onWindowUpdate(id, bytes, from, to);
      case FRAME.rstStream:
        return this.#onRstStream(id, bytes, from, to);
      case FRAME.settings:
        return this.#onSettings(flags, id, bytes, from, to);
      case FRAME.ping:
        return this.#onPing(flags, id, bytes, from, to);
      case FRAME.goAway:
        return this.#onGoAway(id, bytes, from, to);
      case FRAME.priority:
        return this.#onPriority(id, bytes, from, to);
      case FRAME.pushPromise:
        // Clients must not push, and servers were told not to (RFC 9113 8.4).
        return this.#connection.violated('PUSH_PROMISE, which is not allowed');
      default:
        // Unknown frames are ignored (RFC 9113 5.5).
        this.#connection.control(type);
    }
  }

  /** A header section is not interrupted (RFC 9113 6.10), and the first frame is SETTINGS (3.4). */
  #isInOrder(type: number, flags: number): boolean {
    const connection = this.#connection;
    if (this.#headers.isInSection && type !== FRAME.continuation) {
      connection.violated(`${frameName(type)} within a header section`);
      return false;
    }
    if (connection.isReady || (type === FRAME.settings && (flags & FLAG.ack) === 0)) return true;
    connection.violated(`the first frame is ${frameName(type)}, not SETTINGS`);
    return false;
  }

  // ── DATA (RFC 9113 6.1) ─────────────────────────────────────────────────────────────────────────────────────────

  onDataHead(id: number, length: number, isEnd: boolean): void {
    if (this.#isInOrder(FRAME.data, 0)) this.#beginData(id, length, isEnd);
  }

  onDataPiece(bytes: Buffer, from: number, to: number, isLast: boolean): void {
    const stream = this.#dataStream;
    if (stream === undefined) return;
    const connection = this.#connection;
    // It may have been reset between two pieces.
    if (!stream.isOpen || stream.isPeerStopped) {
      if (isLast && this.#isDataEnd && stream.isOpen) connection.peerEnded(stream);
      return;
    }
    const isEnd = isLast && this.#isDataEnd;
    if (!stream.countContent(to - from, isEnd)) {
      this.#dataStream = undefined;
      return connection.streamViolated(stream, ERROR_CODE.protocolError, WRONG_LENGTH);
    }
    if (isLast) this.#dataStream = undefined;
    stream.hold(to - from);
    if (isEnd) connection.peerEnded(stream);
    if (to > from || isEnd) stream.listener.onData(stream, bytes, from, to, isEnd);
  }

  #onPaddedData(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const padding = bytes[from]!;
    if (from === to || from + 1 + padding > to)
      return this.#connection.violated('DATA with more padding than payload');
    this.#beginData(id, to - from, (flags & FLAG.endStream) !== 0);
    if (this.#connection.isGone) return;
    const stream = this.#dataStream;
    if (padding >= to - from - 1 && !this.#isDataEnd && !this.#connection.control(FRAME.data)) return;
    this.onDataPiece(bytes, from + 1, to - padding, true);
    if (stream !== undefined) stream.skipPadding();
  }

  #beginData(id: number, length: number, isEnd: boolean): void {
    const connection = this.#connection;
    this.#dataStream = undefined;
    this.#isDataEnd = isEnd;
    if (id === 0) return connection.violated('DATA on stream 0');
    if (!connection.window.received(length))
      return connection.violated('DATA above the window of the connection', ERROR_CODE.flowControlError);
    connection.guard.dataReceived(length);
    if (length === 0 && !isEnd && !connection.control(FRAME.data)) return;
    const stream = connection.streams.get(id);
    if (stream === undefined) return this.#onDataOfClosed(id);
    if (stream.hasPeerEnded)
      return connection.streamViolated(stream, ERROR_CODE.streamClosed, 'DATA after the end of the stream');
    if (!stream.receive(length))
      return connection.streamViolated(
        stream,
        ERROR_CODE.flowControlError,
        'DATA above the window of the stream',
      );
    if (!stream.hasPeerHead)
      return connection.streamViolated(
        stream,
        ERROR_CODE.protocolError,
        'DATA before the head of the response',
      );
    this.#dataStream = stream;
  }

  #onDataOfClosed(id: number): void {
    const connection = this.#connection;
    if (connection.streams.isIdle(id)) return connection.violated(`DATA on stream ${id}, which is not open`);
    const how = connection.streams.howClosed(id);
    // The peer may have sent it before it knew of the reset.
    if (how === CLOSED.resetHere || how === CLOSED.forgotten) return;
    connection.resetClosed(id);
  }

  // ── Frames for one stream ───────────────────────────────────────────────────────────────────────────────────────

  /** RFC 9113 6.9. */
  #onWindowUpdate(id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    if (to - from !== CODE_BYTES) return connection.wrongSize('WINDOW_UPDATE');
    if (!connection.countUpdate()) return;
    const by = readUint31(bytes, from);
    if (id === 0) {
      if (by === 0) return connection.violated('WINDOW_UPDATE by 0');
      if (!connection.sender.grow(by))
        connection.violated('WINDOW_UPDATE above 2^31-1', ERROR_CODE.flowControlError);
      return;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined) {
      if (connection.streams.isIdle(id))
        connection.violated(`WINDOW_UPDATE on stream ${id}, which is not open`);
      return;
    }
    if (by === 0) return connection.streamViolated(stream, ERROR_CODE.protocolError, 'WINDOW_UPDATE by 0');
    if (!connection.sender.growStream(stream, by))
      connection.streamViolated(stream, ERROR_CODE.flowControlError, 'WINDOW_UPDATE above 2^31-1');
  }

  /** RFC 9113 6.4. */
  #onRstStream(id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    if (to - from !== CODE_BYTES) return connection.wrongSize('RST_STREAM');
    if (connection.streams.isIdle(id))
      return connection.violated(`RST_STREAM on stream ${id}, which is not open`);
    const stream = connection.streams.get(id);
    if (stream === undefined) connection.control(FRAME.rstStream);
    else connection.peerReset(stream, readUint32(bytes, from));
  }

  /** RFC 9113 5.3.2: priorities are ignored. */
  #onPriority(id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    if (id === 0) return connection.violated('PRIORITY on stream 0');
    if (!connection.control(FRAME.priority)) return;
    const isWrongSize = to - from !== PRIORITY_BYTES;
    if (!isWrongSize && readUint31(bytes, from) !== id) return;
    const code = isWrongSize ? ERROR_CODE.frameSizeError : ERROR_CODE.protocolError;
    const stream = connection.streams.get(id);
    if (stream !== undefined) connection.streamViolated(stream, code, 'PRIORITY that is invalid');
    else if (connection.streams.isIdle(id))
      connection.violated(`PRIORITY of stream ${id} that is invalid`, code);
  }

  // ── Frames for the connection ───────────────────────────────────────────────────────────────────────────────────

  /** RFC 9113 6.5. */
  #onSettings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    if (id !== 0) return connection.violated('SETTINGS on a stream');
    if ((flags & FLAG.ack) !== 0) {
      if (to > from) return connection.wrongSize('SETTINGS with ACK');
      if (connection.control(FRAME.settings)) connection.settingsAcknowledged();
      return;
    }
    if ((to - from) % SETTING_BYTES !== 0) return connection.wrongSize('SETTINGS');
    const cost = 1 + Math.floor((to - from) / SETTING_BYTES / SETTINGS_PER_FRAME);
    if (connection.control(FRAME.settings, cost)) connection.applySettings(bytes, from, to);
  }

  /** RFC 9113 6.7. */
  #onPing(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    if (to - from !== PING_BYTES) return connection.wrongSize('PING');
    if (id !== 0) return connection.violated('PING on a stream');
    if (!connection.control(FRAME.ping)) return;
    if ((flags & FLAG.ack) !== 0) connection.pingAcknowledged(bytes, from);
    else connection.output.whole(FRAME.ping, FLAG.ack, 0, bytes, from, to);
  }

  /** RFC 9113 6.8. */
  #onGoAway(id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    if (id !== 0) return connection.violated('GOAWAY on a stream');
    if (to - from < CODE_BYTES * 2) return connection.wrongSize('GOAWAY');
    if (!connection.control(FRAME.goAway)) return;
    const text = bytes.latin1Slice(from + CODE_BYTES * 2, Math.min(to, from + CODE_BYTES * 2 + MAX_TEXT));
    connection.peerLeaves(readUint31(bytes, from), readUint32(bytes, from + CODE_BYTES), text);
  }
}

/** Bytes of a GOAWAY's text that are kept. */
const MAX_TEXT = 200;
/** The first three bytes of "HTTP/1.1" as the length of a frame. */
const HTTP_LENGTH = 0x48_54_54;
