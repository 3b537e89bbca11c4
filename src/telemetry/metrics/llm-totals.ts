// Totals of what language models did, in flat arrays. Hot path: `closed` runs once for every exchange.
// Invariant: `closed` looks one name up, allocates nothing and builds no label text; memory depends on settings only.
// An estimate counts in times and tokens per second, never in tokens or cost.
//
// One block per (deployment, model):
//   [ requests | failed | responses by usage, plain and streamed | unfinished streams by end |
//     tokens by type, each: sum, responses that have it | costs by currency, each: sum, responses that have it |
//     four histograms, each as in histogram.ts ]
// Each thread has totals of its own, which llm-totals-sum.ts adds up.
import { GAP_BUCKETS, UNKNOWN, type LlmFacts } from '../../core/exchange/llm-facts.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';
import { add, readAt, sizeOf, type HistogramReading } from './histogram.ts';
import { ModelNames, type ModelNameOptions } from './model-names.ts';
import { WrittenNames } from './written-names.ts';

/** Where the counts of a response come from. */
export const usages = ['reported', 'estimated', 'missing'] as const;
export type LlmUsage = (typeof usages)[number];

/** Why a stream is unfinished. */
export const streamEnds = ['error', 'client_gone', 'cut'] as const;
export type StreamEnd = (typeof streamEnds)[number];

export const tokenTypes = ['input', 'output', 'cached', 'reasoning'] as const;
export type TokenType = (typeof tokenTypes)[number];

/** Bounds of time to first token, in seconds. */
const FIRST_TOKEN_BOUNDS = Float64Array.from([
  0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 7.5, 10, 20, 40, 60,
]);
/** 1, 2, 4 … 2,048 ms in seconds: bounds of LlmFacts.gaps, so that its counts are added exactly. */
const DOUBLINGS = 12;
const GAPS_PER_BUCKET = 4;
const TOKEN_BOUNDS = Float64Array.from({ length: DOUBLINGS }, (_, i) => 2 ** i / 1000);
const RATE_BOUNDS = Float64Array.of(1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000, 2000);

const HISTOGRAMS = {
  firstToken: FIRST_TOKEN_BOUNDS,
  perToken: TOKEN_BOUNDS,
  interToken: TOKEN_BOUNDS,
  perSecond: RATE_BOUNDS,
};
export type LlmHistogramName = keyof typeof HISTOGRAMS;

/** Currencies with a cost. Prices have one currency while weir runs; costs in more than these are not counted. */
const CURRENCIES = 4;
/** A currency is three capital letters. */
const CURRENCY_LENGTH = 3;

/** Offsets in a block. */
const FAILED = 1;
const RESPONSES = 2;
const UNFINISHED = RESPONSES + 2 * usages.length;
const TOKENS = UNFINISHED + streamEnds.length;
const COSTS = TOKENS + 2 * tokenTypes.length;
const FIRST_TOKEN = COSTS + 2 * CURRENCIES;
const PER_TOKEN = FIRST_TOKEN + sizeOf(FIRST_TOKEN_BOUNDS);
const INTER_TOKEN = PER_TOKEN + sizeOf(TOKEN_BOUNDS);
const PER_SECOND = INTER_TOKEN + sizeOf(TOKEN_BOUNDS);
const STRIDE = PER_SECOND + sizeOf(RATE_BOUNDS);

const OFFSETS: Record<LlmHistogramName, number> = {
  firstToken: FIRST_TOKEN,
  perToken: PER_TOKEN,
  interToken: INTER_TOKEN,
  perSecond: PER_SECOND,
};

/** The values of one block. */
export interface LlmTotalsReading {
  readonly deployment: number;
  /** Value of the label `model`. */
  readonly model: string;
  /** Requests that failed before a response of the model began. */
  readonly failed: number;
  responses(isStream: boolean, usage: LlmUsage): number;
  unfinished(end: StreamEnd): number;
  /** Sum of tokens; undefined if no response has reported any of this type. */
  tokens(type: TokenType): number | undefined;
  /** Currency → sum of costs. Only currencies in which a cost was counted. */
  costs(): Iterable<readonly [currency: string, cost: number]>;
  /** Times are in seconds. */
  histogram(name: LlmHistogramName): HistogramReading;
}

export class LlmTotals implements Observer {
  readonly #deployments: number;
  readonly #models: ModelNames;
  readonly #values: Float64Array;
  readonly #currencies: WrittenNames;

  /** `arrays`: memory that another thread shares, if one reads or writes these totals. */
  constructor(deployments: number, options: ModelNameOptions, arrays: ArraySource = privateArrays) {
    this.#deployments = deployments;
    this.#models = new ModelNames(options, arrays);
    this.#currencies = new WrittenNames(CURRENCIES, CURRENCY_LENGTH, arrays);
    this.#values = arrays.float64(deployments * this.#models.size * STRIDE);
  }

