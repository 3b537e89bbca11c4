// Base64 of gRPC-Web, as streams: padding may stand wherever a sender has flushed, not only at the end. Hot path.
// Invariant: how the text is split into pieces does not change the bytes, and what is not base64 is never passed on.
// Sources: RFC 4648 4; PROTOCOL-WEB.md of grpc/grpc (Text-encoded streams).

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PADDING = 0x3d;
const INVALID = -1;
/** The six bits of each byte of text. */
const DIGITS = Int8Array.from({ length: 256 }, (_, byte) => ALPHABET.indexOf(String.fromCharCode(byte)));

export class Base64Decoder {
  /** Digits of the group of four that has begun, and their bits. */
  #digits = 0;
  #bits = 0;
  /** Padding that must follow. */
  #padding = 0;

  /** True between two groups, where the text may end. */
  get isWhole(): boolean {
    return this.#digits === 0 && this.#padding === 0;
  }

  /** Decodes the next piece of text. Returns its bytes; `undefined` if it is not base64. */
  decode(text: Uint8Array): Buffer | undefined {
    const end = text.length;
    const out = Buffer.allocUnsafe(Math.ceil(((end + this.#digits) * 3) / 4));
    let used = 0;
    let at = 0;
    while (at < end) {
      if (this.#digits === 0 && this.#padding === 0) {
        // Whole groups without padding.
        while (end - at >= 4) {
          const bits =
            (DIGITS[text[at]!]! << 18) |
            (DIGITS[text[at + 1]!]! << 12) |
            (DIGITS[text[at + 2]!]! << 6) |
            DIGITS[text[at + 3]!]!;
          if (bits < 0) break;
          out[used++] = bits >> 16;
          out[used++] = bits >> 8;
          out[used++] = bits;
          at += 4;
        }
        if (at === end) break;
      }
      const byte = text[at++]!;
      if (byte === PADDING) {
        if (this.#padding > 0) this.#padding--;
        else {
          if (this.#digits < 2) return undefined;
          if (this.#digits === 2) {
            this.#padding = 1;
            out[used++] = this.#bits >> 4;
          } else {
            out[used++] = this.#bits >> 10;
            out[used++] = this.#bits >> 2;
          }
          this.#digits = this.#bits = 0;
        }
        continue;
      }
      const digit = DIGITS[byte]!;
      if (digit === INVALID || this.#padding > 0) return undefined;
      this.#bits = (this.#bits << 6) | digit;
      if (++this.#digits < 4) continue;
      out[used++] = this.#bits >> 16;
      out[used++] = this.#bits >> 8;
      out[used++] = this.#bits;
      this.#digits = this.#bits = 0;
    }
    return out.subarray(0, used);
  }
}

/** Encodes bytes in pieces. Up to two bytes wait for the piece after them. */
export class Base64Encoder {
  #rest: Buffer = Buffer.alloc(0);

  /** Encodes the next piece. `isFlush`: with padding, so that nothing waits. */
  encode(bytes: Buffer, isFlush: boolean): string {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const end = isFlush ? all.length : all.length - (all.length % 3);
    // A copy, since the piece belongs to the caller.
    this.#rest = Buffer.from(all.subarray(end));
    return all.toString('base64', 0, end);
  }
}
