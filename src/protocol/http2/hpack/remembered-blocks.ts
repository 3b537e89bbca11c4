// Header blocks of a connection by their bytes, since clients send nearly the same ones again and again. Hot path.
// Invariant: at most MAX_BLOCKS blocks of at most MAX_BYTES bytes are kept, and none once an index in it means another field.
import type { HeaderBlock } from './header-block.ts';

const MAX_BLOCKS = 8;
const MAX_BYTES = 1024;
/** Largest fields of a block together. */
const MAX_FIELD_BYTES = 16 * 1024;
/** From so many bytes on, a call of `Buffer.compare` takes less time than a loop. It compares all but the tail. */
const CALL_BYTES = 80;
const TAIL_BYTES = 16;
/** Slots for hashes of blocks that came once. */
const SEEN_SLOTS = 16;

interface RememberedBlock {
  readonly bytes: Buffer;
  readonly block: HeaderBlock;
}

export class RememberedBlocks {
  readonly #entries: RememberedBlock[] = [];
  readonly #seen = new Int32Array(SEEN_SLOTS);
  #next = 0;

  /** Number of blocks kept. */
  get count(): number {
    return this.#entries.length;
  }

  /** The block with these bytes; `undefined` if it is not known. */
  find(bytes: Buffer, from: number, to: number): HeaderBlock | undefined {
    const entries = this.#entries;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (entry.bytes.length === to - from && isSame(entry.bytes, bytes, from)) return entry.block;
    }
    return undefined;
  }

  /**
   * Keeps a block that is likely to come again: one that consists of references into tables, and any other that came
   * before.
   */
  consider(bytes: Buffer, from: number, to: number, block: HeaderBlock, hasLiterals: boolean): void {
    if (to - from > MAX_BYTES || block.size > MAX_FIELD_BYTES) return;
    if (hasLiterals && !this.#hasSeen(bytes, from, to)) return;
    block.isRemembered = true;
    const entry = { bytes: Buffer.from(bytes.subarray(from, to)), block };
    if (this.#entries.length < MAX_BLOCKS) this.#entries.push(entry);
    else this.#entries[this.#next++ % MAX_BLOCKS] = entry;
  }

  /** Forgets all blocks. Call when the dynamic table has changed. */
  clear(): void {
    this.#entries.length = 0;
  }

  /** True if the bytes came before, as far as is known. A wrong yes only keeps a block too early. */
  #hasSeen(bytes: Buffer, from: number, to: number): boolean {
    // FNV-1a.
    let hash = 2166136261;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 16777619);
    const slot = (hash >>> 8) % SEEN_SLOTS;
    if (this.#seen[slot] === hash) return true;
    this.#seen[slot] = hash;
    return false;
  }
}

/** Compares from the end, where blocks of one client differ, and most of a long one in one call. */
function isSame(known: Buffer, bytes: Buffer, from: number): boolean {
  const inOneCall = known.length > CALL_BYTES ? known.length - TAIL_BYTES : 0;
  for (let i = known.length - 1; i >= inOneCall; i--) if (known[i] !== bytes[from + i]) return false;
  return inOneCall === 0 || known.compare(bytes, from, from + inOneCall, 0, inOneCall) === 0;
}
