// Counts the payload bytes of a WebSocket stream and reads the close code, without buffering.
// Invariant: how the bytes are split into pieces does not change the counts, the close code or the frame boundaries.
// Source: RFC 6455 5.2 (frames), 5.5.1 (close frames), 7.4 (close codes).
//
//   HEAD (2 bytes) ──► EXTENDED (0, 2 or 8) ──► MASK (0 or 4) ──► PAYLOAD (n) ──► HEAD …

import { randomBytes } from 'node:crypto';

const OPCODE_CLOSE = 8;
/** Replaces numbers below 1000, which are not close codes. It is not a close code itself. */
const INVALID_CODE = 65_535;
/** Longest frame header: 2 bytes, 8 of length, 4 of mask. */
const MAX_HEAD = 14;

export class FrameCounter {
  /** Payload bytes of data frames so far. Control frames do not count. */
  payloadBytes = 0;
  /** Code of the first close frame; 1005 if it has none (RFC 6455 7.1.5); 0 before a close frame. */
  closeCode = 0;
  /** Payload bytes of the current message: all of its frames so far, including the rest of the current frame. */
  messageBytes = 0;
  readonly #head = Buffer.alloc(MAX_HEAD);
  #headLength = 0;
  #headNeeds = 2;
  #payloadLeft = 0;
  /** Number of bytes of the close code that were read, and the first of them. */
  #closeSeen = 0;
  #codeHigh = 0;

  /** True between two frames. Only there can weir insert a frame. */
  get isBetweenFrames(): boolean {
    return this.#headLength === 0 && this.#payloadLeft === 0;
  }

  /** True after a complete close frame. */
  get hasClosed(): boolean {
    return this.closeCode !== 0 && this.isBetweenFrames;
  }

  /** Counts the next bytes of the stream. */
  count(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const count = Math.min(this.#payloadLeft, chunk.length - at);
        if (this.#opcode === OPCODE_CLOSE) this.#readCloseCode(chunk.subarray(at, at + count));
        else if (this.#opcode < OPCODE_CLOSE) this.payloadBytes += count;
        this.#payloadLeft -= count;
        at += count;
        if (this.#payloadLeft === 0) this.#nextFrame();
        continue;
      }
      this.#head[this.#headLength++] = chunk[at++]!;
      if (this.#headLength === 2) this.#headNeeds = this.#headSize();
      if (this.#headLength === this.#headNeeds) this.#beginPayload();
    }
  }

  get #opcode(): number {
    return this.#head[0]! & 0x0f;
  }

  #headSize(): number {
    const length = this.#head[1]! & 0x7f;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (this.#head[1]! & 0x80 ? 4 : 0);
  }

  #beginPayload(): void {
    const length = this.#head[1]! & 0x7f;
    // Above 2^53 the number is inexact, but no such payload can end.
    this.#payloadLeft =
      length === 126
        ? this.#head.readUInt16BE(2)
        : length === 127
          ? Number(this.#head.readBigUInt64BE(2))
          : length;
    this.#closeSeen = 0;
    if (this.#opcode < OPCODE_CLOSE) this.messageBytes += this.#payloadLeft;
    if (this.#payloadLeft > 0) return;
    if (this.#opcode === OPCODE_CLOSE && this.closeCode === 0) this.closeCode = 1005;
    this.#nextFrame();
  }

  #readCloseCode(bytes: Uint8Array): void {
    const isMasked = (this.#head[1]! & 0x80) !== 0;
    for (const byte of bytes) {
      if (this.#closeSeen >= 2) return;
      const unmasked = isMasked ? byte ^ this.#head[this.#headNeeds - 4 + this.#closeSeen]! : byte;
      if (this.#closeSeen++ === 0) this.#codeHigh = unmasked;
      else if (this.closeCode === 0) this.closeCode = closeCodeOf(this.#codeHigh * 256 + unmasked);
    }
  }

  #nextFrame(): void {
    const isFinal = (this.#head[0]! & 0x80) !== 0;
    if (isFinal && this.#opcode < OPCODE_CLOSE) this.messageBytes = 0;
    this.#headLength = 0;
    this.#headNeeds = 2;
  }
}

/** A valid close code, or INVALID_CODE, since numbers below 1000 would look like HTTP statuses (RFC 6455 7.4.2). */
const closeCodeOf = (number: number): number => (number >= 1000 ? number : INVALID_CODE);

/** A close frame with a code (RFC 6455 5.5.1). `isMasked`: as a client must send it (5.3). */
export function closeFrame(code: number, isMasked: boolean): Buffer {
  const payload = Buffer.from([code >> 8, code & 0xff]);
  if (!isMasked) return Buffer.concat([Buffer.from([0x80 | OPCODE_CLOSE, 2]), payload]);
  const mask = randomBytes(4);
  const masked = payload.map((byte, i) => byte ^ mask[i]!);
  return Buffer.concat([Buffer.from([0x80 | OPCODE_CLOSE, 0x80 | 2]), mask, masked]);
}
