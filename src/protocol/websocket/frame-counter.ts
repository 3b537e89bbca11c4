// Follows a WebSocket byte stream without holding it: counts payload and reads the close code.
// Must stay true: it never delays, changes or keeps a byte, and any input, split anywhere, leaves it in step or
// marked as broken. Source: RFC 6455 5.2 (frames), 5.5.1 and 7.4 (close codes).
//
//   HEAD (2 bytes) ──► EXTENDED (0, 2 or 8) ──► MASK (0 or 4) ──► PAYLOAD (n) ──► HEAD …

import { randomBytes } from 'node:crypto';

const OPCODE_CLOSE = 8;
/** Stands for all numbers below the first code: it is none itself. */
const NO_CODE = 65_535;
/** Longest head: 2 bytes, 8 of length, 4 of mask. */
const MAX_HEAD = 14;

export class FrameCounter {
  /** Payload bytes of data frames so far. */
  payloadBytes = 0;
  /** Code of the first close frame seen; 1005 where it had none (RFC 6455 7.1.5); 0 before that. */
  closeCode = 0;
  /** Payload bytes of the message under way, with those that its frame announces. */
  messageBytes = 0;
  readonly #head = Buffer.alloc(MAX_HEAD);
  #headLength = 0;
  #headNeeds = 2;
  #payloadLeft = 0;
  /** First bytes of a close frame's payload that have been seen, and how many. */
  #closeSeen = 0;
  #codeHigh = 0;

  /** True between two frames: here, and only here, another one can be put into the stream. */
  get isBetweenFrames(): boolean {
    return this.#headLength === 0 && this.#payloadLeft === 0;
  }

  /** True once a close frame has gone by as a whole. */
  get hasClosed(): boolean {
    return this.closeCode !== 0 && this.isBetweenFrames;
  }

  /** Looks at the next bytes of the stream. */
  count(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const take = Math.min(this.#payloadLeft, chunk.length - at);
        if (this.#opcode === OPCODE_CLOSE) this.#readClose(chunk.subarray(at, at + take));
        else if (this.#opcode < OPCODE_CLOSE) this.payloadBytes += take;
        this.#payloadLeft -= take;
        at += take;
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
    // Above 2^53 the number is inexact, but no such payload ever ends.
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

  #readClose(bytes: Uint8Array): void {
    const isMasked = (this.#head[1]! & 0x80) !== 0;
    for (const byte of bytes) {
      if (this.#closeSeen >= 2) return;
      const plain = isMasked ? byte ^ this.#head[this.#headNeeds - 4 + this.#closeSeen]! : byte;
      if (this.#closeSeen++ === 0) this.#codeHigh = plain;
      else if (this.closeCode === 0) this.closeCode = asCode(this.#codeHigh * 256 + plain);
    }
  }

  #nextFrame(): void {
    const isFinal = (this.#head[0]! & 0x80) !== 0;
    if (isFinal && this.#opcode < OPCODE_CLOSE) this.messageBytes = 0;
    this.#headLength = 0;
    this.#headNeeds = 2;
  }
}

/** No close code is below 1000 (RFC 6455 7.4.2): such a number would be counted as the HTTP status that it looks like. */
const asCode = (number: number): number => (number >= 1000 ? number : NO_CODE);

/** A close frame with a code (RFC 6455 5.5.1); masked, as a client must send it (5.3). */
export function closeFrame(code: number, isMasked: boolean): Buffer {
  const payload = Buffer.from([code >> 8, code & 0xff]);
  if (!isMasked) return Buffer.concat([Buffer.from([0x80 | OPCODE_CLOSE, 2]), payload]);
  const mask = randomBytes(4);
  const masked = payload.map((byte, i) => byte ^ mask[i]!);
  return Buffer.concat([Buffer.from([0x80 | OPCODE_CLOSE, 0x80 | 2]), mask, masked]);
}
