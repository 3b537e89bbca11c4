// What a connection writes: frames are gathered in one buffer and written once per turn of the event loop. Hot path.
// Invariant: a buffer that the socket still writes from is not written into. An idle connection has no buffer.
import type { Socket } from 'node:net';
import { DirectWrites } from '../http/direct-writes.ts';
import {
  FLAG,
  FRAME,
  FRAME_HEAD_BYTES,
  MAX_FRAME_BYTES,
  writeFrameHead,
  writeUint32,
} from './frame-types.ts';

/** Size of a buffer. One header section can make it larger. */
const BUFFER_BYTES = 64 * 1024;
/** Size of the buffer that a connection begins with, since many connections have little to write in the same turn. */
const SMALL_BUFFER_BYTES = 4 * 1024;
/** Most unused buffers: 2 MiB of each size. */
const MAX_SPARE = 32;
const MAX_SPARE_SMALL = 512;
const spare: Buffer[] = [];
const spareSmall: Buffer[] = [];
const NONE = Buffer.alloc(0);
/** Below this size a loop is faster than a call of `copy`. */
const SMALL_BYTES = 64;

/** A buffer of at least `bytes`, which are at most BUFFER_BYTES. */
const takeBuffer = (bytes: number): Buffer =>
  bytes <= SMALL_BUFFER_BYTES
    ? (spareSmall.pop() ?? Buffer.allocUnsafeSlow(SMALL_BUFFER_BYTES))
    : (spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES));
