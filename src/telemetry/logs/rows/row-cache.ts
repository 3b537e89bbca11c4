// Rows that came lately, so that rows that are merged into them need not be read from the store.
// Invariant: a row that is not stored yet stays, since it is nowhere else.

/** A row with the number of its newest record. `undefined` content: it was deleted. */
export interface CachedRow<Content> {
  readonly seq: number;
  readonly content: Content | undefined;
  /** Estimated bytes in memory. */
  readonly bytes: number;
}

export class RowCache<Content> {
  readonly #limit: number;
  /** The one that was set or read last is at the end. */
  readonly #rows = new Map<string, CachedRow<Content>>();
  #bytes = 0;

  /** `limit`: bytes of all rows, unless more are not stored yet. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): CachedRow<Content> | undefined {
    const row = this.#rows.get(key);
    if (row === undefined) return undefined;
    this.#rows.delete(key);
    this.#rows.set(key, row);
    return row;
  }

  set(key: string, row: CachedRow<Content>): void {
    this.#bytes += row.bytes - (this.#rows.get(key)?.bytes ?? 0);
    this.#rows.delete(key);
    this.#rows.set(key, row);
  }

  /** Removes rows beyond the limit, the oldest first. `storedSeq`: number of the last record that is stored. */
  trim(storedSeq: number): void {
    for (const [key, { seq, bytes }] of this.#rows) {
      if (this.#bytes <= this.#limit) return;
      if (seq > storedSeq) continue;
      this.#rows.delete(key);
      this.#bytes -= bytes;
    }
  }

  clear(): void {
    this.#rows.clear();
    this.#bytes = 0;
  }
}
