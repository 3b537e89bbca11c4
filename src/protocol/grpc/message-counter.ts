// Follows the messages of one direction of a gRPC call, to count them and their bytes. Hot path.
// Must stay true: bytes are looked at and never held; however they are cut into pieces, the figures are the same.
// Source: gRPC over HTTP/2, "Length-Prefixed-Message": one byte of flags, four of length (big endian), the message.

const PREFIX_BYTES = 5;

export class MessageCounter {
  /** Messages that have begun, with their length known. */
  messages = 0;
  /** Bytes of messages so far, as they are on the wire (compressed ones so), prefixes left out. */
  payloadBytes = 0;
  /** Length of the latest message. */
  messageBytes = 0;
  /** Length of the largest message that was announced. */
  largestBytes = 0;
  #prefixSeen = 0;
  #left = 0;
  #length = 0;

  /** Follows the next piece. */
  count(chunk: Uint8Array): void {
    let at = 0;
    const end = chunk.length;
    while (at < end) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, end - at);
        this.#left -= taken;
        this.payloadBytes += taken;
        at += taken;
        continue;
      }
      const byte = chunk[at++]!;
      // The first of the five is for flags; the length can be more than 31 bits, so no shifting.
      if (this.#prefixSeen > 0) this.#length = this.#length * 256 + byte;
      if (++this.#prefixSeen === PREFIX_BYTES) this.#begin();
    }
  }

  /** Between two messages: where a call may end. */
  get isWhole(): boolean {
    return this.#left === 0 && this.#prefixSeen === 0;
  }

  #begin(): void {
    this.messages++;
    this.messageBytes = this.#left = this.#length;
    if (this.#length > this.largestBytes) this.largestBytes = this.#length;
    this.#length = this.#prefixSeen = 0;
  }
}
