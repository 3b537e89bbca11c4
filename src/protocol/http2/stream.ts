// One stream of an HTTP/2 connection (RFC 9113 5). Hot path.
//
//        HEADERS sent or received
//                  │
//                  ▼   END_STREAM received
//                open ──────────────► half-closed (remote)
//                  │                           │
//  END_STREAM sent │                           │ END_STREAM sent
//                  ▼                           ▼
//       half-closed (local) ──────────────► closed
//                     END_STREAM received
//
// RST_STREAM, sent or received, closes it from any state. Idle streams have no object.
// Invariant: bytes that were received stay counted in Http2HeldBytes until they are consumed or the stream is reset.
import { CLOSED } from './closed-streams.ts';
import type { Http2Connection } from './connection.ts';
import { ERROR_CODE } from './error-code.ts';
import { DEFAULT_WINDOW, FRAME, WINDOW_GROWTH } from './frame-types.ts';
import type { DeferredHead, HeaderWriter } from './header-writer.ts';
import type { SendQueue } from './send-queue.ts';
import type { StreamListener } from './stream-listener.ts';

export class Http2Stream {
  readonly connection: Http2Connection;
  listener: StreamListener;
  /** Of a stream that a client opens 0 until its head is sent. Only the connection writes it. */
  id: number;
  /** Neither closed nor reset. */
  isOpen = true;
  /** The peer has sent END_STREAM. */
  hasPeerEnded = false;
  /** END_STREAM was given to `write` or `send`. It may still wait behind data. */
  hasEnded = false;
  /** A head was sent. An interim head (1xx) counts. */
  hasSentHead = false;
  /** Bytes of data that wait for windows or for the socket. */
  waiting = 0;
  /** The rule that the peer broke, so that this side reset the stream; empty otherwise. */
  problem = '';

  // For the connection.
  /** The peer's head came, and it was not an interim one. */
  hasPeerHead = false;
  /** END_STREAM was sent. */
  hasSentEnd = false;
  /** What the peer still sends is dropped. */
  isPeerStopped = false;
  /** Bytes that the peer's window allows. Negative after it made its windows smaller (RFC 9113 6.9.2). */
  sendWindow: number;
  /** What waits. */
  queue: SendQueue | undefined = undefined;
  /** Index in the sender's list; -1: not in it. */
  readySlot = -1;
  /** Bytes of DATA that the peer's content-length still announces; -1: it has none. */
  contentLeft = -1;
  #hasBody = false;
  /** Window that the peer gets, and what it may still send of it. */
  #window: number;
  #credit: number;
  /** Bytes that were received and not consumed. */
  #held = 0;

  /** For the connection. */
  constructor(connection: Http2Connection, id: number, listener: StreamListener) {
    this.connection = connection;
    this.id = id;
    this.listener = listener;
    this.sendWindow = connection.peer.streamWindow;
    this.#window = this.#credit = connection.options.streamWindow;
  }

  /** Begins a header section: a head, an interim head, or trailers. Nothing is sent if the stream is closed. */
  head(): HeaderWriter {
    // A section that is not sent must not be compressed.
    const isSent = this.isOpen && !this.hasEnded && this.queue === undefined;
    return this.connection.headerWriter.begin(this, !isSent);
  }

  /**
   * Sends bytes[from, to) as DATA. Returns false if some of it waits for a window or for the socket: `onSent` tells when it
   * has left. What waits is a copy. `isEnd`: the stream ends with it. Does nothing if the stream is closed or has ended.
   */
  write(bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    if (!this.isOpen || this.hasEnded) return true;
    if (isEnd) this.hasEnded = true;
    return this.connection.sender.write(this, bytes, from, to, isEnd);
  }

  /** Bytes of DATA that were received and are not used up. */
  get held(): number {
    return this.#held;
  }

