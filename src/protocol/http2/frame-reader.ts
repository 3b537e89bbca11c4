// Divides what a connection reads into frames (RFC 9113 4.1). Hot path.
// Invariant: nothing of a read buffer is kept after `read` returns. Of an incomplete frame a copy is kept, of at most
// MAX_FRAME_BYTES; DATA is passed on in the pieces in which it comes.
import { FLAG, FRAME, FRAME_HEAD_BYTES, MAX_FRAME_BYTES, PREFACE, readUint31 } from './frame-types.ts';

/** Receives frames in their order. */
export interface FrameListener {
  /** No more frames are wanted: the connection has ended. */
  readonly isGone: boolean;
  /** A whole frame with the payload bytes[from, to). DATA comes here only if it is padded. */
  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void;
  /** The head of a DATA frame without padding. */
  onDataHead(id: number, length: number, isEnd: boolean): void;
  /** A piece of this frame. `isLast`: it is complete. A frame without payload has one empty piece. */
  onDataPiece(bytes: Buffer, from: number, to: number, isLast: boolean): void;
  /** A frame with a payload of `length`, which is too long. */
  onTooLong(type: number, length: number): void;
  /** The first bytes of a client are not the preface. */
  onWrongPreface(): void;
}

export class FrameReader {
  readonly #listener: FrameListener;
  /** Bytes of the preface that are still to come. */
  #prefaceLeft: number;
  /** Payload of the current DATA frame that is still to come. */
  #dataLeft = 0;
  /** The beginning of an incomplete frame. */
  #partial: Buffer | undefined;
  #partialBytes = 0;

  constructor(listener: FrameListener, expectsPreface: boolean) {
    this.#listener = listener;
    this.#prefaceLeft = expectsPreface ? PREFACE.length : 0;
  }

  /** Reads bytes[from, to). */
  read(bytes: Buffer, from: number, to: number): void {
    if (this.#prefaceLeft > 0) {
      from = this.#readPreface(bytes, from, to);
      if (this.#prefaceLeft > 0) return;
    }
    if (this.#partial !== undefined) from = this.#complete(bytes, from, to);
    const listener = this.#listener;
    while (from < to && !listener.isGone) {
      if (this.#dataLeft > 0) {
        from = this.#readData(bytes, from, to);
        continue;
      }
      if (to - from < FRAME_HEAD_BYTES) return this.#keep(bytes, from, to);
      const length = (bytes[from]! << 16) | (bytes[from + 1]! << 8) | bytes[from + 2]!;
      if (this.#begin(bytes, from, length)) from += FRAME_HEAD_BYTES;
      else if (listener.isGone) return;
      else if (to - from < FRAME_HEAD_BYTES + length) return this.#keep(bytes, from, to);
      else {
        this.#pass(bytes, from, length);
        from += FRAME_HEAD_BYTES + length;
      }
    }
  }

  /** A frame whose head is at `at`. Returns true if it is DATA of which pieces are passed on, so that the head is done. */
  #begin(bytes: Buffer, at: number, length: number): boolean {
    const type = bytes[at + 3]!;
    if (length > MAX_FRAME_BYTES) {
      this.#listener.onTooLong(type, length);
      return false;
    }
    if (type !== FRAME.data || (bytes[at + 4]! & FLAG.padded) !== 0) return false;
    this.#listener.onDataHead(readUint31(bytes, at + 5), length, (bytes[at + 4]! & FLAG.endStream) !== 0);
    if (this.#listener.isGone) return true;
    this.#dataLeft = length;
    if (length === 0) this.#listener.onDataPiece(bytes, at, at, true);
    return true;
  }

  #pass(bytes: Buffer, at: number, length: number): void {
    const from = at + FRAME_HEAD_BYTES;
    this.#listener.onFrame(
      bytes[at + 3]!,
      bytes[at + 4]!,
      readUint31(bytes, at + 5),
      bytes,
      from,
      from + length,
    );
  }

  #readData(bytes: Buffer, from: number, to: number): number {
    const end = Math.min(to, from + this.#dataLeft);
    this.#dataLeft -= end - from;
    this.#listener.onDataPiece(bytes, from, end, this.#dataLeft === 0);
    return end;
  }

  #readPreface(bytes: Buffer, from: number, to: number): number {
    const size = Math.min(this.#prefaceLeft, to - from);
    const done = PREFACE.length - this.#prefaceLeft;
    if (PREFACE.compare(bytes, from, from + size, done, done + size) !== 0) {
      this.#listener.onWrongPreface();
      return to;
    }
    this.#prefaceLeft -= size;
    return from + size;
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    this.#partialBytes = 0;
    this.#partial = Buffer.allocUnsafe(64);
    this.#append(bytes, from, to);
  }

  #append(bytes: Buffer, from: number, to: number): void {
    const size = this.#partialBytes + to - from;
    if (size > this.#partial!.length) {
      const larger = Buffer.allocUnsafe(
        Math.max(size, Math.min(size * 2, FRAME_HEAD_BYTES + MAX_FRAME_BYTES)),
      );
      this.#partial!.copy(larger, 0, 0, this.#partialBytes);
      this.#partial = larger;
    }
    bytes.copy(this.#partial!, this.#partialBytes, from, to);
    this.#partialBytes = size;
  }

  /** Adds bytes to the incomplete frame until it is complete. Returns where the unread bytes begin. */
  #complete(bytes: Buffer, from: number, to: number): number {
    if (this.#partialBytes < FRAME_HEAD_BYTES) {
      const end = Math.min(to, from + FRAME_HEAD_BYTES - this.#partialBytes);
      this.#append(bytes, from, end);
      from = end;
      if (this.#partialBytes < FRAME_HEAD_BYTES) return from;
      const head = this.#partial!;
      if (this.#begin(head, 0, (head[0]! << 16) | (head[1]! << 8) | head[2]!)) {
        this.#partial = undefined;
        return from;
      }
      if (this.#listener.isGone) return to;
    }
    const head = this.#partial!;
    const length = (head[0]! << 16) | (head[1]! << 8) | head[2]!;
    const end = Math.min(to, from + FRAME_HEAD_BYTES + length - this.#partialBytes);
    this.#append(bytes, from, end);
    if (this.#partialBytes === FRAME_HEAD_BYTES + length) {
      const whole = this.#partial!;
      this.#partial = undefined;
      this.#pass(whole, 0, length);
    }
    return end;
  }
}
