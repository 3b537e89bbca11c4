// Decodes the header blocks that a peer sends on one connection (RFC 7541 3 and 6). Hot path.
// Invariant: every block is decoded to its end, also one that is too large, since the next blocks need its changes of the
// dynamic table.
import { BlockReader } from './block-reader.ts';
import { DynamicTable, TABLE_BYTES } from './dynamic-table.ts';
import { Field } from './field.ts';
import { HeaderBlock } from './header-block.ts';
import { HpackError } from './hpack-error.ts';
import { intern } from './interned-fields.ts';
import { RememberedBlocks } from './remembered-blocks.ts';
import { STATIC_TABLE } from './static-table.ts';

// The first bits of a representation (RFC 7541 6).
const INDEXED = 0x80;
const LITERAL_WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const LITERAL_NEVER_INDEXED = 0x10;

/** A block with this many times the allowed size ends the connection. */
const MAX_EXCESS = 4;

const staticFields: readonly Field[] = STATIC_TABLE.map(([name, value]) => new Field(name, value));
const STATIC_COUNT = staticFields.length;

export class Decoder {
  readonly #maxListBytes: number;
  readonly #table = new DynamicTable();
  readonly #remembered = new RememberedBlocks();
  readonly #reader = new BlockReader();

  /** `maxListBytes`: largest size of a block's fields (SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113 6.5.2). */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /**
   * Decodes a whole block: HEADERS and its CONTINUATIONs. The bytes are only borrowed. Above `maxListBytes` the result has
   * `isTooLarge`. Throws HpackError if the block is malformed or more than four times too large: end the connection.
   */
  decode(bytes: Buffer, from: number, to: number): HeaderBlock {
    return this.#remembered.find(bytes, from, to) ?? this.#read(bytes, from, to);
  }

  #read(bytes: Buffer, from: number, to: number): HeaderBlock {
    const reader = this.#reader;
    const { version } = this.#table;
    const block = new HeaderBlock();
    let hasLiterals = false;
    let size = 0;
    reader.open(bytes, from, to);
    const hasUpdates = this.#readSizeUpdates();
    while (reader.hasMore) {
      const first = reader.next;
      const isReference = first >= INDEXED;
      const field = isReference ? this.#field(reader.integer(127)) : this.#literal(first);
      hasLiterals ||= !isReference;
      size += field.size;
      if (size <= this.#maxListBytes) block.add(field, isReference);
      else this.#refuse(block, size);
    }
    reader.close();
    if (this.#table.version !== version) this.#remembered.clear();
    else if (!hasUpdates) this.#remembered.consider(bytes, from, to, block, hasLiterals);
    return block;
  }

  #refuse(block: HeaderBlock, size: number): void {
    block.isTooLarge = true;
    if (size > this.#maxListBytes * MAX_EXCESS)
      throw new HpackError(
        `header block has more than ${MAX_EXCESS} times the ${this.#maxListBytes} bytes that are allowed`,
        true,
      );
  }

  /** Size updates come first in a block (RFC 7541 4.2 and 6.3). Returns true if there are any. */
  #readSizeUpdates(): boolean {
    const reader = this.#reader;
    let has = false;
    while (reader.hasMore && reader.next >= SIZE_UPDATE && reader.next < LITERAL_WITH_INDEXING) {
      const limit = reader.integer(31);
      if (limit > TABLE_BYTES)
        throw new HpackError(`dynamic table of ${limit} bytes is larger than the allowed ${TABLE_BYTES}`);
      this.#table.resize(limit);
      has = true;
    }
    return has;
  }

  /** A literal field, which begins with the byte `first` (RFC 7541 6.2). */
  #literal(first: number): Field {
    if (first >= LITERAL_WITH_INDEXING) {
      const name = this.#name(63);
      const field = intern(name, this.#reader.string());
      this.#table.insert(field);
      return field;
    }
    if (first >= SIZE_UPDATE) throw new HpackError('header block has a size update after a field');
    const name = this.#name(15);
    return new Field(name, this.#reader.string(), first >= LITERAL_NEVER_INDEXED);
  }

  /** A name by its index or as a string. */
  #name(mask: number): string {
    const index = this.#reader.integer(mask);
    return index === 0 ? this.#reader.string() : this.#field(index).name;
  }

  /** The field with an index in the tables (RFC 7541 2.3.3). */
  #field(index: number): Field {
    const field = index <= STATIC_COUNT ? staticFields[index - 1] : this.#table.get(index - STATIC_COUNT);
    if (field === undefined)
      throw new HpackError(
        `index ${index} in a header block, but the tables end at ${STATIC_COUNT + this.#table.count}`,
      );
    return field;
  }
}
