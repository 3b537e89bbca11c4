// Ids that follow from names: UUIDs of version 5 (RFC 9562 5.5).
// Invariant: the same names give the same id for ever, so that an id survives the loss of the file that it is in.
import { createHash } from 'node:crypto';

/** Namespace of weir's ids. It must never change. */
const NAMESPACE = Buffer.from('5f0c8d1e7a3b4c2d9e6f1a2b3c4d5e6f', 'hex');

/** Returns the UUID of a list of names. */
export function derivedId(...names: readonly string[]): string {
  // JSON, so that no two lists have the same text.
  const hash = createHash('sha1').update(NAMESPACE).update(JSON.stringify(names)).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
