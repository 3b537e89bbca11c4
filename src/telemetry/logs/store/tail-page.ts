// A page of the tail as one blob: its parts one after the other, not compressed unless it replaces many small ones.
// Invariant: a page of the tail is read back as the parts that were encoded.
import { BLOB_HEADER_BYTES, fromBlob, plainBlob, toBlob } from './blob.ts';
import { ByteWriter } from './byte-writer.ts';
import { PARTS } from './encode-page.ts';

/**
 * Joins the parts of a page: the number of parts (u32), their lengths (u32 each), then their bytes. The blob may be in
 * the memory of `out`, so it has a meaning until that is used again.
 */
export function toTailBlob(
  parts: readonly Uint8Array[],
  compresses: boolean,
  out = new ByteWriter(),
): Buffer<ArrayBuffer> {
  out.reset();
  out.reserve(BLOB_HEADER_BYTES);
  out.putU32(parts.length);
  for (const { length } of parts) out.putU32(length);
  for (const part of parts) out.put(part);
  return compresses ? toBlob(out.part(BLOB_HEADER_BYTES), true) : plainBlob(out.part(0));
}

/** The parts of a page of the tail. Parts that this version does not know are left out. Throws DamagedBlobError. */
export function fromTailBlob(blob: Uint8Array): Uint8Array[] {
  const bytes = fromBlob(blob);
  const count = bytes.readUInt32LE(0);
  let at = 4 + 4 * count;
  const parts: Uint8Array[] = [];
  for (let i = 0; i < Math.max(count, PARTS); i++) {
    const length = i < count ? bytes.readUInt32LE(4 + 4 * i) : 0;
    if (i < PARTS) parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  return parts;
}
