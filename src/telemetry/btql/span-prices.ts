// What the tokens of a logged span cost, by the prices that hold for requests.
// Invariant: a cost is the one that a request with these tokens would have, at the time of the span.
import { costOf, PriceTable, type PriceLists } from '../llm/prices.ts';
import type { Compiled, Scope } from './compiled.ts';
import { functionName, operandsOf, type Expr, type Ident } from './tree.ts';

/** Tokens of a span; -1: not known. */
interface SpanTokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  readonly cachedTokens: number;
  readonly reasoningTokens: number;
}

/** The cost of tokens of a model at a time (milliseconds); `null` without a price. */
export type SpanCost = (model: string, tokens: SpanTokens, atMs: number) => number | null;

/** Prices of a query, which are known when it begins to run. */
export class SpanPrices {
  #table: PriceTable | undefined;

  use(lists: PriceLists): void {
    this.#table = lists.some((list) => list.length > 0) ? new PriceTable(lists, '') : undefined;
  }

  readonly costOf: SpanCost = (model, tokens, atMs) => {
    const price = this.#table?.priceOf(model, atMs);
    const cost = price && costOf(tokens, price);
    return cost === undefined || Number.isNaN(cost) ? null : cost;
  };
}

/** True if an expression needs prices. */
export const needsPrices = (expr: Expr): boolean =>
  (expr.op === 'function' && functionName(expr) === 'estimated_cost') || operandsOf(expr).some(needsPrices);

const METRICS: Readonly<Record<keyof SpanTokens, string>> = {
  inputTokens: 'prompt_tokens',
  outputTokens: 'completion_tokens',
  totalTokens: 'tokens',
  cachedTokens: 'prompt_cached_tokens',
  reasoningTokens: 'completion_reasoning_tokens',
};

/** Compiles `estimated_cost()`: the stored cost, else what the tokens cost. `at`: place in the text. */
export function compileCost<Row>(scope: Scope<Row>, at: number | undefined): Compiled<Row> {
  const field = (...name: string[]): Compiled<Row> =>
    scope.field({ op: 'ident', name, ...(at === undefined ? {} : { at }) } satisfies Ident);
  const stored = field('metrics', 'estimated_cost');
  const { costOf: priced } = scope;
  if (priced === undefined) return stored;
  const model = field('metadata', 'model');
  const created = field('created');
  const metrics = Object.entries(METRICS).map(([name, metric]) => [name, field('metrics', metric)] as const);
  return {
    type: 'number',
    isConstant: false,
    of(row) {
      const known = stored.of(row) ?? null;
      const name = model.of(row);
      if (known !== null || typeof name !== 'string') return known;
      const tokens = Object.fromEntries(metrics.map(([one, metric]) => [one, metric.of(row) ?? -1]));
      return priced(name, tokens as unknown as SpanTokens, created.ms!(row) ?? 0);
    },
  };
}
