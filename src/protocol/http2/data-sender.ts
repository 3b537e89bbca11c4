// Sends DATA of all streams of a connection within the peer's windows (RFC 9113 5.2). Hot path.
// Invariant: what a stream cannot send waits in its own queue, so a slow stream holds up no other one, and streams that
// can send take turns.
import { DEFAULT_WINDOW, MAX_FRAME_BYTES, MAX_WINDOW } from './frame-types.ts';
import type { HeaderWriter } from './header-writer.ts';
import type { Output } from './output.ts';
import { SendQueue } from './send-queue.ts';
import type { Http2Stream } from './stream.ts';

export class DataSender {
  readonly #output: Output;
  readonly #writer: HeaderWriter;
  /** Bytes that the connection's window allows. */
  #window = DEFAULT_WINDOW;
  /** Streams that have bytes to send and a window for them. */
  readonly #ready: Http2Stream[] = [];
  #turn = 0;

  constructor(output: Output, writer: HeaderWriter) {
    this.#output = output;
    this.#writer = writer;
  }

  /** Sends bytes[from, to), or keeps a copy of what has to wait. Returns false if something waits. */
  write(stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    let { queue } = stream;
    if (queue === undefined) {
      const start = this.#sendNow(stream, bytes, from, to, isEnd);
      if (start === to) {
        if (isEnd) stream.endSent();
        return true;
      }
      from = start;
      queue = stream.queue = new SendQueue();
    }
    queue.push(bytes, from, to);
    queue.isEnd ||= isEnd;
    stream.waiting = queue.length;
    this.#makeReady(stream);
    return false;
  }

  /** The peer allows more on the connection. Returns false if the window is then too large. */
  grow(bytes: number): boolean {
    this.#window += bytes;
    if (this.#window > MAX_WINDOW) return false;
    this.pump();
    return true;
  }

  /** The peer allows more, or less, on a stream. Returns false if the window is then too large. */
  growStream(stream: Http2Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > MAX_WINDOW) return false;
    if (stream.queue !== undefined && this.#makeReady(stream)) this.pump();
    return true;
  }

  /** Drops what waits on a stream. */
  drop(stream: Http2Stream): void {
    stream.queue?.release();
    stream.queue = undefined;
    stream.waiting = 0;
    this.#removeReady(stream);
  }

  /** Sends what waits, as far as windows and the socket allow. */
  pump(): void {
    const ready = this.#ready;
    while (ready.length > 0 && this.#window > 0 && !this.#output.isFull) {
      if (this.#turn >= ready.length) this.#turn = 0;
      const stream = ready[this.#turn]!;
      const sent = this.#sendFrame(stream, stream.queue!);
      // It may have been reset meanwhile, and the list may have changed.
      if (stream.readySlot !== -1) this.#turn = stream.readySlot + 1;
      if (sent > 0) stream.listener.onSent(stream, sent);
    }
  }

  /** Returns where the bytes begin that have to wait; `to` if all were sent. */
  #sendNow(stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): number {
    // An empty frame needs no window.
    if (from === to) {
      if (isEnd) this.#output.data(stream.id, bytes, from, 0, true);
      return to;
    }
    while (from < to && !this.#output.isFull) {
      const size = Math.min(to - from, this.#window, stream.sendWindow, MAX_FRAME_BYTES);
      if (size <= 0) break;
      this.#window -= size;
      stream.sendWindow -= size;
      this.#output.data(stream.id, bytes, from, size, isEnd && from + size === to);
      stream.connection.guard.dataSent(size);
      from += size;
    }
    return from;
  }

  /** Sends one frame of what waits. Returns its size. */
  #sendFrame(stream: Http2Stream, queue: SendQueue): number {
    const from = queue.frontFrom;
    const size = Math.min(queue.frontTo - from, this.#window, stream.sendWindow, MAX_FRAME_BYTES);
    const isAll = size === queue.length;
    const isEnd = isAll && queue.isEnd && queue.trailers === undefined;
    this.#window -= size;
    stream.sendWindow -= size;
    this.#output.data(stream.id, queue.front, from, size, isEnd);
    stream.connection.guard.dataSent(size);
    queue.shift(size);
    stream.waiting = queue.length;
    if (isAll) {
      const { trailers } = queue;
      this.drop(stream);
      if (isEnd) stream.endSent();
      else if (trailers !== undefined) this.#writer.sendDeferred(stream, trailers);
    } else if (stream.sendWindow <= 0) this.#removeReady(stream);
    return size;
  }

  /** Returns true if the stream can send now. */
  #makeReady(stream: Http2Stream): boolean {
    if (stream.sendWindow <= 0) {
      this.#removeReady(stream);
      return false;
    }
    if (stream.readySlot === -1) {
      stream.readySlot = this.#ready.length;
      this.#ready.push(stream);
    }
    return true;
  }

  /** The last stream of the list moves into the gap. */
  #removeReady(stream: Http2Stream): void {
    const slot = stream.readySlot;
    if (slot === -1) return;
    const last = this.#ready.pop()!;
    if (last !== stream) {
      this.#ready[slot] = last;
      last.readySlot = slot;
    }
    stream.readySlot = -1;
  }
}
