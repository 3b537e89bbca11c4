// Receives header sections: puts HEADERS and CONTINUATION together, decodes them and checks them (RFC 9113 4.3, 6.2, 6.10,
// 8.1). Hot path.
// Invariant: every block is decoded, also one that is dropped, since the blocks after it depend on it.
import { CLOSED } from './closed-streams.ts';
import type { Http2Connection } from './connection.ts';
import { ERROR_CODE } from './error-code.ts';
import { FLAG, FRAME, readUint31 } from './frame-types.ts';
import { Decoder } from './hpack/decoder.ts';
import type { HeaderBlock } from './hpack/header-block.ts';
import { HpackError } from './hpack/hpack-error.ts';
import { Http2Stream } from './stream.ts';
import { NO_LISTENER } from './stream-listener.ts';

const PRIORITY_BYTES = 5;
/** Frames of one header section. More than these need no end: a flood (CVE-2024-27983). */
const MAX_SECTION_FRAMES = 32;
/** Compressed bytes of a section, as a multiple of the allowed list. */
const MAX_EXCESS = 4;

/** RFC 9113 8.1.1. */
export const WRONG_LENGTH = 'the content is not as long as content-length says';

export class HeaderReceiver {
  readonly #connection: Http2Connection;
  readonly #decoder: Decoder;
  /** The section that CONTINUATION frames go on with. */
  #parts: Buffer[] | undefined;
  #bytes = 0;
  #id = 0;
  #isEnd = false;
  #isSelfDependent = false;

  constructor(connection: Http2Connection) {
    this.#connection = connection;
    this.#decoder = new Decoder(connection.options.maxHeaderListBytes);
  }

  /** Only CONTINUATION may come next. */
  get isInSection(): boolean {
    return this.#parts !== undefined;
  }

  onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    if (id === 0) return connection.violated('HEADERS on stream 0');
    this.#id = id;
    this.#isEnd = (flags & FLAG.endStream) !== 0;
    this.#isSelfDependent = false;
    if ((flags & FLAG.padded) !== 0) to -= from < to ? bytes[from++]! : 1;
    if ((flags & FLAG.priority) !== 0) {
      if (to - from < PRIORITY_BYTES) return connection.wrongSize('HEADERS');
      this.#isSelfDependent = readUint31(bytes, from) === id;
      from += PRIORITY_BYTES;
    }
    if (to < from) return connection.violated('HEADERS with more padding than payload');
    if ((flags & FLAG.endHeaders) !== 0) return this.#onSection(bytes, from, to);
    this.#parts = [Buffer.from(bytes.subarray(from, to))];
    this.#bytes = to - from;
  }

  onContinuation(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    const parts = this.#parts;
    if (parts === undefined || id !== this.#id) return connection.violated('CONTINUATION without HEADERS');
    parts.push(Buffer.from(bytes.subarray(from, to)));
    this.#bytes += to - from;
    const isTooMuch = this.#bytes > connection.options.maxHeaderListBytes * MAX_EXCESS;
    if (isTooMuch || parts.length > MAX_SECTION_FRAMES)
      return connection.fail(connection.guard.headerFrames(this.#bytes, parts.length));
    if ((flags & FLAG.endHeaders) === 0) return;
    this.#parts = undefined;
    this.#onSection(Buffer.concat(parts), 0, this.#bytes);
  }

  /** A whole block. */
  #onSection(bytes: Buffer, from: number, to: number): void {
    const connection = this.#connection;
    let block: HeaderBlock;
    try {
      block = this.#decoder.decode(bytes, from, to);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      const code = error.isExcessive ? ERROR_CODE.enhanceYourCalm : ERROR_CODE.compressionError;
      return connection.violated(error.message, code);
    }
    const stream = connection.streams.get(this.#id);
    if (stream !== undefined) this.#onKnown(stream, block);
    else if (connection.streams.isNew(this.#id)) this.#onNew(block);
    else this.#onUnknown();
  }

  /** A request. */
  #onNew(block: HeaderBlock): void {
    const connection = this.#connection;
    const id = this.#id;
    connection.streams.lastPeerId = id;
    if (connection.hasSaidLastId || connection.openStreams >= connection.options.maxStreams)
      return connection.refuseStream(id, ERROR_CODE.refusedStream);
    if (this.#isSelfDependent || block.requestProblem() !== '')
      return connection.refuseStream(id, ERROR_CODE.protocolError);
    const stream = new Http2Stream(connection, id, NO_LISTENER);
    stream.hasPeerHead = true;
    stream.contentLeft = block.contentLength;
    if (this.#isEnd && block.contentLength > 0) return connection.refuseStream(id, ERROR_CODE.protocolError);
    stream.hasPeerEnded = this.#isEnd;
    connection.addStream(stream);
    connection.listener.onStream(stream, block, this.#isEnd);
  }

  /** Trailers, or a response. */
  #onKnown(stream: Http2Stream, block: HeaderBlock): void {
    const connection = this.#connection;
    const isEnd = this.#isEnd;
    if (stream.hasPeerEnded)
      return connection.streamViolated(
        stream,
        ERROR_CODE.streamClosed,
        'HEADERS after the end of the stream',
      );
    const problem = this.#isSelfDependent ? 'a stream depends on itself' : problemOf(stream, block, isEnd);
    if (problem !== '') return connection.streamViolated(stream, ERROR_CODE.protocolError, problem);
    if (!stream.hasPeerHead) {
      stream.hasPeerHead = block.status.charCodeAt(0) !== 49;
      if (stream.hasPeerHead) stream.contentLeft = block.contentLength;
      else if (!connection.control(FRAME.headers)) return;
    }
    if (isEnd) {
      if (!stream.countContent(0, true))
        return connection.streamViolated(stream, ERROR_CODE.protocolError, WRONG_LENGTH);
      connection.peerEnded(stream);
    }
    if (!stream.isPeerStopped) stream.listener.onHeaders(stream, block, isEnd);
  }

  /** The stream is closed, was skipped, or belongs to this side. */
  #onUnknown(): void {
    const connection = this.#connection;
    const id = this.#id;
    if (connection.streams.isIdle(id))
      return connection.violated(`HEADERS on stream ${id}, which this side may open only`);
    switch (connection.streams.howClosed(id)) {
      case CLOSED.unused:
        return connection.violated(
          `HEADERS on stream ${id}, which is below stream ${connection.streams.lastPeerId}`,
        );
      case CLOSED.ended:
        return connection.violated(`HEADERS on stream ${id}, which has ended`, ERROR_CODE.streamClosed);
      case CLOSED.resetByPeer:
        return connection.resetClosed(id);
      default:
        // The peer sent it before it knew of the reset.
        connection.control(FRAME.headers);
    }
  }
}

/** Why a header section may not come at this point of a stream (RFC 9113 8.1); empty if it may. */
function problemOf(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): string {
  if (stream.hasPeerHead) return isEnd ? block.trailersProblem() : 'trailers do not end the stream';
  const problem = block.responseProblem();
  if (problem !== '') return problem;
  return isEnd && block.status.charCodeAt(0) === 49 ? 'an interim response ends the stream' : '';
}