const giveBuffer = (buffer: Buffer): void => {
  if (buffer.length === BUFFER_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
  else if (buffer.length === SMALL_BUFFER_BYTES && spareSmall.length < MAX_SPARE_SMALL)
    spareSmall.push(buffer);
};

/** Outputs with something to write in this turn. */
const dirty: Output[] = [];
function flushAll(): void {
  // A flush can make others dirty: they get a turn of their own.
  const count = dirty.length;
  for (let i = 0; i < count; i++) dirty[i]!.flushTurn();
  dirty.splice(0, count);
  if (dirty.length > 0) setImmediate(flushAll);
}

export class Output {
  readonly #socket: Socket;
  readonly #maxUnreadBytes: number;
  /** Frames that are not written yet are in bytes[0, length). */
  bytes: Buffer = NONE;
  length = 0;
  /** The socket has not taken all it was given: no more DATA until it has drained. */
  isFull = false;
  /** More than the maximum waits in the socket: the peer does not read. */
  isOverflowing = false;
  #isDirty = false;
  /** Buffers that the socket may still write from. */
  readonly #lent: Buffer[] = [];
  readonly #writes: DirectWrites;

  /** `drained` is called when the socket has taken all bytes that it did not take at once. */
  constructor(socket: Socket, maxUnreadBytes: number, drained: () => void) {
    this.#socket = socket;
    this.#maxUnreadBytes = maxUnreadBytes;
    this.#writes = new DirectWrites(socket, {
      written: drained,
      failed: (error) => socket.destroy(error),
    });
  }

  /** Makes room for `count` bytes from `at` on, and keeps those before. Nothing is written meanwhile. */
  reserve(at: number, count: number): void {
    if (at + count <= this.bytes.length) return;
    const before = this.bytes;
    this.bytes =
      at + count <= BUFFER_BYTES
        ? takeBuffer(at + count)
        : Buffer.allocUnsafeSlow(Math.max(before.length * 2, at + count));
    before.copy(this.bytes, 0, 0, at);
    giveBuffer(before);
  }

  /** Begins a frame and makes room for its payload. Returns where the payload goes; set `length` to its end. */
  frame(payloadBytes: number, type: number, flags: number, id: number): number {
    if (this.length + FRAME_HEAD_BYTES + payloadBytes > BUFFER_BYTES) this.flush();
    this.reserve(this.length, FRAME_HEAD_BYTES + payloadBytes);
    this.#becomeDirty();
    return writeFrameHead(this.bytes, this.length, payloadBytes, type, flags, id);
  }

  /** One DATA frame with `size` bytes from `from` on, at most MAX_FRAME_BYTES. */
  data(id: number, bytes: Buffer, from: number, size: number, isEnd: boolean): void {
    const at = this.frame(size, FRAME.data, isEnd ? FLAG.endStream : 0, id);
    const out = this.bytes;
    if (size < SMALL_BYTES) for (let i = 0; i < size; i++) out[at + i] = bytes[from + i]!;
    else bytes.copy(out, at, from, from + size);
    this.length = at + size;
  }

  /** A frame whose payload is 32 bits: RST_STREAM or WINDOW_UPDATE. */
  frame32(type: number, id: number, value: number): void {
    const at = this.frame(4, type, 0, id);
    this.length = writeUint32(this.bytes, at, value);
  }

  /** A frame with the payload bytes[from, to). */
  whole(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const at = this.frame(to - from, type, flags, id);
    bytes.copy(this.bytes, at, from, to);
    this.length = at + to - from;
  }

  /** Bytes that are no frame. */
  raw(bytes: Buffer): void {
    this.reserve(this.length, bytes.length);
    bytes.copy(this.bytes, this.length);
    this.length += bytes.length;
    this.#becomeDirty();
  }

  goAway(lastId: number, code: number): void {
    const at = this.frame(8, FRAME.goAway, 0, 0);
    this.length = writeUint32(this.bytes, writeUint32(this.bytes, at, lastId), code);
  }

  /** Begins a header section. Returns where its block goes. Nothing else may be written until `endHeaders`. */
  beginHeaders(): number {
    if (this.length + FRAME_HEAD_BYTES > BUFFER_BYTES / 2) this.flush();
    this.reserve(this.length, FRAME_HEAD_BYTES);
    return this.length + FRAME_HEAD_BYTES;
  }

  /** Ends the header section whose block ends at `end`. */
  endHeaders(end: number, id: number, isEnd: boolean): void {
    const from = this.length;
    const size = end - from - FRAME_HEAD_BYTES;
    const flags = isEnd ? FLAG.endStream : 0;
    this.#becomeDirty();
    if (size > MAX_FRAME_BYTES) return this.#splitHeaders(from + FRAME_HEAD_BYTES, end, id, flags);
    writeFrameHead(this.bytes, from, size, FRAME.headers, FLAG.endHeaders | flags, id);
    this.length = end;
  }

  /** Writes what was gathered, in the turn that was planned. */
  flushTurn(): void {
    this.#isDirty = false;
    this.flush();
  }

  /** Writes what was gathered. */
  flush(): void {
    const socket = this.#socket;
    if (this.length === 0 || socket.destroyed) return;
    this.#recycle();
    const { bytes } = this;
    const whole = bytes.subarray(0, this.length);
    const hasRoom = this.#writes.writeBytes(whole) ? !this.#writes.isPending : socket.write(whole);
    this.length = 0;
    this.bytes = NONE;
    const unread = socket.writableLength;
    if (unread === 0 && !this.#writes.isPending) return giveBuffer(bytes);
    this.#lent.push(bytes);
    if (!hasRoom) this.isFull = true;
    if (unread > this.#maxUnreadBytes) this.isOverflowing = true;
  }

  /** Gives back what is no longer used. For connections that have become idle. */
  trim(): void {
    this.#recycle();
  }

  #becomeDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    if (dirty.push(this) === 1) setImmediate(flushAll);
  }

  #recycle(): void {
    if (this.#lent.length === 0 || this.#socket.writableLength > 0 || this.#writes.isPending) return;
    for (const buffer of this.#lent) giveBuffer(buffer);
    this.#lent.length = 0;
  }

  /** A block above the size of a frame goes on in CONTINUATION frames (RFC 9113 6.10). */
  #splitHeaders(from: number, end: number, id: number, flags: number): void {
    const block = Buffer.from(this.bytes.subarray(from, end));
    for (let at = 0; at < block.length; at += MAX_FRAME_BYTES) {
      const size = Math.min(MAX_FRAME_BYTES, block.length - at);
      const last = at + size === block.length ? FLAG.endHeaders : 0;
      if (at === 0) this.whole(FRAME.headers, flags | last, id, block, 0, size);
      else this.whole(FRAME.continuation, last, id, block, at, at + size);
    }
  }
}
