// The totals of finished exchanges of all threads, added up at a scrape.
// Invariant: each (deployment, is_async) has at most the configured number of statuses, also where threads saw different
// ones; a status that has its own series keeps it, so no series ever falls.
import { sumHistograms } from './histogram.ts';
import { OTHER, type RequestTotals, type RequestTotalsReading } from './request-totals.ts';

export class RequestTotalsSum {
  readonly #threads: readonly RequestTotals[];
  readonly #maxStatusCodes: number;
  /** (deployment, is_async) → statuses with a series of their own, in the order in which they were first read. */
  readonly #shown = new Map<number, Set<number>>();

  constructor(threads: readonly RequestTotals[], maxStatusCodes: number) {
    this.#threads = threads;
    this.#maxStatusCodes = maxStatusCodes;
  }

  /** All blocks that are not empty, by deployment and is_async, OTHER last. */
  read(): Iterable<RequestTotalsReading> {
    if (this.#threads.length === 1) return this.#threads[0]!.read();
    const groups = new Map<number, Map<number, RequestTotalsReading[]>>();
    for (const thread of this.#threads)
      for (const block of thread.read()) {
        const group = block.deployment * 2 + (block.isAsync ? 1 : 0);
        const status = this.#shownAs(group, block.status);
        const statuses = groups.get(group) ?? new Map<number, RequestTotalsReading[]>();
        groups.set(group, statuses);
        const blocks = statuses.get(status);
        if (blocks === undefined) statuses.set(status, [block]);
        else blocks.push(block);
      }
    return Array.from(groups)
      .sort(([a], [b]) => a - b)
      .flatMap(([group, statuses]) =>
        [...this.#shown.get(group)!, OTHER].flatMap((status) => {
          const blocks = statuses.get(status);
          return blocks === undefined ? [] : [sumOf(status, blocks)];
        }),
      );
  }

  #shownAs(group: number, status: number): number {
    let shown = this.#shown.get(group);
    if (shown === undefined) this.#shown.set(group, (shown = new Set()));
    if (status === OTHER || shown.has(status)) return status;
    if (shown.size === this.#maxStatusCodes) return OTHER;
    shown.add(status);
    return status;
  }
}

const sumOf = (status: number, blocks: readonly RequestTotalsReading[]): RequestTotalsReading => ({
  deployment: blocks[0]!.deployment,
  isAsync: blocks[0]!.isAsync,
  status,
  count: blocks.reduce((sum, { count }) => sum + count, 0),
  histogram: (name) => sumHistograms(blocks.map((block) => block.histogram(name))),
});
