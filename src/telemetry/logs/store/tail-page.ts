// A page of the tail as one blob: its parts one after the other, not compressed unless it replaces many small ones.
// Invariant: a page of the tail is read back as the parts that were encoded.
import { fromBlob, toBlob } from './blob.ts';
import { PARTS } from './encode-page.ts';

/** Joins the parts of a page: the number of parts (u32), their lengths (u32 each), then their bytes. */
export function toTailBlob(parts: readonly Uint8Array[], compresses: boolean): Buffer {
  const head = Buffer.alloc(4 + 4 * parts.length);
  head.writeUInt32LE(parts.length, 0);
  for (const [i, part] of parts.entries()) head.writeUInt32LE(part.length, 4 + 4 * i);
  return toBlob(Buffer.concat([head, ...parts]), compresses);
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
