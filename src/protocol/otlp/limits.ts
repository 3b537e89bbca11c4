// Limits of one OTLP request, and the error for a request that is malformed or exceeds them.
// Invariant: decoding stops at these limits before it has built more objects than they allow, in both encodings.

/** Levels of arrays and maps in one attribute value. */
export const MAX_DEPTH = 32;
/** Messages, attributes and values in one request, in total. */
export const MAX_PARTS = 1_000_000;

/** Thrown by decoders. The message is for the sender and completes a sentence: "the body …". */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** Counts the parts of one request. */
export class PartCounter {
  #left = MAX_PARTS;

  /** Adds one part. Throws if there are more than MAX_PARTS. */
  add(): void {
    if (--this.#left < 0)
      throw new MalformedMessage(`has more than ${MAX_PARTS} records, attributes and values`);
  }
}

/** Throws if a value at this depth is nested too deeply. */
export function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new MalformedMessage(`has a value nested deeper than ${MAX_DEPTH} levels`);
}
