// Rows of the log store as export jobs and previews read them.
import type { ReadStore, TimeRange } from '../logs/logs.ts';
import type { RowBodies, ScannedRow } from './export-fields.ts';
import type { ExportQuery } from './export-job.ts';

const NS_PER_MS = 1_000_000n;

/** The time range of a query in nanoseconds, both inclusive. */
export const scanRange = ({ fromMs, toMs }: ExportQuery): TimeRange => ({
  fromNs: BigInt(fromMs) * NS_PER_MS,
  toNs: BigInt(toMs) * NS_PER_MS + (NS_PER_MS - 1n),
});

/** The row of the scan, with its bodies. */
export class StoreRow implements ScannedRow {
  seq = 0;
  timeMs = 0;
  values: ScannedRow['values'] = [];
  readonly #store: ReadStore;
  #bodies: RowBodies | undefined;

  constructor(store: ReadStore) {
    this.#store = store;
  }

  set(seq: number, timeMs: number, values: ScannedRow['values']): void {
    this.seq = seq;
    this.timeMs = timeMs;
    this.values = values;
    this.#bodies = undefined;
  }

  get bodies(): RowBodies {
    if (this.#bodies === undefined) {
      const stored = this.#store.bodies(this.seq);
      this.#bodies = { request: stored?.request?.toString(), response: stored?.response?.toString() };
    }
    return this.#bodies;
  }
}
