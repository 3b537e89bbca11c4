// A block of a file as its readers know it. Its directory is parsed when a search needs more than a summary of it.
// Invariant: what a block says is true of each of its records.
import {
  parsedSummary,
  summaryIn,
  type BlockDirectory,
  type TimeParts,
  type TracedRequests,
} from './block-directory.ts';
import { BlockKnowledge } from './block-knowledge.ts';
import type { FilterPlace } from './filter-table.ts';
import type { OpenPage } from './open-page.ts';
import type { SearchGroup } from './search-plan.ts';

/** A page of a block or of the tail. */
export interface PageRef extends SearchGroup {
  /** Sequence numbers of its first and last record. */
  readonly seq: number;
  readonly last: number;
  readonly times: TimeParts;
  readonly pages: undefined;
  /** Of a page of the tail, which is in memory. */
  readonly opened: OpenPage | undefined;
  /** `undefined`: the tail. */
  readonly block: Block | undefined;
  /** It is `columns` of the block. */
  readonly isColumns?: true;
}

/** Blocks that have a filter over all of them. */
export interface Group extends FilterPlace {
  readonly seq: number;
  readonly last: number;
}

export class Block implements FilterPlace, SearchGroup {
  readonly seq: number;
  readonly last: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly span: TimeParts;
  readonly hasForeignIds: boolean;
  readonly tracedRequests: TracedRequests;
  readonly filter: number;
  readonly pieces: number;
  group: Group | undefined;
  /** The directory as JSON, until it is parsed. */
  #json: Buffer | undefined;
  #directory: BlockDirectory | undefined;
  #pages: readonly PageRef[] | undefined;
  #known: BlockKnowledge | undefined;

  readonly #mayHaveHash: (block: Block, hash: number) => boolean;
  #columns: PageRef | undefined;
  #hasDamagedColumns = false;

  /** `mayHaveHash`: looks up a hash in the filter of the block. */
  constructor(
    seq: number,
    rows: number,
    directory: Buffer,
    filter: number,
    pieces: number,
    mayHaveHash: (block: Block, hash: number) => boolean,
  ) {
    this.seq = seq;
    this.last = seq + rows - 1;
    this.filter = filter;
    this.pieces = pieces;
    this.#json = directory;
    this.#mayHaveHash = mayHaveHash;
    const { span, hasForeignIds, tracedRequests } = summaryIn(directory) ?? parsedSummary(this.#parsed());
    this.span = span;
    [this.firstMs, this.lastMs] = span;
    this.hasForeignIds = hasForeignIds;
    this.tracedRequests = tracedRequests;
  }

  get pages(): readonly PageRef[] {
    return (this.#pages ??= this.#makePages());
  }

  /** All records of the block as one page, which has members of the attributes as columns; `undefined`: there is none. */
  get columns(): PageRef | undefined {
    if (this.#hasDamagedColumns || this.#parsed().members === undefined) return undefined;
    const { seq, last, span, hasForeignIds, tracedRequests } = this;
    const ids = { hasForeignIds, tracedRequests };
    return (this.#columns ??= {
      seq,
      last,
      times: span,
      span,
      pages: undefined,
      ...ids,
      opened: undefined,
      block: this,
      isColumns: true,
    });
  }

  /** From now on the block has no columns, since some are damaged. */
  dropColumns(): void {
    this.#hasDamagedColumns = true;
  }

  get known(): BlockKnowledge {
    return (this.#known ??= new BlockKnowledge(this.#parsed(), (hash) => this.#mayHaveHash(this, hash)));
  }

  #parsed(): BlockDirectory {
    this.#directory ??= JSON.parse(this.#json!.toString()) as BlockDirectory;
    this.#json = undefined;
    return this.#directory;
  }

  #makePages(): PageRef[] {
    const { hasForeignIds, tracedRequests } = this;
    const pages: PageRef[] = [];
    let { seq } = this;
    for (const { rows, times } of this.#parsed().pages) {
      const last = seq + rows - 1;
      pages.push({
        seq,
        last,
        times,
        span: times,
        pages: undefined,
        hasForeignIds,
        tracedRequests,
        opened: undefined,
        block: this,
      });
      seq = last + 1;
    }
    return pages;
  }
}
