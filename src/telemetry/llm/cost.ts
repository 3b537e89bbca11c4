// What the tokens of a request cost. Hot path.
// Invariant: a cost is made of counts that the response has; it is never negative, and NaN if a count is missing.
import { UNKNOWN, type LlmFacts, type TokenPrice } from '../../core/exchange/llm-facts.ts';

/** Counts of tokens; UNKNOWN if one is not known. */
type TokenCounts = Pick<
  LlmFacts,
  'inputTokens' | 'outputTokens' | 'totalTokens' | 'cachedTokens' | 'reasoningTokens'
>;

/** Prices are for so many tokens. */
const PRICED_TOKENS = 1_000_000;

/**
 * The cost in the currency of the price. NaN if the input or output tokens are not known. A cached or reasoning count
 * that is not known, or is more than the tokens that it is a part of, counts as 0 or as all of them.
 */
export function costOf(facts: TokenCounts, price: TokenPrice): number {
  const input = facts.inputTokens;
  const output = outputOf(facts);
  if (input < 0 || output < 0) return NaN;
  const cached = part(facts.cachedTokens, input);
  const reasoning = part(facts.reasoningTokens, output);
  return (
    ((input - cached) * price.input +
      cached * price.cached +
      (output - reasoning) * price.output +
      reasoning * price.reasoning) /
    PRICED_TOKENS
  );
}

/** Output tokens. Embeddings have none: their usage has no output, and its total is the input. */
function outputOf({ outputTokens, inputTokens, totalTokens }: TokenCounts): number {
  return outputTokens === UNKNOWN && inputTokens !== UNKNOWN && totalTokens === inputTokens
    ? 0
    : outputTokens;
}

const part = (count: number, whole: number): number => Math.min(Math.max(0, count), whole);
