// The ids of the rows that came since weir was started, as Bloom filters in memory, to know of a new row that it is new.
// Invariant: an id that was added is found, unless its filter was dropped; `completeSeq` says from where on none was.
import { hashOfId } from '../store/bloom-filter.ts';

/** Ids in one filter, and its size. About one new id in 100,000 is taken for a known one. */
const IDS = 262_144;
const BITS = 24 * IDS;
const HASHES = 8;
/** Filters of 768 KiB that are kept, for 8 million ids. */
const MAX_FILTERS = 32;

interface Filter {
  /** Sequence number of the first row whose id was added. */
  readonly firstSeq: number;
  readonly bits: Uint8Array;
  count: number;
}

export class RecentIds {
  #filters: Filter[] = [];
  #completeSeq: number;

  /** `completeSeq`: all rows from this sequence number on will be added. */
  constructor(completeSeq: number) {
    this.#completeSeq = completeSeq;
  }

  /** The ids of all rows with this sequence number or a later one are known. */
  get completeSeq(): number {
    return this.#completeSeq;
  }

  add(id: string, seq: number): void {
    let filter = this.#filters.at(-1);
    if (filter === undefined || filter.count === IDS) {
      this.#filters.push((filter = { firstSeq: seq, bits: new Uint8Array(BITS / 8), count: 0 }));
      if (this.#filters.length > MAX_FILTERS) {
        this.#filters.shift();
        this.#completeSeq = Math.max(this.#completeSeq, this.#filters[0]!.firstSeq);
      }
    }
    filter.count++;
    const { bits } = filter;
    each(id, (bit) => {
      bits[bit >> 3]! |= 1 << (bit & 7);
      return true;
    });
  }

  /** False if the id was not added. */
  mayHave(id: string): boolean {
    return this.#filters.some(({ bits }) => each(id, (bit) => (bits[bit >> 3]! & (1 << (bit & 7))) !== 0));
  }
}

/** Calls `use` with each bit of an id until it returns false. Returns false then. */
function each(id: string, use: (bit: number) => boolean): boolean {
  const first = hashOfId(id);
  const step = hashOfId(`${id}\n`) | 1;
  for (let i = 0; i < HASHES; i++) if (!use(((first + Math.imul(i, step)) >>> 0) % BITS)) return false;
  return true;
}
