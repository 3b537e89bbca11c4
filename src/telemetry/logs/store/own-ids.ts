// Own request ids of a page: the begin of the request in milliseconds (12 hex digits), and 25 more digits.
// Invariant: an id is the text that was encoded (encode-page.ts).
import { OWN_ID_BYTES } from './block-rows.ts';

const DIGITS = '0123456789abcdef';
/** All pairs of digits. */
const PAIRS = Array.from({ length: 256 }, (_, i) => DIGITS[i >> 4]! + DIGITS[i & 15]!);
/** The last six digits of the time. */
const LOW = 2 ** 24;
/** Ids that are made before the digits of all of them are. */
const FEW_IDS = 16;

/** The first six digits of the last time, which times have in common for hours. */
let last = { high: 0, digits: '000000' };

/** Milliseconds as 12 hex digits. */
function hexOfTime(ms: number): string {
  const high = Math.floor(ms / LOW);
  if (high !== last.high) last = { high, digits: high.toString(16).padStart(6, '0') };
  const low = ms - high * LOW;
  return last.digits + PAIRS[low >> 16]! + PAIRS[(low >> 8) & 255]! + PAIRS[low & 255]!;
}

export class OwnIds {
  readonly #bytes: Uint8Array;
  readonly #count: number;
  /** The digits between the time and the last digit, of all ids, once there were many of them. */
  #digits: string | undefined;
  #made = 0;
  #lastRank = -1;
  #lastId = '';

  /** `bytes`: the 12 bytes of each id after the time, by rank; then the last digits. */
  constructor(bytes: Uint8Array, count: number) {
    this.#bytes = bytes;
    this.#count = count;
  }

  /** The 12 bytes of an id after the time. */
  bytes(rank: number): Uint8Array {
    return this.#bytes.subarray(rank * OWN_ID_BYTES, (rank + 1) * OWN_ID_BYTES);
  }

  /** The last hex digit of an id. */
  digit(rank: number): number {
    return (this.#bytes[this.#count * OWN_ID_BYTES + (rank >> 1)]! >> (4 * (rank & 1))) & 15;
  }

  /** `ms`: the begin of the request. */
  id(rank: number, ms: number): string {
    // Often the trace id of the same request is asked for next, which follows from its id.
    if (rank === this.#lastRank) return this.#lastId;
    this.#lastRank = rank;
    return (this.#lastId = hexOfTime(ms) + this.#middle(rank) + DIGITS[this.digit(rank)]!);
  }

  #middle(rank: number): string {
    if (this.#digits === undefined && ++this.#made <= FEW_IDS) return hexOf(this.bytes(rank));
    this.#digits ??= hexOf(this.#bytes.subarray(0, this.#count * OWN_ID_BYTES));
    return this.#digits.slice(2 * OWN_ID_BYTES * rank, 2 * OWN_ID_BYTES * (rank + 1));
  }
}

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
