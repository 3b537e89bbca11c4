// Where the responses of language models have the values that weir reads, for JsonSkimmer.
// Forms: OpenAI chat completions, completions, embeddings and responses, as OpenAI, vLLM, SGLang, LiteLLM, Groq and
// others send them; Anthropic messages; Ollama chat and generate; TGI generate; SGLang generate. Plain and streamed.
// Invariant: a slot has one meaning for all forms, and counts of one usage object are next to each other.
import { skim, TAKE, type SkimNode } from './skim-node.ts';

/** Counts in a usage object. */
export const USAGE = {
  prompt: 0,
  completion: 1,
  input: 2,
  output: 3,
  total: 4,
  cacheRead: 5,
  cacheCreation: 6,
  cached: 7,
  reasoning: 8,
} as const;
export const USAGE_SIZE = 9;

/** First slots of the three usage objects that a body may have, the most certain first. */
export const USAGE_OF = { body: 0, groq: USAGE_SIZE, choice: 2 * USAGE_SIZE } as const;

/** Other slots of numbers. */
export const COUNT = { promptEval: 27, eval: 28, choiceIndex: 29 } as const;

export const TEXT = {
  model: 0,
  id: 1,
  type: 2,
  choiceFinish: 3,
  stopReason: 4,
  doneReason: 5,
  status: 6,
  object: 7,
  message: 8,
  errorType: 9,
  /** The whole text of TGI's last event. */
  generated: 10,
} as const;

/** What an event has. Bits, so that they are collected in one number. */
export const SEEN = {
  /** Text, reasoning or a tool call, whatever the type of the event. */
  content: 1,
  /** The same, if the type of the event ends with `.delta`. */
  delta: 2,
  /** The same, if the type of the event is `response.output_item.added`. */
  item: 4,
  /** The last event of TGI. */
  end: 8,
  /** Text, if the event has no type. OpenAI's responses repeat the whole text in an event with one. */
  text: 16,
} as const;

export const RAW = { error: 0, groqError: 1, choiceError: 2, responseError: 3, code: 4 } as const;
const FLAG = { done: 0 } as const;
const BOUNDS = { choice: 0 } as const;

const text = (slot: number): SkimNode => skim(TAKE.text, slot);
const count = (slot: number): SkimNode => skim(TAKE.number, slot);
const seen = (slot: number): SkimNode => skim(TAKE.filled, slot);
const object = (keys: Readonly<Record<string, SkimNode>>): SkimNode => skim(0, 0, keys);

/** `first`: slot of its first count. */
function usage(first: number): SkimNode {
  const cached = object({ cached_tokens: count(first + USAGE.cached) });
  const reasoning = object({ reasoning_tokens: count(first + USAGE.reasoning) });
  return object({
    prompt_tokens: count(first + USAGE.prompt),
    completion_tokens: count(first + USAGE.completion),
    input_tokens: count(first + USAGE.input),
    output_tokens: count(first + USAGE.output),
    total_tokens: count(first + USAGE.total),
    cache_read_input_tokens: count(first + USAGE.cacheRead),
    cache_creation_input_tokens: count(first + USAGE.cacheCreation),
    prompt_tokens_details: cached,
    input_tokens_details: cached,
    completion_tokens_details: reasoning,
    output_tokens_details: reasoning,
  });
}

const content = seen(SEEN.content);

const choice = skim(TAKE.bounds, BOUNDS.choice, {
  index: count(COUNT.choiceIndex),
  finish_reason: text(TEXT.choiceFinish),
  text: content,
  delta: object({
    content,
    reasoning_content: content,
    reasoning: content,
    refusal: content,
    tool_calls: content,
    function_call: content,
    audio: content,
  }),
  usage: usage(USAGE_OF.choice),
  error: skim(TAKE.raw, RAW.choiceError),
});

/** The body of a response, or the data of one event of it. */
export const RESPONSE: SkimNode = object({
  id: text(TEXT.id),
  model: text(TEXT.model),
  object: text(TEXT.object),
  type: text(TEXT.type),
  usage: usage(USAGE_OF.body),
  error: skim(TAKE.raw, RAW.error),
  error_type: text(TEXT.errorType),
  code: skim(TAKE.raw, RAW.code),
  choices: skim(0, 0, undefined, choice),
  x_groq: object({ usage: usage(USAGE_OF.groq), error: skim(TAKE.raw, RAW.groqError) }),
  // Of an error. The object of Anthropic and of Ollama's chat.
  message: skim(TAKE.text, TEXT.message, {
    id: text(TEXT.id),
    model: text(TEXT.model),
    usage: usage(USAGE_OF.body),
    content,
    thinking: content,
    tool_calls: content,
  }),
  stop_reason: text(TEXT.stopReason),
  content_block: object({ name: content, text: content, thinking: content, data: content }),
  // An object of Anthropic, a text of OpenAI's responses.
  delta: skim(TAKE.filled, SEEN.delta, {
    text: content,
    thinking: content,
    partial_json: content,
    stop_reason: text(TEXT.stopReason),
  }),
  // An object of OpenAI's responses, a text of Ollama's generate.
  response: skim(TAKE.filled, SEEN.content, {
    id: text(TEXT.id),
    model: text(TEXT.model),
    status: text(TEXT.status),
    usage: usage(USAGE_OF.body),
    error: skim(TAKE.raw, RAW.responseError),
  }),
  item: object({ name: seen(SEEN.item) }),
  status: text(TEXT.status),
  thinking: content,
  done: skim(TAKE.flag, FLAG.done),
  done_reason: text(TEXT.doneReason),
  prompt_eval_count: count(COUNT.promptEval),
  eval_count: count(COUNT.eval),
  // TGI.
  token: object({ text: content }),
  generated_text: text(TEXT.generated),
  details: object({
    finish_reason: text(TEXT.stopReason),
    input_length: count(USAGE_OF.body + USAGE.prompt),
    generated_tokens: count(USAGE_OF.body + USAGE.completion),
  }),
  // SGLang.
  text: seen(SEEN.text),
  meta_info: object({
    id: text(TEXT.id),
    finish_reason: object({ type: text(TEXT.stopReason) }),
    prompt_tokens: count(USAGE_OF.body + USAGE.prompt),
    completion_tokens: count(USAGE_OF.body + USAGE.completion),
    cached_tokens: count(USAGE_OF.body + USAGE.cached),
  }),
});

/** The body of a request. */
export const REQUEST: SkimNode = object({ model: text(TEXT.model) });
