// Seals a block: encodes its rows as pages, with a directory, Bloom filters and sums per minute.
// Invariant: the block holds exactly the rows, and its filters have all their words and ids.
import { DirectoryBuilder } from './block-directory.ts';
import type { BlockRows } from './block-rows.ts';
import { BloomFilter } from './bloom-filter.ts';
import { toBlob } from './blob.ts';
import { ByteWriter } from './byte-writer.ts';
import { memberPlace, PLACES_PER_RECORD, sumsPlace, type SealedBlock } from './day-file.ts';
import { encodeMain, encodePage, PART } from './encode-page.ts';
import { addMemberHashes } from './member-knowledge.ts';
import { BlockMembers } from './member-tree.ts';
import { minuteSumsBlob } from './minute-sums.ts';
import { addHashes, HashList } from './page-words.ts';

/** Bits for each word or id: in the filter of a block, and of a page. */
const BLOCK_BITS = 16;
const PAGE_BITS = 10;
/** Of few hashes the filter is small, and alike in all blocks of requests, so that a wrong answer is wrong in all of them. */
const FEW_HASHES = 4096;
const FEW_BITS = 64;

/** The block as it is stored, and the hashes in its filter. */
export interface SealedWithHashes {
  readonly block: SealedBlock;
  readonly hashes: Uint32Array;
}

/** Memory that pages of the tail and sealing need, for one after the other. */
export class SealMemory {
  readonly bytes = new ByteWriter();
  readonly tail = new ByteWriter();
  readonly pageHashes = new HashList(8192);
  readonly blockHashes = new HashList(65_536);
}

/** Encodes all rows, at least one. The hashes are in `memory`, so they have a meaning until it is used again. */
export function sealBlock(rows: BlockRows, memory = new SealMemory()): SealedWithHashes {
  const { bytes: writer, pageHashes, blockHashes } = memory;
  blockHashes.reset();
  const directory = new DirectoryBuilder();
  const parts: SealedBlock['parts'][number][] = [];
  const gathered = new BlockMembers();
  let from = 0;
  for (const to of rows.allPageEnds) {
    const page = encodePage(rows, from, to, writer, false, gathered);
    pageHashes.reset();
    addHashes(rows, from, to, pageHashes);
    const hashes = pageHashes.list;
    for (let i = 0; i < hashes.length; i++) blockHashes.add(hashes[i]!);
    if (hashes.length > 0) page.parts[PART.filter] = BloomFilter.of(hashes, PAGE_BITS).bytes;
    let bytes = 0;
    for (const [part, content] of page.parts.entries()) {
      if (content.length === 0) continue;
      // Random bits, which cannot be compressed.
      const isRandom = part === PART.ownIds || part === PART.filter;
      const blob = toBlob(content, !isRandom);
      parts.push({ place: PLACES_PER_RECORD * (rows.firstSeq + from) + part, part: blob });
      bytes += blob.length;
    }
    directory.add(page, rows.timeMs.subarray(from, to), rows.durationNs.subarray(from, to), bytes);
    from = to;
  }
  const sums = minuteSumsBlob(rows);
  if (sums) parts.push({ place: sumsPlace(rows.firstSeq), part: sums });
  // Each column has the place of a record, and the first one is of all records.
  const members = gathered.encode(rows.count, rows.count - 1);
  if (members) {
    const columns = [encodeMain(rows, writer), ...members.columns.map(({ bytes }) => bytes)];
    for (const [i, column] of columns.entries())
      parts.push({ place: memberPlace(rows.firstSeq, i), part: toBlob(column, true) });
    addMemberHashes(members, blockHashes.add);
  }
  const all = blockHashes.list;
  return {
    block: {
      seq: rows.firstSeq,
      rows: rows.count,
      directory: directory.result(members),
      filter:
        all.length === 0
          ? new Uint8Array()
          : BloomFilter.of(all, all.length <= FEW_HASHES ? FEW_BITS : BLOCK_BITS).bytes,
      parts,
    },
    hashes: all,
  };
}
