// Bloom filters over 32-bit hashes, in pieces of 64 bytes: each hash sets eight bits of one piece, so that a lookup
// reads one piece. With 16 bits per hash about 1 of 1,000 lookups is wrong, with 10 bits about 1 of 60.
// Invariant: a filter never denies a hash that was added.

export const PIECE_BYTES = 64;
const BITS_PER_HASH = 8;

/** Index of the piece of a hash in a filter of `pieces` pieces. Halving `pieces` halves the index. */
export const pieceOf = (hash: number, pieces: number): number => Math.floor((hash / 2 ** 32) * pieces);

const next = (x: number): number => (Math.imul(x, 0x85ebca6b) + 0xc2b2ae35) >>> 0;
const first = (hash: number): number => next(Math.imul(hash, 0x9e3779b1) >>> 0);

export class BloomFilter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pieces: number;

  /** `pieces`: number of pieces of 64 bytes. */
  constructor(pieces: number) {
    this.pieces = pieces;
    this.bytes = new Uint8Array(pieces * PIECE_BYTES);
  }

  /** A filter with about `bits` bits for each hash. */
  static of(hashes: ArrayLike<number>, bits: number): BloomFilter {
    const filter = new BloomFilter(Math.max(1, Math.ceil((hashes.length * bits) / 8 / PIECE_BYTES)));
    for (let i = 0; i < hashes.length; i++) filter.add(hashes[i]!);
    return filter;
  }

  add(hash: number): void {
    const base = pieceOf(hash, this.pieces) * PIECE_BYTES;
    let x = first(hash);
    for (let i = 0; i < BITS_PER_HASH; i++) {
      const bit = x >>> 23;
      this.bytes[base + (bit >> 3)]! |= 1 << (bit & 7);
      x = next(x);
    }
  }

  /** A filter of half the size that denies no hash that this one admits. The number of pieces must be even. */
  halved(): BloomFilter {
    const half = new BloomFilter(this.pieces / 2);
    for (let piece = 0; piece < half.pieces; piece++)
      for (let i = 0; i < PIECE_BYTES; i++)
        half.bytes[piece * PIECE_BYTES + i] =
          this.bytes[2 * piece * PIECE_BYTES + i]! | this.bytes[(2 * piece + 1) * PIECE_BYTES + i]!;
    return half;
  }
}

/** True if the hash may have been added. `at`: offset of its piece in `bytes`. */
export function pieceHas(bytes: Uint8Array, at: number, hash: number): boolean {
  let x = first(hash);
  for (let i = 0; i < BITS_PER_HASH; i++) {
    const bit = x >>> 23;
    if ((bytes[at + (bit >> 3)]! & (1 << (bit & 7))) === 0) return false;
    x = next(x);
  }
  return true;
}

/** True if the hash may have been added to the filter with these bytes. */
export const mayHave = (bytes: Uint8Array, hash: number): boolean =>
  pieceHas(bytes, pieceOf(hash, bytes.length / PIECE_BYTES) * PIECE_BYTES, hash);

/** Hash of an id: FNV-1a over its UTF-16 code units, with a final mix. */
export function hashOfId(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}
