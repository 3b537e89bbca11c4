// A streamed answer of a language model, followed event by event: the JSON object that it would have been without
// streaming, and the error that it reports. It needs only the data and the type of each event, in order.
// Invariant: what is put together was said, in that order; of a stream of no known kind only the error is read.
import { errorOfEvent, type AnswerError } from './answer-error.ts';
import { ChunkedAnswer } from './chunks.ts';
import { isObject, parseObject, type Fields } from './json.ts';
import { StreamedMessage } from './message.ts';
import { OllamaAnswer } from './ollama.ts';
import { StreamedResponse } from './response.ts';

/** An answer that is put together from its events. */
export interface Assembly {
  add(event: Fields): void;
  /** It came to its end, by its own events. */
  readonly isWhole: boolean;
  /** False: something was left out since it is beyond a limit. */
  readonly isComplete: boolean;
  /** False: where some pieces belong cannot be decided, so the answer may be wrong. */
  readonly isExact: boolean;
  answer(): Fields;
}

/** The assembly for a stream that has this event; `undefined` where its kind is not known. */
function assemblyFor(event: Fields): Assembly | undefined {
  const { type, choices, done } = event;
  if (type === 'message_start') return new StreamedMessage();
  if (typeof type === 'string' && type.startsWith('response.')) return new StreamedResponse();
  const hasChunks = Array.isArray(choices) && (choices.length === 0 || choices.some(isChunk));
  if (hasChunks || isChunkName(event['object'])) return new ChunkedAnswer();
  return typeof done === 'boolean' && typeof event['model'] === 'string' ? new OllamaAnswer() : undefined;
}

const isChunkName = (name: unknown): boolean =>
  name === 'chat.completion.chunk' || name === 'text_completion';
/** Servers may leave out the name of the object. */
const isChunk = (choice: unknown): boolean =>
  isObject(choice) && (isObject(choice['delta']) || typeof choice['text'] === 'string');

export interface Assembled {
  readonly answer: Fields;
  /** The stream came to its end without an error, and all of it is in the answer. */
  readonly isWhole: boolean;
  /** False: the answer may be wrong, so it must not stand for the stream. */
  readonly isExact: boolean;
}

export class StreamedAnswer {
  /** The first error that an event reports. */
  error: AnswerError | undefined;
  #errorValue: unknown;
  #assembly: Assembly | undefined;
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
      // What begins like an object and is none was lost; anything else is no part of an answer.
      this.#isBroken ||= /^\s*\{/.test(data);
      return;
    }
    this.#assembly ??= assemblyFor(event);
    this.#assembly?.add(event);
  }

  /** The answer so far; `undefined` where the kind of the stream is not known. */
  result(): Assembled | undefined {
    const assembly = this.#assembly;
    if (assembly === undefined) return undefined;
    const answer = assembly.answer();
    const isFinished = this.#isDone || assembly.isWhole;
    return {
      // An answer that ends with an error of its own keeps it as it said it.
      answer: this.error === undefined ? answer : { ...answer, error: answer['error'] ?? this.#errorValue },
      isWhole: isFinished && this.error === undefined && assembly.isComplete,
      isExact: assembly.isExact && !this.#isBroken,
    };
  }
}
