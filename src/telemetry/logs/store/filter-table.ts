// Looks up hashes in the Bloom filters of blocks and groups, of which it reads only the rows that it needs.
// Invariant: a lookup never denies a hash that was added.
import { PIECE_BYTES, pieceHas, pieceOf } from './bloom-filter.ts';
import { ByteCache } from './byte-cache.ts';
import { FILTER_ROW_BYTES } from './day-file.ts';

/** Where a filter is stored. */
export interface FilterPlace {
  /** Id of its first row in the table `filters`. */
  readonly filter: number;
  /** 0: nothing was added. */
  readonly pieces: number;
}

const CACHE_BYTES = 4 * 1024 ** 2;
const PIECES_PER_ROW = FILTER_ROW_BYTES / PIECE_BYTES;

export class FilterTable {
  readonly #read: (id: number) => Uint8Array | undefined;
  readonly #rows = new ByteCache<number, Uint8Array>(CACHE_BYTES);

  /** `read`: the pieces in the row of the table `filters` with an id; `undefined`: they are damaged. */
  constructor(read: (id: number) => Uint8Array | undefined) {
    this.#read = read;
  }

  mayHave({ filter, pieces }: FilterPlace, hash: number): boolean {
    if (pieces === 0) return false;
    const piece = pieceOf(hash, pieces);
    const id = filter + Math.floor(piece / PIECES_PER_ROW);
    let row = this.#rows.get(id);
    if (row === undefined) {
      row = this.#read(id);
      // Without the row nothing is known.
      if (row === undefined) return true;
      this.#rows.set(id, row, row.length);
    }
    return pieceHas(row, (piece % PIECES_PER_ROW) * PIECE_BYTES, hash);
  }
}