  /** Bytes of DATA are used up: the peer may send as many more. Must be called for all bytes of `onData`, or `reset`. */
  consumed(bytes: number): void {
    const released = Math.min(bytes, this.#held);
    if (released === 0) return;
    this.#held -= released;
    this.connection.window.consumed(released);
    this.#giveCredit();
  }

  /** Ends the stream with RST_STREAM and drops what waits. No event comes after it. If it is closed, it is only emptied. */
  reset(code: number): void {
    this.release();
    if (!this.isOpen) return;
    if (this.id !== 0) this.connection.writeReset(this.id, code);
    this.connection.closeStream(this, CLOSED.resetHere);
  }

  /**
   * What the peer still sends is not wanted (RFC 9113 8.1): drops it, and sends RST_STREAM(NO_ERROR) as soon as all of this
   * side has been sent up to END_STREAM. Only `onSent` and `onReset` come after it.
   */
  stopPeer(): void {
    this.release();
    if (!this.isOpen || this.hasPeerEnded) return;
    this.isPeerStopped = true;
    if (this.hasSentEnd) this.reset(ERROR_CODE.noError);
  }

  // ── For the connection ──────────────────────────────────────────────────────────────────────────────────────────

  /** All of this side has been sent. */
  endSent(): void {
    this.hasSentEnd = true;
    if (this.hasPeerEnded) this.connection.closeStream(this, CLOSED.ended);
    else if (this.isPeerStopped) this.reset(ERROR_CODE.noError);
  }

  /** The header section that was begun ends at `end` in the output. */
  headSent(end: number, isEnd: boolean): void {
    if (this.id === 0) this.connection.nameStream(this);
    this.hasSentHead = true;
    this.connection.output.endHeaders(end, this.id, isEnd);
    if (!isEnd) return;
    this.hasEnded = true;
    this.endSent();
  }

  /** Keeps a header section until the data before it is sent. */
  headDeferred(head: DeferredHead, isEnd: boolean): void {
    const { queue } = this;
    if (!this.isOpen || this.hasEnded || queue === undefined) return;
    if (!isEnd) throw new Error('a header section after data must end the stream');
    this.hasEnded = true;
    queue.trailers = head;
  }

  /** DATA came. Returns false if it is more than the peer may send. */
  receive(bytes: number): boolean {
    this.#credit -= bytes;
    // Until the peer knows this side's SETTINGS, it uses the default window.
    return this.#credit >= Math.min(0, this.connection.options.streamWindow - DEFAULT_WINDOW);
  }

  /** Counts content of DATA against the peer's content-length. Returns false if they differ (RFC 9113 8.1.1). */
  countContent(bytes: number, isEnd: boolean): boolean {
    if (bytes > 0) this.#hasBody = true;
    if (this.contentLeft === -1) return true;
    this.contentLeft -= bytes;
    if (this.contentLeft < 0) return false;
    // A response to HEAD, or a 304, has the length of content that it does not have. The owner knows the method.
    return !isEnd || this.contentLeft === 0 || (!this.#hasBody && this.connection.options.role === 'client');
  }

  /** Counts bytes that the listener gets. */
  hold(bytes: number): void {
    this.#held += bytes;
    this.connection.window.hold(bytes);
  }

  /** Nothing that was received is needed any more. */
  release(): void {
    const held = this.#held;
    this.#held = 0;
    if (held > 0) this.connection.window.consumed(held);
  }

  /** Padding came, which needs no consuming. */
  skipPadding(): void {
    this.#giveCredit();
  }

  /** Tells the peer once half of the window is used up. The window grows while bytes are consumed as they come. */
  #giveCredit(): void {
    if (!this.isOpen || this.hasPeerEnded || this.isPeerStopped) return;
    const used = this.#window - this.#credit - this.#held;
    if (used * 2 < this.#window) return;
    const { heldBytes, maxStreamWindow } = this.connection.options;
    let by = used;
    if (this.#window < maxStreamWindow && this.#held * 4 <= this.#window && !heldBytes.isOver) {
      const larger = Math.min(maxStreamWindow, this.#window * WINDOW_GROWTH);
      by += larger - this.#window;
      this.#window = larger;
    }
    this.#credit += by;
    this.connection.output.frame32(FRAME.windowUpdate, this.id, by);
  }
}
