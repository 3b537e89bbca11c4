// Counts the messages of one direction of a gRPC call and their bytes, without buffering them. Hot path.
// Invariant: how the bytes are split into pieces does not change the counts.
// Source: PROTOCOL-HTTP2.md (Length-Prefixed-Message): 1 byte of flags, 4 bytes of length in big endian, the message.

const PREFIX_BYTES = 5;

export class MessageCounter {
  /** Number of messages whose prefix is complete. */
  messages = 0;
  /** Bytes of messages so far, as on the wire: compressed if they are, without prefixes. */
  payloadBytes = 0;
  /** Length of the last message, in bytes. */
  messageBytes = 0;
  /** Length of the largest message, in bytes. */
  largestBytes = 0;
  #prefixSeen = 0;
  /** Bytes until the end of the message. */
  #left = 0;
  #length = 0;

  /** Counts the next piece: chunk[at, end). */
  count(chunk: Uint8Array, at = 0, end = chunk.length): void {
    while (at < end) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, end - at);
        this.#left -= count;
        this.payloadBytes += count;
        at += count;
        continue;
      }
      const byte = chunk[at++]!;
      // The first byte has flags. Multiplies, since shifts are limited to 31 bits.
      if (this.#prefixSeen > 0) this.#length = this.#length * 256 + byte;
      if (++this.#prefixSeen === PREFIX_BYTES) this.#begin();
    }
  }

  /** True between two messages, where a call may end. */
  get isWhole(): boolean {
    return this.#left === 0 && this.#prefixSeen === 0;
  }

  /** Bytes until a message or its prefix is complete; at least 1. A piece of so many does not reach into the next one. */
  get bytesToBoundary(): number {
    return this.#left > 0 ? this.#left : PREFIX_BYTES - this.#prefixSeen;
  }

  #begin(): void {
    this.messages++;
    this.messageBytes = this.#left = this.#length;
    if (this.#length > this.largestBytes) this.largestBytes = this.#length;
    this.#length = this.#prefixSeen = 0;
  }
}
