// Reads the values of a JSON body while it passes. Of a body that is longer than MAX_WHOLE_BYTES only the last
// TAIL_BYTES are looked at, and of these only what follows one of some names in the object at the root.
// Invariant: the same bytes give the same values at every split. No more than 2 * TAIL_BYTES are kept, and nothing when
// the body has ended, but for MAX_SPARE buffers that serve the next bodies.
import type { PayloadSink } from '../http/body-framing.ts';

const MAX_WHOLE_BYTES = 64 * 1024;
const TAIL_BYTES = 16 * 1024;
/** Places in the tail from which its end is read. */
const MAX_TRIES = 8;

/** Buffers for tails that are not in use. New ones for each body would make V8 collect garbage more often. */
const spare: Buffer[] = [];
const MAX_SPARE = 4;

/** Reads the values of one JSON object. */
export interface ObjectReader {
  /** Begins in the middle: before a name of the object. */
  beginBeforeName(): void;
  push(bytes: Buffer, from: number, to: number): void;
  /** The object has ended. */
  readonly isWhole: boolean;
  /** Nothing more of it is wanted. */
  readonly isFound?: boolean;
}

export class PlainReader implements PayloadSink {
  readonly #reader: ObjectReader;
  readonly #names: readonly Buffer[];
  readonly #readsBegin: boolean;
  /** Bytes that came, and how many will come; Infinity: not known. */
  #bytes = 0;
  #length = Infinity;
  /** The last bytes of a long body. */
  #tail: Buffer | undefined;
  #tailBytes = 0;

  /**
   * `reader` has begun when `begin` is called. `names`: of the values that are looked for in a tail. `readsBegin`: the
   * first MAX_WHOLE_BYTES of a long body are read too.
   */
  constructor(reader: ObjectReader, names: readonly string[], readsBegin: boolean) {
    this.#reader = reader;
    this.#readsBegin = readsBegin;
    this.#names = names.map((name) => Buffer.from(`"${name}"`));
  }

  /** Begins a body. `length`: its bytes; Infinity if that is not known. */
  begin(length: number): void {
    this.#bytes = 0;
    this.#length = length;
    this.#tailBytes = 0;
  }

  /** All bytes came; only known of a body whose length is. */
  get isComplete(): boolean {
    return this.#bytes === this.#length;
  }

  /** Reads bytes[from, to). They are only borrowed. */
  push(bytes: Buffer, from: number, to: number): void {
    if (this.#reader.isFound === true) return;
    const before = this.#bytes;
    this.#bytes += to - from;
    const isLong = this.#length !== Infinity && this.#length > MAX_WHOLE_BYTES;
    if (before < MAX_WHOLE_BYTES && (this.#readsBegin || !isLong))
      this.#reader.push(bytes, from, Math.min(to, from + MAX_WHOLE_BYTES - before));
    // Where the tail begins, at the earliest.
    const first = (isLong ? this.#length : MAX_WHOLE_BYTES) - TAIL_BYTES;
    if ((isLong || this.#length === Infinity) && this.#bytes > first)
      this.#keep(bytes, Math.max(from, from + first - before), to);
  }

  /** The body has ended. `isWanted`: its values are still looked for. */
  end(isWanted: boolean): void {
    const kept = this.#tail;
    if (kept === undefined) return;
    this.#tail = undefined;
    if (isWanted && this.#bytes > MAX_WHOLE_BYTES)
      this.#readTail(kept.subarray(Math.max(0, this.#tailBytes - TAIL_BYTES), this.#tailBytes));
    if (spare.length < MAX_SPARE) spare.push(kept);
  }

  #readTail(tail: Buffer): void {
    let tries = 0;
    for (const name of this.#names)
      for (
        let at = tail.lastIndexOf(name);
        at !== -1 && tries < MAX_TRIES;
        at = at === 0 ? -1 : tail.lastIndexOf(name, at - 1)
      ) {
        tries++;
        this.#reader.beginBeforeName();
        // It ends exactly at the end of the body only if the name is one of the object at the root.
        this.#reader.push(tail, at, tail.length);
        if (this.#reader.isWhole) return;
      }
  }

  #keep(bytes: Buffer, start: number, to: number): void {
    const from = Math.max(start, to - TAIL_BYTES);
    const tail = (this.#tail ??= spare.pop() ?? Buffer.allocUnsafeSlow(2 * TAIL_BYTES));
    if (this.#tailBytes + to - from > tail.length) {
      tail.copyWithin(0, this.#tailBytes - TAIL_BYTES, this.#tailBytes);
      this.#tailBytes = TAIL_BYTES;
    }
    bytes.copy(tail, this.#tailBytes, from, to);
    this.#tailBytes += to - from;
  }
}
