// How much one request may hold, whoever sent it, and how it is said that it does not fit.
// Must stay true: reading ends at these bounds before it has built more than they allow, in both encodings.

/** Lists and maps inside each other, in one value. */
export const MAX_DEPTH = 32;
/** Messages, attributes and values in one request, all together. */
export const MAX_PARTS = 1_000_000;

/** What is wrong with the input, in words for its sender. Thrown inside a codec, returned by it as a value. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** Counts the parts of one request. */
export class Budget {
  #left = MAX_PARTS;

  /** One more; throws at the bound. */
  take(): void {
    if (--this.#left < 0) throw new Malformed(`has more than ${MAX_PARTS} records, attributes and values`);
  }
}

/** Throws where a value is nested too deeply. */
export function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new Malformed(`has a value that is nested deeper than ${MAX_DEPTH}`);
}
