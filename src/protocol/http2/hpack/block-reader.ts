// Reads the integers and strings of a header block (RFC 7541 5). Hot path.
// Invariant: nothing is read from beyond the end of the block.
import { decodeHuffman, maxDecodedLength } from './huffman.ts';
import { HpackError } from './hpack-error.ts';

/** Most bytes of an integer after its first. Numbers of so many are below 2^28 + 256. */
const MAX_MORE_BYTES = 4;
const HUFFMAN_BIT = 0x80;
const EMPTY = Buffer.alloc(0);

/** For decoded strings. Longer ones have a buffer of their own. */
const scratch = Buffer.allocUnsafeSlow(16 * 1024);

export class BlockReader {
  #bytes: Buffer = EMPTY;
  #end = 0;
  /** Index of the next byte. */
  at = 0;

  /** Begins a block. The bytes are borrowed until `close`. */
  open(bytes: Buffer, from: number, to: number): void {
    this.#bytes = bytes;
    this.at = from;
    this.#end = to;
  }

  close(): void {
    this.#bytes = EMPTY;
    this.at = this.#end = 0;
  }

  get hasMore(): boolean {
    return this.at < this.#end;
  }

  /** The next byte, which is not yet read. Call only if `hasMore`. */
  get next(): number {
    return this.#bytes[this.at]!;
  }

  /** An integer that begins in the bits of `mask` of the next byte (RFC 7541 5.1). */
  integer(mask: number): number {
    let value = this.#bytes[this.at++]! & mask;
    if (value < mask) return value;
    for (let more = 0, factor = 1; more < MAX_MORE_BYTES; more++, factor *= 128) {
      if (this.at >= this.#end) throw new HpackError('header block ends within an integer');
      const byte = this.#bytes[this.at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new HpackError(`integer in a header block is longer than ${1 + MAX_MORE_BYTES} bytes`);
  }

  /** A string, one character per byte (RFC 7541 5.2). */
  string(): string {
    if (this.at >= this.#end) throw new HpackError('header block ends before a string');
    const isHuffman = this.next >= HUFFMAN_BIT;
    const length = this.integer(127);
    const from = this.at;
    const to = from + length;
    if (to > this.#end)
      throw new HpackError(`string of ${length} bytes in a header block that has ${this.#end - from} more`);
    this.at = to;
    if (!isHuffman) return this.#bytes.latin1Slice(from, to);
    const most = maxDecodedLength(length);
    const out = most <= scratch.length ? scratch : Buffer.allocUnsafeSlow(most);
    const decoded = decodeHuffman(this.#bytes, from, to, out);
    if (decoded === -1) throw new HpackError('string in a header block has an invalid Huffman code');
    return out.latin1Slice(0, decoded);
  }
}
