// The dynamic table of one direction of a connection (RFC 7541 2.3.2 and 4): fields that were sent before, the newest first.
// Invariant: the sizes of its fields together are at most its limit, which is at most TABLE_BYTES.
import type { Field } from './field.ts';

/** Limit at the start of a connection (RFC 9113 6.5.2). weir never asks for another one and never uses more. */
export const TABLE_BYTES = 4096;
/** Size of a field besides its name and value (RFC 7541 4.1). */
export const FIELD_OVERHEAD = 32;
const SLOTS = TABLE_BYTES / FIELD_OVERHEAD;

export class DynamicTable {
  /** The field with position p is in slot p % SLOTS. Positions count all insertions from 0. */
  readonly #slots = Array.from<Field | undefined>({ length: SLOTS });
  #inserted = 0;
  #count = 0;
  #size = 0;
  #limit = TABLE_BYTES;

  /** Changes with each insertion and eviction. While it stays the same, every index means the same field. */
  version = 0;

  /** Position of the next field. */
  get inserted(): number {
    return this.#inserted;
  }

  /** Number of fields. */
  get count(): number {
    return this.#count;
  }

  /** Sizes of all fields together. */
  get size(): number {
    return this.#size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** The field inserted as the `back`th last; `undefined` if there is none. */
  get(back: number): Field | undefined {
    return back > this.#count ? undefined : this.#slots[(this.#inserted - back) % SLOTS];
  }

  /** Inserts a field and evicts the oldest ones for it. A field larger than the limit empties the table (RFC 7541 4.4). */
  insert(field: Field): void {
    this.#evictTo(this.#limit - field.size);
    if (field.size > this.#limit) return;
    this.#slots[this.#inserted % SLOTS] = field;
    this.version++;
    this.#inserted++;
    this.#count++;
    this.#size += field.size;
  }

  /** Changes the limit and evicts what is above it (RFC 7541 4.3). */
  resize(limit: number): void {
    this.#limit = limit;
    this.#evictTo(limit);
  }

  /** Called for each field that leaves the table. */
  protected evicted(_field: Field, _position: number): void {}

  #evictTo(size: number): void {
    while (this.#count > 0 && this.#size > size) {
      const position = this.#inserted - this.#count;
      const slot = position % SLOTS;
      const field = this.#slots[slot]!;
      this.#slots[slot] = undefined;
      this.version++;
      this.#count--;
      this.#size -= field.size;
      this.evicted(field, position);
    }
  }
}
