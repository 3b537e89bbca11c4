// Attributes of a request to a language model that another program reports, with the names that own requests have.
import type { LlmFacts } from '../../../core/exchange/llm-facts.ts';
import { llmValue, LLM_NUMBERS, sharedMembers, storedNumber } from '../store/llm-numbers.ts';

/**
 * The attributes of the facts: model, tokens, finish reason, cost and others. Times of tokens are not among them, since
 * the times of the bytes are unknown.
 */
export function llmAttributes(facts: LlmFacts): Record<string, unknown> {
  const out = JSON.parse(`{${sharedMembers(facts)}}`) as Record<string, unknown>;
  for (const { name, scale, read } of LLM_NUMBERS) {
    const value = llmValue(storedNumber(read(facts, { startMs: 0, leasedMs: 0, endMs: 0 }), scale), scale);
    if (value !== undefined) out[name] = value;
  }
  if (facts.responseId !== '') out['response_id'] = facts.responseId;
  return out;
}
