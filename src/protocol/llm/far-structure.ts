// Finds quotes and brackets that are far away, in bytes that are skipped. Hot path.
// Invariant: each is searched for at most once from the same place, so the time is in proportion to the bytes.
import { indexOfByte } from './byte-search.ts';
import { CLOSE_LIST, CLOSE_OBJECT, OPEN_LIST, OPEN_OBJECT, QUOTE } from './json-bytes.ts';

const STRUCTURES = [QUOTE, CLOSE_LIST, CLOSE_OBJECT, OPEN_LIST, OPEN_OBJECT];

export class FarStructure {
  /** Where each comes next, if that is still ahead. */
  readonly #next = new Int32Array(STRUCTURES.length);

  /** Other bytes are read. */
  reset(): void {
    this.#next.fill(-1);
  }

  /** Index of the next quote or bracket in bytes[from, to), or `to`. */
  find(bytes: Buffer, from: number, to: number): number {
    let nearest = to;
    for (let one = 0; one < STRUCTURES.length; one++) {
      let at = this.#next[one]!;
      if (at < from) {
        this.#next[one] = at = indexOfByte(bytes, STRUCTURES[one]!, from, to);
      }
      if (at < nearest) nearest = at;
    }
    return nearest;
  }
}
