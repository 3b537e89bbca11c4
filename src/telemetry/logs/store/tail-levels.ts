// Decides when small pages of the tail are merged, so that a quiet weir does not collect thousands of them.
// Invariant: the pages cover the rows of the block from the first to the last, without gaps.

/** Pages of the same level that are merged into one of the next level. */
const FAN_OUT = 32;
/** Pages with more rows together are not merged, since their block is full soon. */
const MAX_ROWS = 1024;

interface StoredPage {
  readonly from: number;
  readonly level: number;
}

export class TailLevels {
  #pages: StoredPage[] = [];

  /** Rows for the next page. It ends at row `to`, and begins at `stored` or, if it replaces pages, earlier. */
  next(stored: number, to: number): { readonly from: number; readonly isMerged: boolean } {
    const last = this.#pages.slice(1 - FAN_OUT);
    const first = last[0];
    const isMerged =
      last.length === FAN_OUT - 1 &&
      last.every(({ level }) => level === first!.level) &&
      to - first!.from <= MAX_ROWS;
    return { from: isMerged ? first!.from : stored, isMerged };
  }

  /** The page with the rows from `from` on was stored. */
  stored(from: number): void {
    const replaced = this.#pages.filter((page) => page.from >= from);
    this.#pages = this.#pages.filter((page) => page.from < from);
    this.#pages.push({ from, level: replaced.length === 0 ? 0 : replaced[0]!.level + 1 });
  }

  /** The tail is empty. */
  clear(): void {
    this.#pages = [];
  }
}
