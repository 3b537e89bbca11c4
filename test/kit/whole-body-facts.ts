// Reads model, token counts and finish reason from the whole JSON of a request and its response, to compare with.
// Forms: OpenAI chat completions, completions, embeddings (prompt_tokens, completion_tokens) and responses
// (input_tokens, output_tokens); Anthropic messages (input_tokens without cached tokens); Ollama.
// Invariant: every value is in the response or a sum of its values; nothing is estimated.
import { usageIn } from '../../src/telemetry/logs/ingest/bodies/usage.ts';
import {
  countAt,
  listAt,
  objectAt,
  textAt,
  isObject,
  type JsonObject,
} from '../../src/protocol/llm/json-values.ts';

/** Attributes of a request's record. Unknown values are `undefined`. */
interface UsageFacts {
  readonly model?: string | undefined;
  /** Model of the response, if it differs from the model of the request. */
  readonly response_model?: string | undefined;
  readonly input_tokens?: number | undefined;
  readonly output_tokens?: number | undefined;
  readonly total_tokens?: number | undefined;
  readonly cached_tokens?: number | undefined;
  readonly reasoning_tokens?: number | undefined;
  readonly finish_reason?: string | undefined;
  readonly response_id?: string | undefined;
}

const MAX_NAME = 256;
const nameAt = (fields: JsonObject | undefined, name: string): string | undefined =>
  textAt(fields, name).slice(0, MAX_NAME).toWellFormed() || undefined;

/** Reads the facts from both bodies. A body is `undefined` if it is not a complete JSON object. */
export function factsOf(request: JsonObject | undefined, response: JsonObject | undefined): UsageFacts {
  const requested = nameAt(request, 'model');
  const used = nameAt(response, 'model');
  return {
    model: requested ?? used,
    response_model: requested !== undefined && used !== requested ? used : undefined,
    response_id: nameAt(response, 'id'),
    finish_reason: finishReason(response),
    ...usageOf(usageIn(response) ?? ollamaUsage(response)),
  };
}

/** Ollama's counts, which are fields of the response, under OpenAI's names. */
function ollamaUsage(response: JsonObject | undefined): JsonObject | undefined {
  if (typeof response?.['done'] !== 'boolean') return undefined;
  return { prompt_tokens: response['prompt_eval_count'], completion_tokens: response['eval_count'] };
}

function usageOf(usage: JsonObject | undefined): Partial<UsageFacts> {
  if (usage === undefined) return {};
  const input = countAt(usage, 'input_tokens');
  const output = countAt(usage, 'output_tokens') ?? countAt(usage, 'completion_tokens');
  const inputDetails = objectAt(usage, 'input_tokens_details') ?? objectAt(usage, 'prompt_tokens_details');
  const outputDetails =
    objectAt(usage, 'output_tokens_details') ?? objectAt(usage, 'completion_tokens_details');
  // Anthropic's `input_tokens` do not include tokens read from or written to the cache. OpenAI's `prompt_tokens` do, also
  // where a gateway sends Anthropic's figures beside them.
  const cached =
    (countAt(usage, 'cache_read_input_tokens') ?? 0) + (countAt(usage, 'cache_creation_input_tokens') ?? 0);
  const allInput = input === undefined ? countAt(usage, 'prompt_tokens') : input + cached;
  const sum = allInput === undefined || output === undefined ? undefined : allInput + output;
  return {
    input_tokens: allInput,
    output_tokens: output,
    total_tokens: sum ?? countAt(usage, 'total_tokens'),
    cached_tokens: countAt(usage, 'cache_read_input_tokens') ?? countAt(inputDetails, 'cached_tokens'),
    reasoning_tokens: countAt(outputDetails, 'reasoning_tokens'),
  };
}

/** The finish reason of the first choice or message; of OpenAI's responses API the status. */
function finishReason(response: JsonObject | undefined): string | undefined {
  const [choice] = listAt(response, 'choices');
  return (
    nameAt(isObject(choice) ? choice : undefined, 'finish_reason') ??
    nameAt(response, 'stop_reason') ??
    (typeof response?.['done'] === 'boolean' ? nameAt(response, 'done_reason') : undefined) ??
    (response?.['object'] === 'response' ? nameAt(response, 'status') : undefined)
  );
}
