// The bodies of the requests of one drain, compressed together.
// Invariant: bodies are read back exactly.
import { fromBlob, toBlob } from './blob.ts';

/** Stored bodies of a request; `undefined`: none was stored. */
export interface Bodies {
  readonly request: Uint8Array | undefined;
  readonly response: Uint8Array | undefined;
}

/** Bodies with the sequence number of their request. */
export interface NumberedBodies extends Bodies {
  readonly seq: number;
}

/** Bodies of a request, as they are read. */
interface DecodedBodies extends Bodies {
  readonly request: Buffer | undefined;
  readonly response: Buffer | undefined;
}

/** Bytes of bodies that are compressed together at most, unless one request has more. */
const MAX_BYTES = 256 * 1024;
const NONE = 0xffff_ffff;
/** For each request: its sequence number (f64), and the sizes of its bodies (u32 each, NONE: none). */
const ENTRY_BYTES = 16;

const sizeOf = ({ request, response }: Bodies): number => (request?.length ?? 0) + (response?.length ?? 0);

/** Divides bodies, in order of their sequence numbers, into groups that are stored together. */
export function groupBodies(all: readonly NumberedBodies[]): NumberedBodies[][] {
  const groups: NumberedBodies[][] = [];
  let bytes = Infinity;
  for (const one of all) {
    if (bytes + sizeOf(one) > MAX_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(one);
    bytes += sizeOf(one);
  }
  return groups;
}

/** Encodes bodies, which are not empty and in order of their sequence numbers. */
export function encodeBodies(bodies: readonly NumberedBodies[]): Buffer {
  const head = Buffer.alloc(4 + ENTRY_BYTES * bodies.length);
  head.writeUInt32LE(bodies.length, 0);
  const parts: Uint8Array[] = [head];
  for (const [i, { seq, request, response }] of bodies.entries()) {
    const at = 4 + i * ENTRY_BYTES;
    head.writeDoubleLE(seq, at);
    head.writeUInt32LE(request?.length ?? NONE, at + 8);
    head.writeUInt32LE(response?.length ?? NONE, at + 12);
    if (request) parts.push(request);
    if (response) parts.push(response);
  }
  return toBlob(Buffer.concat(parts), true);
}

/** The bodies of the request with a sequence number; `undefined` if they are not among these. Throws DamagedBlobError. */
export function findBodies(blob: Uint8Array, wanted: number): DecodedBodies | undefined {
  const bytes = fromBlob(blob);
  const count = bytes.readUInt32LE(0);
  let at = 4 + ENTRY_BYTES * count;
  const take = (length: number): Buffer | undefined => {
    if (length === NONE) return undefined;
    at += length;
    return Buffer.from(bytes.subarray(at - length, at));
  };
  for (let i = 0; i < count; i++) {
    const entry = 4 + i * ENTRY_BYTES;
    const request = take(bytes.readUInt32LE(entry + 8));
    const response = take(bytes.readUInt32LE(entry + 12));
    if (bytes.readDoubleLE(entry) === wanted) return { request, response };
  }
  return undefined;
}
