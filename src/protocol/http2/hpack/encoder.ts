// Encodes the header blocks that weir sends on one connection (RFC 7541 6). Hot path.
// Invariant: what is encoded is sent, in this order, since the peer's table follows from it.
// Invariant: secrets and large values get into no table (RFC 7541 7.1).
//
//   begin ──► forward, field or literal, any number of them ──► the section is complete
//
// A block that clients send again and again is encoded once: while the table stays as it is, its bytes are copied.
import { writeInteger, writeString } from './block-writer.ts';
import { TABLE_BYTES } from './dynamic-table.ts';
import { EncodedBlocks } from './encoded-blocks.ts';
import { EncoderTable } from './encoder-table.ts';
import { Field, isSecretName, staticNameIndex } from './field.ts';
import type { HeaderBlock } from './header-block.ts';

/** Decides which fields of a block are not forwarded. Its answer depends on name and value alone and never changes. */
export interface FieldFilter {
  drops(field: Field): boolean;
}

/** Most bytes that `begin` writes. */
export const BEGIN_BYTES = 8;

// The first bits of a representation (RFC 7541 6).
const INDEXED = 0x80;
const LITERAL_WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const LITERAL_NEVER_INDEXED = 0x10;
const LITERAL = 0;

/** A full table takes a new field once in so many sections. Each change costs the encoded blocks that are kept. */
const SECTIONS_PER_EVICTION = 512;

export class Encoder {
  readonly #table = new EncoderTable();
  readonly #encoded = new EncodedBlocks();
  /** Smallest limit since the peer was last told; -1: there is nothing to tell. */
  #smallestLimit = -1;
  /** Sections since a field was evicted for another one. */
  #sections = SECTIONS_PER_EVICTION;

  /** Follows the peer's SETTINGS_HEADER_TABLE_SIZE. The next section tells the peer (RFC 7541 4.2). */
  limit(size: number): void {
    const limit = Math.min(size, TABLE_BYTES);
    if (limit === this.#table.limit) return;
    this.#smallestLimit = this.#smallestLimit === -1 ? limit : Math.min(limit, this.#smallestLimit);
    this.#table.resize(limit);
    this.#encoded.clear();
  }

  /** Begins a section: writes the size updates that are due, at most BEGIN_BYTES. Returns the index after them. */
  begin(out: Buffer, at: number): number {
    this.#sections++;
    const smallest = this.#smallestLimit;
    if (smallest === -1) return at;
    this.#smallestLimit = -1;
    const { limit } = this.#table;
    // The smallest one first, since the peer has evicted down to it (RFC 7541 4.2).
    const next = smallest < limit ? writeInteger(out, at, SIZE_UPDATE, 31, smallest) : at;
    return writeInteger(out, next, SIZE_UPDATE, 31, limit);
  }

  /** Writes the fields of a block that the filter does not drop, at most `block.size` bytes. Returns the index after them. */
  forward(block: HeaderBlock, filter: FieldFilter, out: Buffer, at: number): number {
    const bytes = this.#encoded.find(block, filter);
    if (bytes !== undefined) {
      out.set(bytes, at);
      return at + bytes.length;
    }
    const { version } = this.#table;
    const { fields } = block;
    let end = at;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!;
      if (!filter.drops(field)) end = this.#write(field, out, end, block.isReference(i));
    }
    if (block.isRemembered && this.#table.version === version)
      this.#encoded.keep(block, filter, out, at, end);
    return end;
  }

  /** Writes a field that recurs, at most `field.size` bytes. Returns the index after it. */
  field(field: Field, out: Buffer, at: number): number {
    return this.#write(field, out, at, true);
  }

  /**
   * Writes a field with a value of its own, such as an id, at most name, value and 32 bytes. `name`: in lower case. Returns
   * the index after it.
   */
  literal(name: string, value: string, out: Buffer, at: number): number {
    const isSecret = isSecretName(name);
    const index = staticNameIndex(name) || this.#table.indexOfName(name);
    if (index === 0 && !isSecret) {
      // The value is of no use in the table, but the next field can refer to the name.
      const field = new Field(name, value);
      if (this.#mayInsert(field)) return this.#insert(field, 0, out, at);
    }
    return literal(isSecret ? LITERAL_NEVER_INDEXED : LITERAL, 15, index, name, value, out, at);
  }

  #write(field: Field, out: Buffer, at: number, recurs: boolean): number {
    if (field.isNeverIndexed)
      return literal(LITERAL_NEVER_INDEXED, 15, field.nameIndex, field.name, field.value, out, at);
    const index = field.index || this.#table.indexOf(field);
    if (index !== 0) return writeInteger(out, at, INDEXED, 127, index);
    const nameIndex = field.nameIndex || this.#table.indexOfName(field.name);
    if (recurs && this.#mayInsert(field)) return this.#insert(field, nameIndex, out, at);
    return literal(LITERAL, 15, nameIndex, field.name, field.value, out, at);
  }

  #mayInsert(field: Field): boolean {
    const { size, limit } = this.#table;
    if (field.size > limit / 4) return false;
    return size + field.size <= limit || this.#sections >= SECTIONS_PER_EVICTION;
  }

  #insert(field: Field, nameIndex: number, out: Buffer, at: number): number {
    const { size, limit } = this.#table;
    if (size + field.size > limit) this.#sections = 0;
    const end = literal(LITERAL_WITH_INDEXING, 63, nameIndex, field.name, field.value, out, at);
    this.#table.insert(field);
    this.#encoded.clear();
    return end;
  }
}

/** Writes a literal field (RFC 7541 6.2). `index`: of its name; 0: none. Returns the index after it. */
function literal(
  pattern: number,
  mask: number,
  index: number,
  name: string,
  value: string,
  out: Buffer,
  at: number,
): number {
  let end = writeInteger(out, at, pattern, mask, index);
  if (index === 0) end = writeString(out, end, name);
  return writeString(out, end, value);
}
