// Makes request ids and span ids.
// Invariant: a request id has 37 lowercase hex digits, and the first 12 are milliseconds, so that ids sort by time.
import { customAlphabet } from 'nanoid';

const random25 = customAlphabet('0123456789abcdef', 25);
let prefixMs = -1;
let prefix = '';

/** A new id for a request that began at `epochMs` (docs/contracts/serving.md 3): 12 digits of time and 25 random ones. */
export function requestId(epochMs: number): string {
  if (epochMs !== prefixMs) {
    prefixMs = epochMs;
    prefix = epochMs.toString(16).padStart(12, '0');
  }
  return prefix + random25();
}

const randomHex = customAlphabet('0123456789abcdef', 16);

/** A W3C span id: 16 lowercase hex digits, not all zero. Two of them make a trace id. */
export function spanId(): string {
  const id = randomHex();
  return id === '0000000000000000' ? spanId() : id;
}
