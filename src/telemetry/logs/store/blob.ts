// Bytes in the files of the log store: compressed if that is worth it, with a checksum, since SQLite has none on its pages.
// Invariant: bytes are read back exactly, or DamagedBlobError is thrown.
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** CRC-32 of all that follows (u32), how the bytes are stored (u8), and how many bytes they are when decompressed (u32). */
const CRC_BYTES = 4;
const HEADER_BYTES = 9;
const PLAIN = 0;
const ZSTD = 1;
/** Fewer bytes are not compressed. */
const MIN_COMPRESSED = 512;
/** Largest part of its bytes that a compressed value may have. Otherwise it is stored as it is, and read much faster. */
const MAX_RATIO = 7 / 8;
const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Bytes of a header, which `plainBlob` fills. */
export const BLOB_HEADER_BYTES = HEADER_BYTES;

export class DamagedBlobError extends Error {
  override readonly name = 'DamagedBlobError';
}

/** Adds the header. `compresses`: with zstd at level 1, which takes about 2 ns per byte. */
export function toBlob(bytes: Uint8Array, compresses: boolean): Buffer<ArrayBuffer> {
  const compressed =
    compresses && bytes.length >= MIN_COMPRESSED ? zstdCompressSync(bytes, FASTEST) : undefined;
  const isCompressed = compressed !== undefined && compressed.length <= bytes.length * MAX_RATIO;
  const stored = isCompressed ? compressed : bytes;
  const blob = Buffer.allocUnsafe(HEADER_BYTES + stored.length);
  blob.set(stored, HEADER_BYTES);
  return withHeader(blob, isCompressed ? ZSTD : PLAIN, bytes.length);
}

/** Makes a blob of bytes that follow room for its header, in their own memory, without compression. */
export const plainBlob = ({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): Buffer<ArrayBuffer> =>
  withHeader(Buffer.from(buffer, byteOffset, length), PLAIN, length - HEADER_BYTES);

function withHeader(blob: Buffer<ArrayBuffer>, how: number, length: number): Buffer<ArrayBuffer> {
  blob[CRC_BYTES] = how;
  blob.writeUInt32LE(length, CRC_BYTES + 1);
  blob.writeUInt32LE(crc32(blob.subarray(CRC_BYTES)), 0);
  return blob;
}

/** The bytes of a blob. Throws DamagedBlobError. */
export function fromBlob(blob: Uint8Array): Buffer {
  const buffer = Buffer.from(blob.buffer, blob.byteOffset, blob.length);
  if (buffer.length < HEADER_BYTES) throw new DamagedBlobError('a page is too short');
  if (crc32(buffer.subarray(CRC_BYTES)) !== buffer.readUInt32LE(0))
    throw new DamagedBlobError('a page has a wrong checksum');
  const stored = buffer.subarray(HEADER_BYTES);
  const length = buffer.readUInt32LE(CRC_BYTES + 1);
  if (buffer[CRC_BYTES] === PLAIN) return stored;
  if (buffer[CRC_BYTES] !== ZSTD) throw new DamagedBlobError('a page has an unknown compression');
  // The whole output at once: zlib otherwise makes and joins pieces.
  return zstdDecompressSync(stored, {
    chunkSize: Math.max(64, length),
    maxOutputLength: Math.max(64, length),
  });
}
