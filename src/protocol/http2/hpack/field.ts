// Header fields of HTTP/2 (RFC 9113 8.2).
// Invariant: a field never changes, so that connections share it.

/** Fields that weir reads or writes have a number. */
export const FIELD_KIND: Readonly<Record<string, number>> = {
  ':method': 1,
  ':path': 2,
  ':scheme': 3,
  ':authority': 4,
  ':status': 5,
};

export class Field {
  readonly name: string;
  readonly value: string;
  readonly kind: number;
  readonly size: number;
  readonly isValid = true;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.kind = FIELD_KIND[name] ?? 0;
    this.size = name.length + value.length + 32;
  }
}

/** A shared field for one that recurs. */
export function intern(name: string, value: string): Field {
  return new Field(name, value);
}
