// Credit that a connection gives its peer for DATA of all streams together (RFC 9113 6.9). Hot path.
// Invariant: the peer is never given more than the window, and not more than there is room for on all connections
// together. Only the smallest window is always given, less what the streams hold beside the one that holds most: one stream
// that stalls stops no other.
import type { Http2Options } from './connection-options.ts';
import { DEFAULT_WINDOW, FRAME, WINDOW_GROWTH } from './frame-types.ts';
import type { CreditHolder, Http2HeldBytes } from './http2-held-bytes.ts';
import type { Output } from './output.ts';

/** A connection gets at most one part in so many of the room that is left. */
const ROOM_SHARE = 4;

export class ConnectionWindow implements CreditHolder {
  readonly #output: Output;
  readonly #heldBytes: Http2HeldBytes;
  readonly #mostOfOneStream: () => number;
  /** The window at the beginning, and while there is no room. */
  readonly #minBytes: number;
  readonly #maxBytes: number;
  #size: number;
  /** Bytes that the peer may still send. */
  #credit = DEFAULT_WINDOW;
  /** Bytes that were received and not consumed. */
  #held = 0;
  isStarved = false;

  /** `mostOfOneStream`: bytes that were received and not consumed of the stream that has most of them. */
  constructor(output: Output, options: Http2Options, mostOfOneStream: () => number) {
    const { streamWindow, connectionWindow, heldBytes } = options;
    this.#output = output;
    this.#heldBytes = heldBytes;
    this.#mostOfOneStream = mostOfOneStream;
    this.#minBytes = Math.max(DEFAULT_WINDOW, Math.min(streamWindow, connectionWindow));
    this.#maxBytes = Math.max(DEFAULT_WINDOW, connectionWindow);
    this.#size = this.#minBytes;
    this.#give(this.#size - this.#credit);
  }

  /** Bytes that were received and not consumed. */
  get held(): number {
    return this.#held;
  }

  /** DATA came, with its padding. Returns false if it is more than the peer may send. */
  received(bytes: number): boolean {
    this.#credit -= bytes;
    if (this.#credit < 0) return false;
    if (this.#credit < this.#size / 2) this.#refill();
    return true;
  }

  hold(bytes: number): void {
    this.#held += bytes;
    this.#heldBytes.add(bytes);
  }

  consumed(bytes: number): void {
    this.#held -= bytes;
    this.#heldBytes.release(bytes);
    // Also with room, a small credit may have been left as it was.
    if (this.isStarved || this.#credit < this.#minBytes / 4) this.#refill();
  }

  /** The connection has ended: it waits for no room. */
  close(): void {
    this.#heldBytes.leave(this);
  }

  refill(): void {
    this.#refill();
  }

  #refill(): void {
    // Other connections may be given as much before any of it comes.
    const room = (this.#heldBytes.maxBytes - this.#heldBytes.bytes) / ROOM_SHARE;
    if (room >= this.#size) {
      if (this.#size < this.#maxBytes) this.#size = Math.min(this.#maxBytes, this.#size * WINDOW_GROWTH);
      return this.#give(this.#size - this.#credit);
    }
    this.#heldBytes.await(this);
    // No update for every few bytes.
    const least = this.#credit + this.#minBytes / 4;
    if (Math.max(room, this.#minBytes) < least) return;
    const ofOthers = this.#held - this.#mostOfOneStream();
    const credit = Math.floor(Math.max(room, this.#minBytes - ofOthers));
    if (credit >= least) this.#give(credit - this.#credit);
  }

  #give(bytes: number): void {
    if (bytes <= 0) return;
    this.#credit += bytes;
    this.#output.frame32(FRAME.windowUpdate, 0, bytes);
  }
}
