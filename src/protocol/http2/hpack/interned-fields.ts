// Fields that come again, one object for each name and value, so that they are compared by identity. Hot path.
// Invariant: the fields kept have at most 2 × `maxBytes` bytes and 2 × `maxCount` objects.
// There are two generations. When the young one is full it becomes the old one, and the old one is dropped. A field that
// is asked for moves to the young one, so fields in use stay.
import { Field } from './field.ts';

/** Fields with larger values are not kept. Tables have no room for many of them either. */
const MAX_VALUE = 1024;
/** Memory that a field needs besides its name and value. */
const OBJECT_BYTES = 128;

type Generation = Map<string, Map<string, Field>>;

export class InternedFields {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #young: Generation = new Map();
  #old: Generation = new Map();
  #youngCount = 0;
  #youngBytes = 0;
  #oldCount = 0;
  #oldBytes = 0;

  /** Limits of a generation. */
  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /** Number of fields kept. */
  get count(): number {
    return this.#youngCount + this.#oldCount;
  }

  /** Estimated memory of the fields kept. */
  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** The field with this name and value. A secret, and a large one, is made anew each time. */
  get(name: string, value: string): Field {
    const known = this.#young.get(name)?.get(value);
    if (known !== undefined) return known;
    const field = this.#old.get(name)?.get(value) ?? new Field(name, value);
    if (!field.isNeverIndexed && value.length <= MAX_VALUE) this.#keep(field);
    return field;
  }

  #keep(field: Field): void {
    const bytes = field.size + OBJECT_BYTES;
    if (this.#youngCount === this.#maxCount || this.#youngBytes + bytes > this.#maxBytes) this.#age();
    const values = this.#young.get(field.name);
    if (values === undefined) this.#young.set(field.name, new Map([[field.value, field]]));
    else values.set(field.value, field);
    this.#youngCount++;
    this.#youngBytes += bytes;
  }

  #age(): void {
    this.#old = this.#young;
    this.#oldCount = this.#youngCount;
    this.#oldBytes = this.#youngBytes;
    this.#young = new Map();
    this.#youngCount = this.#youngBytes = 0;
  }
}

const shared = new InternedFields(4096, 1024 * 1024);

/** The field with this name and value, for one that recurs. A secret, and a large one, is made anew each time. */
export const intern = (name: string, value: string): Field => shared.get(name, value);
