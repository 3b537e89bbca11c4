// A list of names that only grows, in arrays, so that another thread can read it while it grows.
// Invariant: a name is written before it is counted, and never changes.
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';

export class WrittenNames {
  readonly #size: number;
  readonly #longest: number;
  /** Index → length, then UTF-16 code units. */
  readonly #units: Uint16Array;
  /** One element: the number of names. */
  readonly #count: Int32Array;
  /** Names that were read from the arrays. */
  readonly #read: string[] = [];

  /** `size`: most names. `longest`: of a name, in UTF-16 code units. */
  constructor(size: number, longest: number, arrays: ArraySource = privateArrays) {
    this.#size = size;
    this.#longest = longest;
    this.#units = arrays.uint16(size * (longest + 1));
    this.#count = arrays.int32(1);
  }

  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  /** All names, in the order in which they were added. */
  get all(): readonly string[] {
    for (let i = this.#read.length, { count } = this; i < count; i++) this.#read.push(this.#readAt(i));
    return this.#read;
  }

  /** Adds a name at the end and returns its index; -1 if it is too long, or there is no room. One thread adds names. */
  add(name: string): number {
    const { count } = this;
    if (count === this.#size || name.length > this.#longest) return -1;
    const at = count * (this.#longest + 1);
    this.#units[at] = name.length;
    for (let i = 0; i < name.length; i++) this.#units[at + 1 + i] = name.charCodeAt(i);
    Atomics.store(this.#count, 0, count + 1);
    return count;
  }

  /** Index of a name, which is added if it is new; -1 as for `add`. For a few names only. */
  indexOf(name: string): number {
    const known = this.#read.indexOf(name);
    if (known !== -1) return known;
    const found = this.all.indexOf(name);
    return found === -1 ? this.add(name) : found;
  }

  #readAt(index: number): string {
    const at = index * (this.#longest + 1);
    return String.fromCharCode(...this.#units.subarray(at + 1, at + 1 + this.#units[at]!));
  }
}
