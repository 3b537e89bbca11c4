// Makes request ids and span ids.
// Invariant: a request id has 37 lowercase hex digits, and the first 12 are milliseconds, so that ids sort by time.
import { randomFillSync } from 'node:crypto';

const TIME_DIGITS = 12;
const RANDOM_DIGITS = 25;
const SPAN_DIGITS = 16;
const DIGITS = Buffer.from('0123456789abcdef');

/** Random bytes of the next ids, one for each digit. To ask for few takes nearly as long as to ask for many. */
const random = Buffer.allocUnsafeSlow(RANDOM_DIGITS * 512);
let used = random.length;
/** The last id. */
const text = Buffer.allocUnsafeSlow(TIME_DIGITS + RANDOM_DIGITS);
let textMs = -1;
/** The last span id. */
const span = Buffer.allocUnsafeSlow(SPAN_DIGITS);

/** Fills the rest of `id`, from a position on, with random hex digits. */
function fillRandom(id: Buffer, from: number): void {
  if (used + id.length - from > random.length) {
    randomFillSync(random);
    used = 0;
  }
  for (let at = from; at < id.length; at++) id[at] = DIGITS[random[used++]! & 15]!;
}

/**
 * A new id for a request that began at `epochMs` (docs/contracts/serving.md 3): 12 digits of time and 25 random ones. Hot
 * path: the id is made of bytes at once, since a string that grows by a digit is a chain of many small objects.
 */
export function requestId(epochMs: number): string {
  if (epochMs !== textMs) {
    textMs = epochMs;
    text.write(epochMs.toString(16).padStart(TIME_DIGITS, '0'), 0, 'latin1');
  }
  fillRandom(text, TIME_DIGITS);
  return text.latin1Slice(0, text.length);
}

/** A W3C span id: 16 lowercase hex digits, not all zero. Two of them make a trace id. */
export function spanId(): string {
  fillRandom(span, 0);
  const id = span.latin1Slice(0, span.length);
  return id === '0000000000000000' ? spanId() : id;
}
