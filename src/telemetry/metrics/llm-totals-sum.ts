// The totals of language models of all threads, added up at a scrape.
// Invariant: the label `model` has as many values as the settings allow, also where threads saw different models; a model
// that has its own series keeps it, so no series ever falls.
import { sumHistograms } from './histogram.ts';
import type { LlmTotals, LlmTotalsReading, TokenType } from './llm-totals.ts';
import { ModelNames, type ModelNameOptions } from './model-names.ts';

export class LlmTotalsSum {
  readonly #threads: readonly LlmTotals[];
  /** The models that have their own series on the page. */
  readonly #shown: ModelNames;

  constructor(threads: readonly LlmTotals[], options: ModelNameOptions) {
    this.#threads = threads;
    this.#shown = new ModelNames(options);
  }

  /** All blocks that are not empty, by deployment. */
  read(): Iterable<LlmTotalsReading> {
    if (this.#threads.length === 1) return this.#threads[0]!.read();
    const all = new Map<number, LlmTotalsReading[]>();
    for (const thread of this.#threads)
      for (const block of thread.read()) {
        const key = block.deployment * this.#shown.size + this.#shown.slotOf(block.model, true);
        const blocks = all.get(key);
        if (blocks === undefined) all.set(key, [block]);
        else blocks.push(block);
      }
    return Array.from(all)
      .sort(([a], [b]) => a - b)
      .map(([key, blocks]) => sumOf(this.#shown.nameOf(key % this.#shown.size), blocks));
  }
}

function sumOf(model: string, blocks: readonly LlmTotalsReading[]): LlmTotalsReading {
  const sum = (read: (block: LlmTotalsReading) => number): number =>
    blocks.reduce((total, block) => total + read(block), 0);
  return {
    deployment: blocks[0]!.deployment,
    model,
    failed: sum(({ failed }) => failed),
    responses: (isStream, usage) => sum((block) => block.responses(isStream, usage)),
    unfinished: (end) => sum((block) => block.unfinished(end)),
    tokens: (type) => sumOfTokens(type, blocks),
    costs() {
      const costs = new Map<string, number>();
      for (const block of blocks)
        for (const [currency, cost] of block.costs()) costs.set(currency, (costs.get(currency) ?? 0) + cost);
      return costs;
    },
    histogram: (name) => sumHistograms(blocks.map((block) => block.histogram(name))),
  };
}

function sumOfTokens(type: TokenType, blocks: readonly LlmTotalsReading[]): number | undefined {
  const reported = blocks.map((block) => block.tokens(type)).filter((tokens) => tokens !== undefined);
  return reported.length === 0 ? undefined : reported.reduce((sum, tokens) => sum + tokens, 0);
}