  /** Counts a finished exchange, if it was to a model. */
  closed(exchange: Exchange): void {
    const { llm: facts, deployment } = exchange;
    if (facts === undefined || deployment < 0) return;
    // Otherwise only the request names a model.
    const isResponse = facts.isStream || facts.isFinished;
    if (!isResponse && exchange.cause === 'ok' && exchange.status < 400) return;
    const slot = this.#models.slotOf(facts.modelName, isResponse);
    const base = (deployment * this.#models.size + slot) * STRIDE;
    const values = this.#values;
    values[base]!++;
    if (!isResponse) {
      values[base + FAILED]!++;
      return;
    }
    values[base + RESPONSES + (facts.isStream ? usages.length : 0) + usageOf(facts)]!++;
    this.#countTokens(base, facts);
    if (facts.isStream) this.#countStream(base, facts, exchange);
    const perSecond = facts.tokensPerSecond(exchange.leasedMs, exchange.endMs);
    // It is Infinity if all tokens came at once.
    if (Number.isFinite(perSecond)) add(values, base + PER_SECOND, RATE_BOUNDS, perSecond);
    if (facts.price !== undefined && !Number.isNaN(facts.cost))
      this.#countCost(base, facts.cost, facts.price.currency);
  }

  /** Reads all blocks that are not empty. */
  *read(): Generator<LlmTotalsReading> {
    for (let deployment = 0; deployment < this.#deployments; deployment++)
      for (let slot = 0; slot < this.#models.count; slot++) {
        const base = (deployment * this.#models.size + slot) * STRIDE;
        if (this.#values[base] !== 0) yield this.#reading(base, deployment, slot);
      }
  }

  #reading(base: number, deployment: number, slot: number): LlmTotalsReading {
    const values = this.#values;
    return {
      deployment,
      model: this.#models.nameOf(slot),
      failed: values[base + FAILED]!,
      responses: (isStream, usage) =>
        values[base + RESPONSES + (isStream ? usages.length : 0) + usages.indexOf(usage)]!,
      unfinished: (end) => values[base + UNFINISHED + streamEnds.indexOf(end)]!,
      tokens: (type) => {
        const at = base + TOKENS + 2 * tokenTypes.indexOf(type);
        return values[at + 1] === 0 ? undefined : values[at];
      },
      costs: () =>
        this.#currencies.all.flatMap((currency, i) => {
          const at = base + COSTS + 2 * i;
          return values[at + 1] === 0 ? [] : [[currency, values[at]!] as const];
        }),
      histogram: (name) => readAt(values, base + OFFSETS[name], HISTOGRAMS[name]),
    };
  }

  #countTokens(base: number, facts: LlmFacts): void {
    this.#countType(base + TOKENS, facts.inputTokens);
    this.#countType(base + TOKENS + 2, facts.outputTokens);
    this.#countType(base + TOKENS + 4, facts.cachedTokens);
    this.#countType(base + TOKENS + 6, facts.reasoningTokens);
  }

  #countType(at: number, tokens: number): void {
    if (tokens !== UNKNOWN) this.#countAt(at, tokens);
  }

  #countStream(base: number, facts: LlmFacts, exchange: Exchange): void {
    const values = this.#values;
    if (!facts.isFinished) {
      const end = facts.error !== undefined ? 0 : exchange.cause === 'client_gone' ? 1 : 2;
      values[base + UNFINISHED + end]!++;
    }
    if (facts.firstTokenMs === 0) return;
    const firstToken = (facts.firstTokenMs - exchange.startMs) / 1000;
    add(values, base + FIRST_TOKEN, FIRST_TOKEN_BOUNDS, firstToken);
    this.#countGaps(base + INTER_TOKEN, facts);
    const { msPerToken } = facts;
    if (!Number.isNaN(msPerToken)) add(values, base + PER_TOKEN, TOKEN_BOUNDS, msPerToken / 1000);
  }

  /** Adds the counts of times between tokens to the histogram that begins at index `at`. */
  #countGaps(at: number, { gaps, firstTokenMs, lastTokenMs }: LlmFacts): void {
    if (gaps === undefined) return;
    const values = this.#values;
    for (let gap = 0; gap < GAP_BUCKETS; gap++) {
      const times = gaps[gap]!;
      if (times === 0) continue;
      values[at + 1 + Math.ceil(gap / GAPS_PER_BUCKET)]! += times;
    }
    values[at]! += (lastTokenMs - firstTokenMs) / 1000;
  }

  #countCost(base: number, cost: number, currency: string): void {
    const index = this.#currencies.indexOf(currency);
    if (index !== -1) this.#countAt(base + COSTS + 2 * index, cost);
  }

  /** Adds to a sum, and to the number of responses that have it. */
  #countAt(at: number, amount: number): void {
    this.#values[at]! += amount;
    this.#values[at + 1]!++;
  }
}

/** Index in `usages`. */
const usageOf = ({ isEstimate, inputTokens, outputTokens, totalTokens }: LlmFacts): number =>
  isEstimate ? 1 : inputTokens === UNKNOWN && outputTokens === UNKNOWN && totalTokens === UNKNOWN ? 2 : 0;
