// The group queries that are being read, since exact percentiles need all values until the end. Runs in the reader thread.
// Invariant: a limited number of queries is open, and all of them share one budget of memory for values.
import { randomUUID } from 'node:crypto';
import type { GroupQuery, GroupResult } from '../query/group-query.ts';
import { GroupAccumulator } from './group-accumulator.ts';
import { GroupReading, type GroupSource } from './group-records.ts';
import { ValueBudget } from './value-set.ts';

/** What a step returns: the result, or the id of the query for the next step. */
export type GroupStep =
  | { readonly result: GroupResult }
  | { readonly open: string }
  /** Too many queries are open; this one did not begin. */
  | 'busy';

const MAX_OPEN = 8;
/** 16 million numbers, or 32 million whole ones below 2 ** 32. */
const VALUE_BYTES = 128 * 1024 ** 2;

interface OpenGroup {
  readonly accumulator: GroupAccumulator;
  readonly reading: GroupReading;
}

export class OpenGroups {
  readonly #source: GroupSource;
  readonly #budget = new ValueBudget(VALUE_BYTES);
  readonly #open = new Map<string, OpenGroup>();

  constructor(source: GroupSource) {
    this.#source = source;
  }

  /**
   * Begins a query, or continues the one that the previous step left open. An unknown `id` is that of a thread that has
   * ended: the query begins again. `isLast`: returns the result of what has been read.
   */
  step(query: GroupQuery, id: string | undefined, isLast: boolean): GroupStep {
    const known = id === undefined ? undefined : this.#open.get(id);
    if (known === undefined && this.#open.size >= MAX_OPEN && !isLast) return 'busy';
    if (id !== undefined) this.#open.delete(id);
    const { accumulator, reading } = known ?? this.#begin(query);
    let isOpen = false;
    try {
      reading.step();
      if (reading.isDone || isLast) return { result: accumulator.result(!reading.isDone) };
      const open = known ? id! : randomUUID();
      this.#open.set(open, { accumulator, reading });
      isOpen = true;
      return { open };
    } finally {
      if (!isOpen) accumulator.release();
    }
  }

  #begin(query: GroupQuery): OpenGroup {
    const accumulator = new GroupAccumulator(query, this.#budget);
    return { accumulator, reading: new GroupReading(query, this.#source, accumulator) };
  }
}
