// Which model answered and what it counted, from the JSON of a request and of its answer.
// Must stay true: only what an answer says is said: nothing is counted here, and nothing guessed from half an answer.
// Shapes: OpenAI chat completions, completions, embeddings (prompt_tokens, completion_tokens) and responses
// (input_tokens, output_tokens); Anthropic messages (input_tokens without what came from or went to the cache); Ollama.
import { countAt, listAt, objectAt, textAt, isObject, type JsonObject } from './json-values.ts';

/** Attributes of a request's record; what is not known is left out. */
export interface UsageFacts {
  readonly model?: string | undefined;
  /** Where the answer names another model than the request asked for. */
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

/** What is known from the two bodies; `undefined` for one that is no JSON object, or not whole. */
export function factsOf(request: JsonObject | undefined, answer: JsonObject | undefined): UsageFacts {
  const asked = nameAt(request, 'model');
  const answered = nameAt(answer, 'model');
  return {
    model: asked ?? answered,
    response_model: asked !== undefined && answered !== asked ? answered : undefined,
    response_id: nameAt(answer, 'id'),
    finish_reason: finishReason(answer),
    ...usageOf(usageIn(answer) ?? ollamaUsage(answer)),
  };
}

/** Ollama's counts, which are fields of the answer, under the usual names. */
function ollamaUsage(answer: JsonObject | undefined): JsonObject | undefined {
  if (typeof answer?.['done'] !== 'boolean') return undefined;
  return { prompt_tokens: answer['prompt_eval_count'], completion_tokens: answer['eval_count'] };
}

/**
 * The token counts of an answer or of a chunk: `usage`, Groq's `x_groq.usage`, or the `usage` of a choice (Moonshot).
 * `undefined` if there is none, or an empty one.
 */
export function usageIn(answer: JsonObject | undefined): JsonObject | undefined {
  const [choice] = listAt(answer, 'choices');
  const places = [answer, objectAt(answer, 'x_groq'), isObject(choice) ? choice : undefined];
  return places
    .map((place) => objectAt(place, 'usage'))
    .find((usage) => usage && Object.keys(usage).length > 0);
}

function usageOf(usage: JsonObject | undefined): Partial<UsageFacts> {
  if (usage === undefined) return {};
  const input = countAt(usage, 'input_tokens') ?? countAt(usage, 'prompt_tokens');
  const output = countAt(usage, 'output_tokens') ?? countAt(usage, 'completion_tokens');
  const inputDetails = objectAt(usage, 'input_tokens_details') ?? objectAt(usage, 'prompt_tokens_details');
  const outputDetails =
    objectAt(usage, 'output_tokens_details') ?? objectAt(usage, 'completion_tokens_details');
  // Anthropic's `input_tokens` leave out what the cache had, and what was put into it.
  const apart =
    (countAt(usage, 'cache_read_input_tokens') ?? 0) + (countAt(usage, 'cache_creation_input_tokens') ?? 0);
  const read = input === undefined ? undefined : input + apart;
  const sum = read === undefined || output === undefined ? undefined : read + output;
  return {
    input_tokens: read,
    output_tokens: output,
    total_tokens: countAt(usage, 'total_tokens') ?? sum,
    cached_tokens: countAt(usage, 'cache_read_input_tokens') ?? countAt(inputDetails, 'cached_tokens'),
    reasoning_tokens: countAt(outputDetails, 'reasoning_tokens'),
  };
}

/** Why it stopped: of the first choice, where there are several; a response of OpenAI says how it stands instead. */
function finishReason(answer: JsonObject | undefined): string | undefined {
  const [choice] = listAt(answer, 'choices');
  return (
    nameAt(isObject(choice) ? choice : undefined, 'finish_reason') ??
    nameAt(answer, 'stop_reason') ??
    (typeof answer?.['done'] === 'boolean' ? nameAt(answer, 'done_reason') : undefined) ??
    (answer?.['object'] === 'response' ? nameAt(answer, 'status') : undefined)
  );
}
