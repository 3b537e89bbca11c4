// The dynamic table of an encoder: also finds the index of a field and of a name.
import { DynamicTable } from './dynamic-table.ts';
import type { Field } from './field.ts';
import { STATIC_TABLE } from './static-table.ts';

/** Index of the newest field (RFC 7541 2.3.3). */
const FIRST_INDEX = STATIC_TABLE.length + 1;

export class EncoderTable extends DynamicTable {
  /** Positions of the newest field that is this object, or has this name. */
  readonly #fields = new Map<Field, number>();
  readonly #names = new Map<string, number>();

  /** Index of the field; 0 if the table does not have it. */
  indexOf(field: Field): number {
    return this.#index(this.#fields.get(field));
  }

  /** Index of a field with the name; 0 if there is none. */
  indexOfName(name: string): number {
    return this.#index(this.#names.get(name));
  }

  /** Inserts a field that has not more than the limit. */
  override insert(field: Field): void {
    super.insert(field);
    this.#fields.set(field, this.inserted - 1);
    this.#names.set(field.name, this.inserted - 1);
  }

  protected override evicted(field: Field, position: number): void {
    if (this.#fields.get(field) === position) this.#fields.delete(field);
    if (this.#names.get(field.name) === position) this.#names.delete(field.name);
  }

  #index(position: number | undefined): number {
    return position === undefined ? 0 : FIRST_INDEX + this.inserted - 1 - position;
  }
}
