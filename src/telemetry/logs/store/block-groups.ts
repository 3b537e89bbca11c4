// Collects the filters of blocks into filters over 32 blocks, so that a search for a rare word skips a million records
// with one lookup.
// Invariant: the filter of a group admits every word and id of its blocks.
import { BloomFilter } from './bloom-filter.ts';
import type { BlockGroup } from './day-file.ts';
import type { SealedWithHashes } from './seal-block.ts';

const BLOCKS = 32;
/** Pieces of 64 bytes of a filter that is being filled: 4 MB. */
const PIECES = 65_536;
/** A filter is halved while fewer than this fraction of its bits are set. */
const MIN_FILL = 0.25;

function fillOf({ bytes }: BloomFilter): number {
  let bits = 0;
  for (let byte of bytes) for (; byte !== 0; byte &= byte - 1) bits++;
  return bits / (8 * bytes.length);
}

export class BlockGroups {
  #filter: BloomFilter | undefined;
  #blocks: { readonly seq: number; readonly rows: number }[] = [];

  /** Adds a block. Returns the group when it is complete. */
  add({ block, hashes }: SealedWithHashes): BlockGroup | undefined {
    if (hashes.length > 0) {
      this.#filter ??= new BloomFilter(PIECES);
      for (let i = 0; i < hashes.length; i++) this.#filter.add(hashes[i]!);
    }
    this.#blocks.push(block);
    if (this.#blocks.length < BLOCKS) return undefined;
    const [{ seq }, last] = [this.#blocks[0]!, this.#blocks.at(-1)!];
    let filter = this.#filter;
    if (filter !== undefined) while (filter.pieces > 1 && fillOf(filter) < MIN_FILL) filter = filter.halved();
    this.clear();
    return { seq, last: last.seq + last.rows - 1, filter: filter?.bytes ?? new Uint8Array() };
  }

  /** Begins anew, since the next block is in another file. */
  clear(): void {
    this.#filter = undefined;
    this.#blocks = [];
  }
}
