// Opens pages of blocks, of which it keeps those in memory that were used last.
// Invariant: a damaged page is reported once, and not opened again.
import type { LogRecord } from '../log-record.ts';
import { DamagedBlobError, fromBlob } from './blob.ts';
import { mayHave } from './bloom-filter.ts';
import { ByteCache } from './byte-cache.ts';
import type { Block, PageRef } from './block.ts';
import { ColumnsPage } from './columns-page.ts';
import type { DayFileIndex } from './day-file-index.ts';
import { memberPlace, PLACES_PER_RECORD, sumsPlace } from './day-file.ts';
import { PART } from './encode-page.ts';
import { MinuteSums } from './minute-sums.ts';
import type { ColumnMemory } from './number-column.ts';
import { OpenPage } from './open-page.ts';
import { Page } from './page.ts';

const PAGE_CACHE_BYTES = 16 * 1024 ** 2;
const FILTER_CACHE_BYTES = 2 * 1024 ** 2;
/** Memory for a row of an open page, besides its parts: its decoded columns of numbers. */
const ROW_BYTES = 48;
const NO_FILTER = new Uint8Array();

/** A part of a page is not in the file, since the writer has set it aside. */
class MissingPartError extends Error {
  override readonly name = 'MissingPartError';
}

/** A part of a page is damaged. */
class DamagedPartError extends Error {
  override readonly name = 'DamagedPartError';
  readonly place: number;

  constructor(place: number, cause: DamagedBlobError) {
    super(cause.message, { cause });
    this.place = place;
  }
}

export class PageStore {
  readonly #index: DayFileIndex;
  readonly #pages = new ByteCache<number, OpenPage>(PAGE_CACHE_BYTES);
  readonly #filters = new ByteCache<number, Uint8Array>(FILTER_CACHE_BYTES);
  /** First sequence numbers of pages that cannot be read. */
  readonly #unreadable = new Set<number>();

  constructor(index: DayFileIndex) {
    this.#index = index;
  }

  /**
   * Calls `use` with the page, and returns its result. `undefined`: the page cannot be read. `use` may have read some of
   * its rows then. `opened`: the page, if the caller has it.
   */
  read<T>(ref: PageRef, use: (open: OpenPage) => T, opened = ref.opened): T | undefined {
    return this.#use(ref, use, () => opened ?? this.#open(ref));
  }

  /**
   * Like `read`, for going through many pages once. The pages that searches use stay in memory instead. `memory`: for
   * the columns of the page, which has a meaning until it is used again. `ref` may be the columns of a block.
   */
  scan<T>(
    ref: PageRef,
    memory: ColumnMemory,
    use: (open: OpenPage) => T,
    opened = ref.opened,
  ): T | undefined {
    const { seq, times, block } = ref;
    if (ref.isColumns) return this.columns(block!, use, memory);
    return this.#use(ref, use, () => {
      const known = opened ?? this.#pages.get(seq);
      if (known !== undefined) return known;
      memory.reset();
      const page = new Page(seq, (part) => this.#presentPart(seq, part), undefined, memory);
      return new OpenPage(page, times);
    });
  }

  /**
   * Calls `use` with all records of a block as one page. `undefined`: the block has no such page, or some column that
   * `use` reads is damaged. `memory`: see `scan`.
   */
  columns<T>(block: Block, use: (open: OpenPage) => T, memory?: ColumnMemory): T | undefined {
    const { seq, columns } = block;
    if (columns === undefined) return undefined;
    try {
      memory?.reset();
      const page = new ColumnsPage(
        block,
        (column) => this.#present(memberPlace(seq, column)),
        (row) => this.#recordAt(block, seq + row),
        memory,
      );
      return use(new OpenPage(page, columns.times));
    } catch (error) {
      if (!this.#isUnreadable(error)) throw error;
      block.dropColumns();
      return undefined;
    }
  }

  #recordAt({ pages }: Block, seq: number): LogRecord {
    const ref = pages.find(({ last }) => last >= seq)!;
    const record = this.read(ref, ({ page }) => page.record(seq - ref.seq));
    if (record === undefined) throw new MissingPartError(`record ${seq} cannot be read`);
    return record;
  }

  /** False if the filter of the page, or that of its block, does not have the hash. */
  mayHave({ seq, block }: PageRef, hash: number): boolean {
    if (block === undefined) return true;
    if (!this.#index.mayHave(block, hash)) return false;
    let filter = this.#filters.get(seq);
    if (filter === undefined) {
      filter = this.#filter(seq);
      this.#filters.set(seq, filter, filter.length + ROW_BYTES);
    }
    return filter.length === 0 || mayHave(filter, hash);
  }

  #use<T>(ref: PageRef, use: (open: OpenPage) => T, open: () => OpenPage): T | undefined {
    if (this.#unreadable.has(ref.seq)) return undefined;
    try {
      return use(open());
    } catch (error) {
      if (!this.#isUnreadable(error)) throw error;
      this.#unreadable.add(ref.seq);
      this.#pages.delete(ref.seq);
      return undefined;
    }
  }

  /** True for an error of a part that cannot be read. Reports it if it is damaged. */
  #isUnreadable(error: unknown): boolean {
    if (error instanceof DamagedPartError) this.#index.damaged(error.place, error.cause as DamagedBlobError);
    return error instanceof DamagedPartError || error instanceof MissingPartError;
  }

  /** The sums per minute of a block; `undefined` if it has none. */
  sumsOf({ seq }: Block): MinuteSums | undefined {
    const bytes = this.#optional(sumsPlace(seq));
    return bytes && new MinuteSums(bytes);
  }

  /** Empty if the page has none. */
  #filter(seq: number): Uint8Array {
    return this.#optional(PLACES_PER_RECORD * seq + PART.filter) ?? NO_FILTER;
  }

  /** A value without which the records can be read. */
  #optional(place: number): Buffer | undefined {
    try {
      return this.#at(place);
    } catch (error) {
      if (!(error instanceof DamagedPartError)) throw error;
      this.#index.damaged(error.place, error.cause as DamagedBlobError);
      return undefined;
    }
  }

  #open({ seq, times }: PageRef): OpenPage {
    const cached = this.#pages.get(seq);
    if (cached !== undefined) return cached;
    let bytes = 0;
    const page = new Page(seq, (part) => {
      const content = this.#presentPart(seq, part);
      bytes += content.length;
      this.#pages.grow(seq, content.length);
      return content;
    });
    const open = new OpenPage(page, times);
    this.#pages.set(seq, open, bytes + page.rows * ROW_BYTES);
    return open;
  }

  #presentPart(seq: number, part: number): Buffer {
    return this.#present(PLACES_PER_RECORD * seq + part);
  }

  #present(place: number): Buffer {
    const content = this.#at(place);
    if (content === undefined) throw new MissingPartError(`the part at place ${place} is missing`);
    return content;
  }

  #at(place: number): Buffer | undefined {
    const blob = this.#index.blob('SELECT part FROM pages WHERE place = ?', place);
    try {
      return blob && fromBlob(blob);
    } catch (error) {
      throw error instanceof DamagedBlobError ? new DamagedPartError(place, error) : error;
    }
  }
}
