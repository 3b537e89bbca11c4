// The numbers of a request to a language model, as columns of the store and in the same order in frames.
// Invariant: a column has whole numbers: 0 if the value is not known, else the value in units of `1 / scale` (of a very
// high cost: in larger units), plus 1.
// New ones go to the end, since pages have them in this order.
import { LlmFacts, UNKNOWN } from '../../../core/exchange/llm-facts.ts';

/** Times of a request, as in Exchange. */
interface RequestTimes {
  readonly startMs: number;
  readonly leasedMs: number;
  readonly endMs: number;
}

interface LlmNumber {
  /** Name of the attribute. */
  readonly name: string;
  readonly scale: number;
  /** The value; UNKNOWN, NaN or Infinity if it is not known. */
  readonly read: (facts: LlmFacts, times: RequestTimes) => number;
}

const MICROS = 1000;
/** Costs of single tokens are below a millionth. */
const PICOS = 1e12;

export const LLM_NUMBERS: readonly LlmNumber[] = [
  { name: 'input_tokens', scale: 1, read: (facts) => facts.inputTokens },
  { name: 'output_tokens', scale: 1, read: (facts) => facts.outputTokens },
  { name: 'total_tokens', scale: 1, read: (facts) => facts.totalTokens },
  { name: 'cached_tokens', scale: 1, read: (facts) => facts.cachedTokens },
  { name: 'reasoning_tokens', scale: 1, read: (facts) => facts.reasoningTokens },
  { name: 'content_events', scale: 1, read: (facts) => (facts.isStream ? facts.contentEvents : UNKNOWN) },
  {
    name: 'first_token_ms',
    scale: MICROS,
    read: ({ firstTokenMs }, { startMs }) => (firstTokenMs === 0 ? UNKNOWN : firstTokenMs - startMs),
  },
  { name: 'token_gap_ms', scale: MICROS, read: (facts) => facts.meanGapMs },
  { name: 'token_gap_p50_ms', scale: MICROS, read: (facts) => facts.gapMs(0.5) },
  { name: 'token_gap_p95_ms', scale: MICROS, read: (facts) => facts.gapMs(0.95) },
  { name: 'token_gap_p99_ms', scale: MICROS, read: (facts) => facts.gapMs(0.99) },
  {
    name: 'tokens_per_second',
    scale: 1000,
    read: (facts, { leasedMs, endMs }) => facts.tokensPerSecond(leasedMs, endMs),
  },
  { name: 'cost', scale: PICOS, read: (facts) => facts.cost },
];

/**
 * Where the unit is that small, a value of more units than this is stored in units of COARSE times the size: the cost of a
 * request may be 100,000 in a currency of small units.
 */
const MAX_FINE = 2 ** 52;
const COARSE = 1e8;

/** A value as it is in a column. A larger value has a larger number. */
export function storedNumber(value: number, scale: number): number {
  const fine = Math.round(value * scale);
  const units = fine <= MAX_FINE || scale < COARSE ? fine : MAX_FINE + Math.round(fine / COARSE);
  return units >= 0 && units < Number.MAX_SAFE_INTEGER ? units + 1 : 0;
}

/** The value of an attribute; undefined if it is not known. `stored`: as in a column. */
export function llmValue(stored: number, scale: number): number | undefined {
  if (stored === 0) return undefined;
  const units = stored - 1;
  return units <= MAX_FINE || scale < COARSE ? units / scale : (units - MAX_FINE) / (scale / COARSE);
}

/** Attributes that many requests share, as members of a JSON object without braces. Those of the request before. */
const last = { facts: new LlmFacts(), isEstimate: false, members: '' };

/** The attributes that many requests share, as members of a JSON object without braces. */
export function sharedMembers(facts: LlmFacts): string {
  const { isEstimate } = facts;
  const before = last.facts;
  const isSame =
    facts.model === before.model &&
    facts.responseModel === before.responseModel &&
    facts.finishReason === before.finishReason &&
    facts.isStream === before.isStream &&
    facts.isFinished === before.isFinished &&
    facts.price === before.price &&
    Number.isNaN(facts.cost) === Number.isNaN(before.cost) &&
    isEstimate === last.isEstimate;
  if (!isSame || last.members === '') {
    last.facts = facts;
    last.isEstimate = isEstimate;
    last.members = JSON.stringify(membersOf(facts)).slice(1, -1);
  }
  return last.members;
}

function membersOf(facts: LlmFacts): Record<string, unknown> {
  const { model, responseModel, finishReason, isStream, isFinished, price } = facts;
  const isPriced = price !== undefined && !Number.isNaN(facts.cost);
  return {
    model: model || responseModel || undefined,
    response_model: model !== '' && responseModel !== model ? responseModel || undefined : undefined,
    finish_reason: finishReason || undefined,
    is_stream: isStream || undefined,
    is_finished: isStream ? isFinished : undefined,
    is_estimate: facts.isEstimate || undefined,
    ...(isPriced && {
      currency: price.currency,
      price_input: price.input,
      price_output: price.output,
      price_cached: price.cached,
      price_reasoning: price.reasoning,
    }),
  };
}

/** Names of the attributes in the shape of a request: its key and client, those of `sharedMembers`; and the id of the response. */
export const LLM_TEXTS: ReadonlySet<string> = new Set([
  'key',
  'client_subject',
  'http_version',
  'model',
  'response_model',
  'finish_reason',
  'is_stream',
  'is_finished',
  'is_estimate',
  'currency',
  'price_input',
  'price_output',
  'price_cached',
  'price_reasoning',
  'response_id',
]);
