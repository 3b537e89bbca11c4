// Assembles the streamed response of a language model from its events: the JSON object that the server would have sent
// without streaming, and the error that the stream reports.
// Invariant: the result contains only data of the stream; of a stream of unknown kind only the error is read.
import { errorOfEvent, type ResponseError } from '../../../../protocol/llm/response-error.ts';
import { OpenAiChunkAssembler } from './openai-chunks.ts';
import { isObject, parseObject, type JsonObject } from '../../../../protocol/llm/json-values.ts';
import { AnthropicAssembler } from './anthropic-message.ts';
import type { ResponseAssembler } from './assembler.ts';
import { OllamaAssembler } from './ollama.ts';
import { OpenAiResponseAssembler } from './openai-response.ts';

/** The assembler for a stream that has this event; `undefined` if its kind is unknown. */
function assemblerFor(event: JsonObject): ResponseAssembler | undefined {
  const { type, choices, done } = event;
  if (type === 'message_start') return new AnthropicAssembler();
  if (typeof type === 'string' && type.startsWith('response.')) return new OpenAiResponseAssembler();
  const hasChunks = Array.isArray(choices) && (choices.length === 0 || choices.some(isChunk));
  if (hasChunks || isChunkName(event['object'])) return new OpenAiChunkAssembler();
  return typeof done === 'boolean' && typeof event['model'] === 'string' ? new OllamaAssembler() : undefined;
}

const isChunkName = (name: unknown): boolean =>
  name === 'chat.completion.chunk' || name === 'text_completion';
/** Recognizes a choice of a chunk, since some servers do not send the name of the object. */
const isChunk = (choice: unknown): boolean =>
  isObject(choice) && (isObject(choice['delta']) || typeof choice['text'] === 'string');

export interface AssembledResponse {
  readonly response: JsonObject;
  /** True if the stream is complete and has no error, and the response contains all of it. */
  readonly isWhole: boolean;
  /** False: the response may be wrong, so it must not replace the stream. */
  readonly isExact: boolean;
}

export class StreamedBody {
  /** The first error that an event reports. */
  error: ResponseError | undefined;
  #errorValue: unknown;
  #assembler: ResponseAssembler | undefined;
  #isDone = false;
  #isBroken = false;

  /** Adds the data of the next event. `type`: its type, or empty. */
  add(data: string, type: string): void {
    if (data.trim() === '[DONE]') {
      this.#isDone = true;
      return;
    }
    const event = parseObject(data);
    const error = errorOfEvent(event, data, type);
    if (error !== undefined && this.error === undefined) {
      this.error = error;
      this.#errorValue = event?.['error'] ?? event ?? data;
    }
    if (event === undefined) {
      // Data that begins like an object but is invalid JSON is lost. Other data is not part of a response.
      this.#isBroken ||= /^\s*\{/.test(data);
      return;
    }
    this.#assembler ??= assemblerFor(event);
    this.#assembler?.add(event);
  }

  /** The response so far; `undefined` if the kind of the stream is unknown. */
  result(): AssembledResponse | undefined {
    const assembler = this.#assembler;
    if (assembler === undefined) return undefined;
    const response = assembler.response();
    const isFinished = this.#isDone || assembler.isWhole;
    return {
      // A response with an error of its own keeps it unchanged.
      response:
        this.error === undefined ? response : { ...response, error: response['error'] ?? this.#errorValue },
      isWhole: isFinished && this.error === undefined && assembler.isComplete,
      isExact: assembler.isExact && !this.#isBroken,
    };
  }
}
