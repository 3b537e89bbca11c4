// The token counts of a response, from the usage objects of its events.
// Invariant: the last usage counts. Anthropic's `message_start` has only the input, and its `message_delta` only the
// counts that have changed since.
import { UNKNOWN, type LlmFacts } from '../../core/exchange/llm-facts.ts';
import type { EventValues } from './event-values.ts';
import { USAGE, USAGE_OF, USAGE_SIZE } from './response-paths.ts';

/** Which usage objects of an event have counts. Bits. */
export const HAS_COUNTS = { body: 1, groq: 2, choice: 4 } as const;

/** A sum that is no longer exact is not known. */
const safe = (sum: number): number => (sum < Number.MAX_SAFE_INTEGER ? sum : UNKNOWN);
const firstKnown = (a: number, b: number): number => (a === UNKNOWN ? b : a);

export class UsageCounts {
  readonly #counts = new Float64Array(USAGE_SIZE).fill(UNKNOWN);
  #hasUsage = false;
  /** Ollama's counts, which are not in a usage object. */
  #promptEval = UNKNOWN;
  #eval = UNKNOWN;

  clear(): void {
    // A loop, since `fill` takes longer for so few.
    if (this.#hasUsage) for (let i = 0; i < USAGE_SIZE; i++) this.#counts[i] = UNKNOWN;
    this.#hasUsage = false;
    this.#promptEval = this.#eval = UNKNOWN;
  }

  /** Takes the counts of an event, or of a plain body. */
  add({ counts, has, type, promptEval, eval: evaluated }: EventValues): void {
    if (promptEval !== UNKNOWN) this.#promptEval = promptEval;
    if (evaluated !== UNKNOWN) this.#eval = evaluated;
    if (has === 0) return;
    const isFromBody = (has & HAS_COUNTS.body) !== 0;
    const first = isFromBody
      ? USAGE_OF.body
      : (has & HAS_COUNTS.groq) !== 0
        ? USAGE_OF.groq
        : USAGE_OF.choice;
    const isPart = type === 'message_delta';
    for (let i = 0; i < USAGE_SIZE; i++) {
      const count = counts[first + i]!;
      if (count !== UNKNOWN || !isPart) this.#counts[i] = count;
    }
    // The output of a message that has just begun is not the one that it will have.
    if (type === 'message_start') this.#counts[USAGE.output] = UNKNOWN;
    this.#hasUsage = true;
  }

  /** Sets the tokens of `facts`. */
  read(facts: LlmFacts): void {
    const counts = this.#counts;
    if (!this.#hasUsage) {
      facts.inputTokens = this.#promptEval;
      facts.outputTokens = this.#eval;
    } else {
      facts.inputTokens = counts[USAGE.prompt]!;
      // Anthropic's input tokens are without those that were read from or written to the cache.
      if (counts[USAGE.input] !== UNKNOWN)
        facts.inputTokens = safe(
          counts[USAGE.input]! +
            Math.max(0, counts[USAGE.cacheRead]!) +
            Math.max(0, counts[USAGE.cacheCreation]!),
        );
      facts.outputTokens = firstKnown(counts[USAGE.output]!, counts[USAGE.completion]!);
      facts.cachedTokens = firstKnown(counts[USAGE.cacheRead]!, counts[USAGE.cached]!);
      facts.reasoningTokens = counts[USAGE.reasoning]!;
    }
    const { inputTokens, outputTokens } = facts;
    if (inputTokens !== UNKNOWN && outputTokens !== UNKNOWN)
      facts.totalTokens = safe(inputTokens + outputTokens);
    else facts.totalTokens = this.#hasUsage ? counts[USAGE.total]! : UNKNOWN;
  }
}
