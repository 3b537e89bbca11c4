// Assembles a streamed answer of a language model, event by event: the JSON object that it would have been without
// streaming, and the error that it reports. Its input is the data and the type of each event, in order.
// Invariant: the result has only what the stream said, in its order; of a stream of unknown kind only the error is read.
import { errorOfEvent, type ResponseError } from './response-error.ts';
import { OpenAiChunkAssembler } from './openai-chunks.ts';
import { isObject, parseObject, type JsonObject } from './json-values.ts';
import { AnthropicAssembler } from './anthropic-message.ts';
import { OllamaAssembler } from './ollama.ts';
import { OpenAiResponseAssembler } from './openai-response.ts';

/** An answer that is assembled from its events. */
export interface Assembler {
  add(event: JsonObject): void;
  /** True if its events say that it is complete. */
  readonly isWhole: boolean;
  /** False: something was left out because of a limit. */
  readonly isComplete: boolean;
  /** False: it is not certain where some pieces belong, so the answer may be wrong. */
  readonly isExact: boolean;
  answer(): JsonObject;
}

/** The assembler for a stream that has this event; `undefined` if its kind is unknown. */
function assemblerFor(event: JsonObject): Assembler | undefined {
  const { type, choices, done } = event;
  if (type === 'message_start') return new AnthropicAssembler();
  if (typeof type === 'string' && type.startsWith('response.')) return new OpenAiResponseAssembler();
  const hasChunks = Array.isArray(choices) && (choices.length === 0 || choices.some(isChunk));
  if (hasChunks || isChunkName(event['object'])) return new OpenAiChunkAssembler();
  return typeof done === 'boolean' && typeof event['model'] === 'string' ? new OllamaAssembler() : undefined;
}

const isChunkName = (name: unknown): boolean =>
  name === 'chat.completion.chunk' || name === 'text_completion';
/** Servers may leave out the name of the object. */
const isChunk = (choice: unknown): boolean =>
  isObject(choice) && (isObject(choice['delta']) || typeof choice['text'] === 'string');

export interface AssembledResponse {
  readonly answer: JsonObject;
  /** True if the stream is complete, has no error, and is in the answer as a whole. */
  readonly isWhole: boolean;
  /** False: the answer may be wrong, so it must not replace the stream. */
  readonly isExact: boolean;
}

export class StreamedBody {
  /** The first error that an event reports. */
  error: ResponseError | undefined;
  #errorValue: unknown;
  #assembler: Assembler | undefined;
  #isDone = false;
  #isBroken = false;

  /** Takes the data of the next event. `type`: its type, empty where it has none. */
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
      // Data that begins like an object but is not JSON was lost. Other data does not belong to an answer.
      this.#isBroken ||= /^\s*\{/.test(data);
      return;
    }
    this.#assembler ??= assemblerFor(event);
    this.#assembler?.add(event);
  }

  /** The answer so far; `undefined` if the kind of the stream is unknown. */
  result(): AssembledResponse | undefined {
    const assembler = this.#assembler;
    if (assembler === undefined) return undefined;
    const answer = assembler.answer();
    const isFinished = this.#isDone || assembler.isWhole;
    return {
      // An answer that has an error of its own keeps it unchanged.
      answer: this.error === undefined ? answer : { ...answer, error: answer['error'] ?? this.#errorValue },
      isWhole: isFinished && this.error === undefined && assembler.isComplete,
      isExact: assembler.isExact && !this.#isBroken,
    };
  }
}
