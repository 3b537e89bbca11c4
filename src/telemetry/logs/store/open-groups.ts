// The group queries that are being read, since exact percentiles need all values until the end. Runs in the reader thread.
// Invariant: a limited number of queries is open, and all of them share one budget of memory for values.
import { randomUUID } from 'node:crypto';
import type { GroupQuery, GroupResult } from '../query/group-query.ts';
import { GroupAccumulator } from './group-accumulator.ts';
import { ValueBudget } from './value-set.ts';

/** What a step returns: the result, or the id of the query for the next step. */
export type GroupStep =
  | { readonly result: GroupResult }
  | { readonly open: string }
  /** Too many queries are open; this one did not begin. */
  | 'busy';

/** Adds the matching rows of a query to its accumulator, in steps of limited time. */
export interface GroupReader {
  readonly isDone: boolean;
  /** Reads on until its time is over. `isLate`: an approximate result is better than none. */
  step(isLate: boolean): void;
}

const MAX_OPEN = 8;
/** Time after which a query that was not continued is dropped. */
const ABANDONED_MS = 60_000;
/** 16 million numbers, or 32 million whole ones below 2 ** 32. */
const VALUE_BYTES = 128 * 1024 ** 2;

interface OpenGroup {
  readonly accumulator: GroupAccumulator;
  readonly reader: GroupReader;
  /** End of its last step. */
  readonly steppedMs: number;
}

export class OpenGroups {
  readonly #read: (query: GroupQuery, accumulator: GroupAccumulator) => GroupReader;
  readonly #nowMs: () => number;
  readonly #budget = new ValueBudget(VALUE_BYTES);
  readonly #open = new Map<string, OpenGroup>();

  /** `read`: begins to read a query. */
  constructor(
    read: (query: GroupQuery, accumulator: GroupAccumulator) => GroupReader,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#read = read;
    this.#nowMs = nowMs;
  }

  /**
   * Begins a query, or continues the one that the previous step left open. If its state is lost, since its thread has
   * ended or it was dropped, it begins again. `isLast`: returns the result of what has been read. `isLate`: much of the
   * time of the query is over, so an approximate result is better than none.
   */
  step(query: GroupQuery, id: string | undefined, isLast: boolean, isLate = isLast): GroupStep {
    const known = id === undefined ? undefined : this.#open.get(id);
    if (known === undefined) this.#dropAbandoned();
    if (known === undefined && this.#open.size >= MAX_OPEN && !isLast) return 'busy';
    if (id !== undefined) this.#open.delete(id);
    const { accumulator, reader } = known ?? this.#begin(query);
    let isOpen = false;
    try {
      reader.step(isLate);
      if (reader.isDone || isLast) return { result: accumulator.result(!reader.isDone) };
      const open = known ? id! : randomUUID();
      this.#open.set(open, { accumulator, reader, steppedMs: this.#nowMs() });
      isOpen = true;
      return { open };
    } finally {
      if (!isOpen) accumulator.release();
    }
  }

  #dropAbandoned(): void {
    const beforeMs = this.#nowMs() - ABANDONED_MS;
    for (const [id, { accumulator, steppedMs }] of this.#open)
      if (steppedMs < beforeMs) {
        this.#open.delete(id);
        accumulator.release();
      }
  }

  #begin(query: GroupQuery): Omit<OpenGroup, 'steppedMs'> {
    const accumulator = new GroupAccumulator(query, this.#budget);
    return { accumulator, reader: this.#read(query, accumulator) };
  }
}
