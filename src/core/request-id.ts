// Request ids. Must stay true: 37 lowercase hex characters, 12 of them milliseconds, so that ids sort by time.
import { customAlphabet } from 'nanoid';

const random25 = customAlphabet('0123456789abcdef', 25);
let prefixMs = -1;
let prefix = '';

/** A new id for a request that began at `epochMs`: 12 hex of milliseconds, 25 random (contracts/baseten.md 3). */
export function requestId(epochMs: number): string {
  if (epochMs !== prefixMs) {
    prefixMs = epochMs;
    prefix = epochMs.toString(16).padStart(12, '0');
  }
  return prefix + random25();
}

const randomHex = customAlphabet('0123456789abcdef', 16);

/** 16 lowercase hex characters that are not all zero: a W3C span id; twice that is a trace id. */
export function spanId(): string {
  const id = randomHex();
  return id === '0000000000000000' ? spanId() : id;
}
